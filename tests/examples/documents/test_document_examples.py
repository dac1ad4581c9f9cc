"""From a folder to rows: spans, provenance, one split per document, limits, leaks, the way back."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples.documents import making
from tests.examples.papers import item, make_document_settings, make_paper, make_settings
from titer import files
from titer.config import LengthUnit, OnLeak
from titer.errors import LeakError
from titer.examples import folder
from titer.examples.build import Built, build
from titer.examples.caps import cap_documents
from titer.examples.contamination import recheck
from titer.examples.documents import collect, passages, works
from titer.examples.documents.chunking import cut, sections
from titer.examples.documents.taught import Documents
from titer.examples.recipes import rebuild_answer
from titer.examples.trace import Collection, is_rebuilt, support
from titer.literature.dedupe import deduplicate
from titer.records import BenchmarkText, Example, Paper

KINDS = (".pdf", ".docx", ".html", ".md", ".txt")


def read(root: Path, **changes: Any) -> Documents:
    given = {
        name: changes.pop(name) for name in ("papers", "rejected", "excluded") if name in changes
    }
    return collect.read(root, make_settings(**changes), deduplicate=deduplicate, **given)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty documents of all kinds: protocols and small books."""
    root = tmp_path_factory.mktemp("documents")
    for number in range(20):
        kind = KINDS[number % len(KINDS)]
        sections = making.protocol(number) if number % 2 else making.book(number + 3)
        making.write(root / f"shelf{number % 3}" / f"{number}{kind}", sections)
    return root


@pytest.fixture(scope="module")
def documents(root: Path) -> Documents:
    return read(root)


def rows(built: Built) -> list[Example]:
    return [*built.train, *built.validation]


def by_id(documents: Documents) -> dict[str, Paper]:
    return {paper.paper_id: paper for paper in documents.records}


def test_every_answer_can_be_rebuilt_from_its_spans(documents: Documents) -> None:
    papers = by_id(documents)
    assert len({row.paper_id for row in documents.examples}) == 20
    assert {row.recipe for row in documents.examples} >= {"fact_question", "section_question"}
    for row in documents.examples:
        assert rebuild_answer(row, papers[row.paper_id]) == row.answer
        assert row.source == "document" and row.spans


def test_every_row_says_where_it_comes_from(root: Path, documents: Documents) -> None:
    for row in documents.examples:
        assert row.document is not None
        path = root / row.document["path"]
        assert row.document["sha256"] == files.sha256_file(path)
        assert row.paper_id == f"document:{row.document['path']}"
        assert row.document["version"] and row.document["extractor"]
        assert (row.document["page"] is None) == (path.suffix != ".pdf")
        first, last = row.document["chunk"]
        inside = [span for span in row.spans if span[0] == 0 and first <= span[1] < span[2] <= last]
        assert inside or row.recipe == "summarise"
        assert row.document["chunking"] == {
            "version": 1, "unit": "characters", "chunk_size": 1000, "overlap": 200,
        }  # fmt: skip


def test_the_page_is_the_one_that_holds_the_answer(tmp_path: Path) -> None:
    making.write(tmp_path / "x.pdf", making.book(8))
    found = read(tmp_path, recipes=["fact_question"])
    asked = [row for row in found.examples if "usual remedy" in row.prompt]
    pages = {row.answer: row.document["page"] for row in asked if row.document}
    remedies = [f"{making.NOUNS[n % 10]}{n}" for n in range(800, 808)]
    assert pages == {remedy: page for page, remedy in enumerate(remedies, 1)}


@given(size=st.integers(60, 900), share=st.floats(0, 0.5), unit=st.sampled_from(LengthUnit))
@settings(max_examples=25, deadline=None)
def test_spans_rebuild_answers_however_the_text_is_cut(
    documents: Documents, size: int, share: float, unit: LengthUnit
) -> None:
    cutting = make_document_settings(chunk_size=size, overlap=int(share * size), unit=unit)
    for paper in documents.kept[::5]:
        text = works.extracted(paper)
        parts = sections(text)
        chunks, _ = cut(text.text, parts, cutting)
        made = passages.examples(paper, text, parts, chunks, make_settings(documents=cutting))
        assert all(rebuild_answer(row, paper) == row.answer for row in made)
        assert len({row.id for row in made}) == len(made)


def test_the_same_files_give_the_same_rows_whatever_their_order(
    root: Path, documents: Documents, tmp_path: Path
) -> None:
    for path in sorted((p for p in root.rglob("*") if p.is_file()), reverse=True):
        to = tmp_path / path.relative_to(root)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(path.read_bytes())
    assert read(tmp_path) == documents


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_document_stands_in_one_split_only(documents: Documents, seed: int) -> None:
    built = build([], make_settings(seed=seed), [], documents=documents)
    places: dict[str, set[str]] = {}
    for row in rows(built):
        places.setdefault(row.paper_id, set()).add(row.split)
    for paper in built.heldout_papers:
        places.setdefault(paper.paper_id, set()).add("heldout")
    assert len(places) == 20
    assert all(len(splits) == 1 for splits in places.values())
    assert set().union(*places.values()) == {"train", "validation", "heldout"}


def test_counts_add_up(documents: Documents) -> None:
    built = build([make_paper(n) for n in range(9)], make_settings(), [], documents=documents)
    found = built.counts["documents"]
    assert found["files"] == found["used"] == 20
    n = found["used_examples"] + found["heldout_examples"] + sum(found["removed"].values())
    assert n == found["examples"] == len(documents.examples)
    assert found["heldout"] + built.counts["heldout_papers"] == len(built.heldout_papers)
    assert built.counts["papers"] == 9


@pytest.mark.parametrize("change", [lambda text: text, lambda text: text.replace("boats", "ships")])
def test_equal_and_nearly_equal_documents_are_one_work(
    tmp_path: Path, change: Callable[[str], str]
) -> None:
    making.write(tmp_path / "one.md", making.book(4))
    edited = [(change(name), [change(text) for text in texts]) for name, texts in making.book(4)]
    making.write(tmp_path / "other.html", edited)
    found = read(tmp_path)
    assert len(found.kept) == len(found.copies) == 1
    assert len({paper.cluster_id for paper in found.records}) == 1
    assert found.counts["left_out"] == {"duplicate": 1}
    assert found.left_out[0].reason == "duplicate"


def test_short_equal_texts_are_one_work_too(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(
            "Twelve short words are all that this very short text can say."
        )
    found = read(tmp_path)
    assert [one.detail for one in found.left_out] == ["same text: a.txt"]


def test_a_passage_that_another_document_holds_is_asked_about_once(tmp_path: Path) -> None:
    shared = ("Safety", [making.paragraph(77) + " " + making.paragraph(78)])
    for number in (1, 2):
        making.write(tmp_path / f"{number}.md", [*making.book(number + 5), shared])
    found = read(tmp_path, documents=make_document_settings(chunk_size=700, overlap=0))
    assert len(found.kept) == 2
    assert found.counts["repeated_chunks"] == 1
    assert {row.paper_id for row in found.examples if "type 77" in row.prompt} == {"document:1.md"}


@pytest.mark.parametrize(
    ("paper", "head"),
    [
        (make_paper(5, doi="10.1000/ABC"), "doi 10.1000/abc."),
        (make_paper(5), "PMID: 5."),
        (make_paper(5, title=making.book(4)[0][0]), ""),
        (make_paper(5, sections=[{"label": "", "category": "",
                                  "text": making.paragraph(401) + making.paragraph(402)}]), ""),
    ],
    ids=["doi", "pmid", "title", "abstract"],
)  # fmt: skip
def test_a_document_of_a_collected_paper_joins_its_cluster(
    tmp_path: Path, paper: Paper, head: str
) -> None:
    paper.cluster_id = "pmid:3"
    making.write(tmp_path / "x.md", [*making.book(4), ("", [head] if head else [])])
    found = read(tmp_path, papers=[make_paper(8), paper])
    assert found.kept[0].cluster_id == "pmid:3"
    assert {row.cluster_id for row in found.examples} == {"pmid:3"}
    assert found.counts["of_papers"] == 1


def test_a_document_that_holds_two_papers_fits_no_split(tmp_path: Path) -> None:
    abstracts = [making.paragraph(401), making.paragraph(402)]
    papers = [
        make_paper(n, sections=[{"label": "", "category": "", "text": text}])
        for n, text in enumerate(abstracts)
    ]
    making.write(tmp_path / "proceedings.md", making.book(4))
    found = read(tmp_path, papers=papers)
    assert [one.reason for one in found.left_out] == ["holds several papers"]
    assert (found.kept, found.examples) == ([], [])


def test_a_part_of_a_document_stands_in_its_cluster(tmp_path: Path) -> None:
    (title, paragraphs), *_ = making.book(12)
    making.write(tmp_path / "book.md", [(title, paragraphs)])
    making.write(tmp_path / "part.pdf", [("The second chapter of it", paragraphs[3:6])])
    found = read(tmp_path)
    assert {paper.cluster_id for paper in found.kept} == {"document:book.md"}
    assert len(found.kept) == 2


def test_another_document_joins_no_paper(tmp_path: Path) -> None:
    making.write(tmp_path / "x.md", making.book(4))
    found = read(tmp_path, papers=[make_paper(n) for n in range(9)])
    assert found.kept[0].cluster_id == "document:x.md"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"excluded": {"10.1000/abc"}}, "excluded"),
        ({"papers": [make_paper(5, doi="10.1000/abc")],
          "rejected": [{"paper_id": "pmid:5", "reason": "retracted"}]}, "retracted"),
    ],
    ids=["excluded", "retracted"],
)  # fmt: skip
def test_a_document_of_a_paper_that_may_not_teach_is_left_out(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    making.write(tmp_path / "x.md", [*making.book(4), ("", ["doi:10.1000/abc"])])
    found = read(tmp_path, **changes)
    assert [(one.path, one.reason) for one in found.left_out] == [("x.md", reason)]
    assert found.examples == []


# ---- the limit ----------------------------------------------------------------------------------


def test_at_most_so_many_examples_from_every_document_in_turn(documents: Documents) -> None:
    kept, beyond = cap_documents(documents.examples, make_settings(max_examples=20))
    assert len({row.paper_id for row in kept}) == len(kept) == 20
    assert len(kept) + len(beyond) == len(documents.examples)
    built = build([], make_settings(max_examples=20), [], documents=documents)
    n_heldout = built.counts["documents"]["heldout_examples"]
    assert len(rows(built)) + n_heldout == 20
    assert built.counts["capped"] == {"cap:documents": len(documents.examples) - 20}


def test_the_limit_leaves_papers_alone(documents: Documents) -> None:
    papers = [make_paper(n) for n in range(30)]
    alone = rows(build(papers, make_settings(), []))
    both = rows(build(papers, make_settings(max_examples=0), [], documents=documents))
    assert [row.id for row in both] == [row.id for row in alone]


# ---- the benchmark ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        ("A", item("Other?", ids=frozenset({"doi:10.1000/abc"}))),
        ("B", item("Handling of the signal lamp of pier 4")),
        ("C", item("Why? The glass of lamp 4 was wiped with a dry cloth")),
        ("D", item("What is Harbour4 fever caused by?", kind="closed")),
    ],
    ids="ABCD",
)
def test_what_the_benchmark_asks_is_taken_out_of_documents_too(
    tmp_path: Path, rule: str, asked: BenchmarkText
) -> None:
    making.write(tmp_path / "x.md", [*making.protocol(4), ("Id", ["The doi is 10.1000/abc."])])
    making.write(tmp_path / "y.md", making.protocol(5))
    found = read(tmp_path)
    built = build([], make_settings(), [asked], documents=found)
    assert {row["rule"] for row in built.removed} == {rule}
    assert {row["paper_id"] for row in built.removed} == {"document:x.md"}
    with pytest.raises(LeakError):
        build([], make_settings(on_leak=OnLeak.fail), [asked], documents=found)


def test_boilerplate_of_many_documents_is_forgiven_to_none(tmp_path: Path) -> None:
    phrase = "The lamp must be out before anyone climbs onto the tower of the pier."
    for number in range(23):
        making.write(tmp_path / f"{number}.txt", [("", [f"{phrase} {making.paragraph(number)}"])])
    asked = item("May one climb?", phrase, kind="closed")
    built = build([], make_settings(recipes=["fact_question", "summarise"]), [asked],
                  documents=read(tmp_path, recipes=["fact_question", "summarise"]))  # fmt: skip
    assert all("before anyone climbs" not in f"{row.prompt} {row.answer}" for row in rows(built))


# ---- on disk ------------------------------------------------------------------------------------


def write(out: Path, documents: Documents | None, papers: Iterable[Paper] = ()) -> Built:
    papers = list(papers)
    built = build(papers, make_settings(), [], documents=documents)
    folder.write(
        out, papers=papers, copies=[], built=built, ids={},
        lists={"skipped": [], "rejected": [], "duplicate": []}, settings=make_settings(),
        title="Lamps", documents=documents,
    )  # fmt: skip
    return built


def test_without_a_document_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / ".gitkeep").touch()
    papers = [make_paper(n) for n in range(20)]
    write(tmp_path / "a", None, papers)
    write(tmp_path / "b", read(tmp_path / "documents"), papers)
    assert files.sha256_tree(tmp_path / "a") == files.sha256_tree(tmp_path / "b")
    assert '"document' not in (tmp_path / "a/examples/train.jsonl").read_text()


def test_a_row_leads_back_to_its_file(tmp_path: Path, root: Path, documents: Documents) -> None:
    built = write(tmp_path, documents)
    assert folder.read_examples(tmp_path, "train") == built.train
    collection = Collection(tmp_path)
    row = next(row for row in built.train if row.document and row.document["page"])
    trail = collection.trail(row.id[:8])
    assert trail.examples == [row] and trail.paper is not None and trail.paper.document
    assert trail.paper.document["sha256"] == files.sha256_file(root / trail.paper.document["path"])
    assert is_rebuilt(row, trail.paper)
    place, text = support(row, trail.paper)[0]
    assert place.startswith(f"page {row.document['page']}, characters ") and text in row.answer
    assert collection.trail(row.paper_id).paper == trail.paper


def test_a_file_that_was_left_out_can_be_asked_for(tmp_path: Path) -> None:
    making.write(tmp_path / "documents" / "x.md", making.book(4))
    (tmp_path / "documents" / "y.xls").write_text("x")
    write(tmp_path / "out", read(tmp_path / "documents"))
    (fate,) = Collection(tmp_path / "out").trail("document:y.xls").fate
    assert fate.startswith("left out: unknown suffix (.xls; allowed: .pdf, .docx")


def test_score_finds_no_leak_that_is_left(tmp_path: Path, documents: Documents) -> None:
    asked = [item("What is Harbour401 fever caused by?", kind="closed")]
    write(tmp_path, documents)
    assert recheck(tmp_path, asked)["remaining"] == []


def test_the_card_counts_the_documents(tmp_path: Path, documents: Documents) -> None:
    write(tmp_path, documents)
    card = (tmp_path / folder.CARD).read_text(encoding="utf-8")
    assert "20 files, of which 20 teach: " in card and "`: none. Nobody states" in card
    assert "`documents.jsonl.gz`" in card and "`documents_left_out.jsonl`" in card

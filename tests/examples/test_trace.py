"""Why a row is there and why a paper is not, read from the folder of a collection."""

from pathlib import Path

import pytest

from tests.examples.papers import item, make_paper, make_settings
from titer import files
from titer.config import ExampleSources
from titer.errors import DataError
from titer.examples import folder, own
from titer.examples.build import Built, build
from titer.examples.trace import Collection, is_rebuilt, support
from titer.records import Paper

PAPERS = [make_paper(number, query_ids=["pubmed:1"]) for number in range(1, 41)]
COPY = make_paper(99, cluster_id="pmid:7", doi="10.1000/x")
QUERY = {"query_id": "pubmed:1", "query": "lamps", "until": "2030-01-01", "count": 40, "ids": []}


@pytest.fixture
def built() -> Built:
    """Forty papers of which one is asked by the benchmark."""
    asked = [item("Other?", ids=frozenset({"5"}), id="Q5")]
    return build(PAPERS, make_settings(), asked, duplicates=[COPY])


@pytest.fixture
def collection(tmp_path: Path, built: Built) -> Collection:
    """The same, written and read."""
    folder.write(
        tmp_path,
        papers=PAPERS,
        copies=[COPY],
        built=built,
        ids={"pubmed": [QUERY], "arxiv": []},
        settings=make_settings(),
        title="Lamps",
        lists={
            "skipped": [{"paper_id": "pmid:200", "reason": "deleted by PubMed"}],
            "rejected": [{"paper_id": "pmid:201", "reason": "retracted", "detail": "notice 9"}],
            "duplicate": [{"paper_id": "pmid:99", "canonical": "pmid:7", "reason": "same DOI"}],
        },
    )
    return Collection(tmp_path)


def used(built: Built) -> Paper:
    return next(paper for paper in PAPERS if paper.paper_id == built.train[0].paper_id)


def test_an_example_leads_to_its_paper_its_spans_and_its_query(
    collection: Collection, built: Built
) -> None:
    trail = collection.trail(built.train[0].id)
    assert trail.examples == [built.train[0]]
    assert trail.paper == used(built)
    assert [row["query"] for row in collection.queries(trail.paper)] == ["lamps"]
    assert is_rebuilt(trail.examples[0], trail.paper)
    assert " ".join(text for _, text in support(built.train[0], trail.paper)) in (
        built.train[0].answer, built.train[0].answer.replace(", ", " "),
    )  # fmt: skip


def test_the_beginning_of_an_id_is_enough(collection: Collection, built: Built) -> None:
    assert collection.trail(built.train[0].id[:8]).examples == [built.train[0]]


def test_an_ambiguous_beginning_lists_what_begins_so(collection: Collection, built: Built) -> None:
    built.train[0].id, built.train[1].id = "abcdef01", "abcdef02"
    collection.examples = built.train
    with pytest.raises(DataError, match=r"2 examples begin so: abcdef01, abcdef02\. Give more"):
        collection.trail("abcdef")


@pytest.mark.parametrize("spelled", ["{0}", "pmid:{0}", "PMID: {0}"])
def test_a_paper_is_found_by_any_spelling(
    collection: Collection, built: Built, spelled: str
) -> None:
    paper = used(built)
    trail = collection.trail(spelled.format(paper.pmid))
    assert trail.paper == paper
    assert {row.paper_id for row in trail.examples} == {paper.paper_id}
    assert trail.fate == [f"used: {len(trail.examples)} examples"]


def test_a_removed_example_names_rule_and_item(collection: Collection) -> None:
    removed = collection.trail("pmid:5").removed
    assert {(row["rule"], row["item_id"]) for row in removed} == {("A", "Q5")}
    assert collection.trail(removed[0]["example_id"]).removed == [removed[0]]


def test_a_held_out_paper_says_so(collection: Collection, built: Built) -> None:
    held = built.heldout_papers[0]
    assert collection.trail(held.paper_id).fate == [
        "held out: its text measures bits per byte, no example comes from it"
    ]


@pytest.mark.parametrize(
    ("name", "fate"),
    [
        ("pmid:200", "no paper: deleted by PubMed"),
        ("pmid:201", "rejected: retracted (notice 9)"),
        ("10.1000/x", "a duplicate of pmid:7: same DOI"),
    ],
)
def test_a_paper_that_is_not_used_says_why(collection: Collection, name: str, fate: str) -> None:
    assert collection.trail(name).fate == [fate]


def test_all_records_of_a_work_are_named(collection: Collection) -> None:
    assert collection.trail("pmid:7").cluster == ["pmid:7", "pmid:99"]
    assert collection.trail("pmid:99").cluster == ["pmid:7", "pmid:99"]


def test_a_changed_paper_no_longer_gives_the_answer(built: Built) -> None:
    paper = used(built)
    changed = make_paper(int(paper.pmid or 0), sections=[], title="Other")
    assert is_rebuilt(built.train[0], changed) is False


def test_an_unknown_name_says_what_can_be_given(collection: Collection) -> None:
    with pytest.raises(DataError, match=r"'nothing': neither an example nor a paper.*Give an"):
        collection.trail("nothing")


def test_without_papers_the_next_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no papers yet\. Run: dvc repro fetch_papers"):
        Collection(tmp_path)


def test_a_held_out_row_of_ones_own_says_so(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    pairs = [{"question": f"Why {n}?", "answer": "So.", "source": f"B{n}"} for n in range(40)]
    files.write_jsonl(tmp_path / "own" / "a.jsonl", pairs)
    rows = own.read(tmp_path / "own")
    assert sorted(rows.places.values())[0] == f"{tmp_path / 'own' / 'a.jsonl'}:1"
    settings = make_settings(sources=ExampleSources.own)
    built = build([], settings, [], extra=rows.examples)
    lists: dict[str, list[dict[str, str]]] = {
        name: [] for name in ("skipped", "rejected", "duplicate")
    }
    folder.write(
        tmp_path / "papers", papers=[], copies=[], built=built, ids={"source": "none"},
        lists=lists, settings=settings, title="Lamps",
    )  # fmt: skip
    found = Collection(tmp_path / "papers")
    held = built.heldout_rows[0]
    (said,) = found.trail(held["example_ids"][0]).fate
    assert said.startswith(f"{held['paper_id']}: held out: ")
    assert found.trail(held["paper_id"]).fate == [said.partition(": ")[2]]
    assert [row.id for row in found.trail(built.train[0].id).examples] == [built.train[0].id]

"""The sample collection: what it states, what it never states, and that it says it is synthetic."""

import gzip
import importlib.util
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from pathlib import Path

import pytest
import yaml
from lxml import etree

from tests.evaluation import domains
from titer import files
from titer.errors import DataError, FormatError
from titer.evaluation import sample_formats, samples
from titer.evaluation.items import Templates, word_key
from titer.evaluation.questions import load_facts, load_templates
from titer.evaluation.sample_prose import Guard, load_prose, ngrams
from titer.literature.files import read_papers
from titer.records import Fact, Paper

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
LABELS = {
    "DOI": "10.5555/titer.sample.",
    "journal": sample_formats.JOURNAL,
    "author": "Synthetic Author",
}
FEWEST = {"autoimmune": (300, 35)}
"""Usable papers and arXiv entries; for other domains AT_LEAST."""
AT_LEAST = (150, 20)


@dataclass
class Source:
    """What a domain's collection is made from."""

    name: str

    @property
    def folder(self) -> Path:
        return domains.BENCHMARKS / self.name

    @cached_property
    def facts(self) -> list[Fact]:
        return load_facts(self.folder / "facts.csv")

    @cached_property
    def templates(self) -> dict[str, Templates]:
        return load_templates(self.folder / "templates.yaml")

    @cached_property
    def statements(self) -> dict[str, tuple[str, ...]]:
        return {name: templates.statements for name, templates in self.templates.items()}

    @cached_property
    def stated(self) -> set[str]:
        return {fact.fact_id for fact in self.facts if samples.stated(fact.fact_id)}

    @cached_property
    def taught(self) -> set[str]:
        return self.stated - set(samples.unteachable(self.facts, self.statements))

    def collection(self) -> dict[str, bytes]:
        prose = load_prose(self.folder / "prose.yaml")
        return samples.sample_collection(self.facts, self.statements, prose)


AUTOIMMUNE = Source("autoimmune")
PROSE, STATEMENTS = load_prose(AUTOIMMUNE.folder / "prose.yaml"), AUTOIMMUNE.statements


@pytest.fixture(scope="module", params=domains.NAMES)
def source(request: pytest.FixtureRequest) -> Source:
    return Source(request.param)


@pytest.fixture(scope="module")
def collection(source: Source) -> dict[str, bytes]:
    return source.collection()


@pytest.fixture(scope="module")
def papers(collection: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> list[Paper]:
    folder = tmp_path_factory.mktemp("samples")
    for name, content in collection.items():
        files.write_bytes(folder / name, content)
    parsed = read_papers(folder)
    assert not parsed.skipped
    return parsed.papers


@pytest.fixture(scope="module")
def usable(papers: list[Paper]) -> list[Paper]:
    """One paper per text that could become training text."""
    published = {paper.doi for paper in papers if paper.source == "pubmed"}
    return [
        paper
        for paper in papers
        if len(paper.abstract.split()) >= 50
        and not (paper.retracted or paper.concern or paper.withdrawn or paper.version_of)
        and "Editorial" not in paper.pub_types
        and not (paper.source == "arxiv" and paper.doi in published)
        and not paper.title.endswith(": a second report")
    ]


def placeholder_facts(n: int, answers: str = "answer {}") -> list[Fact]:
    return [
        Fact(f"P{i:03d}", f"placeholder {i // 5} disease", [], "hallmark", answers.format(i),
             [], [], "typical", "", "", "", "memory")
        for i in range(n)
    ]  # fmt: skip


def sentences(paper: Paper) -> Iterator[str]:
    yield paper.title
    for section in paper.sections:
        yield from re.split(r"(?<=[.?!])\s+", section["text"])


def test_about_sixty_percent_of_ids_are_stated() -> None:
    assert 0.57 < sum(samples.stated(f"F{i:05d}") for i in range(5000)) / 5000 < 0.63


def test_two_calls_give_equal_bytes(source: Source, collection: dict[str, bytes]) -> None:
    assert source.collection() == collection


def test_another_seed_gives_other_papers() -> None:
    facts = placeholder_facts(30)
    one = samples.sample_collection(facts, STATEMENTS, PROSE, seed=1)
    assert one != samples.sample_collection(facts, STATEMENTS, PROSE, seed=2)


def test_pubmed_files_are_valid_against_the_dtd(collection: dict[str, bytes]) -> None:
    bio = importlib.util.find_spec("Bio")
    assert bio is not None and bio.submodule_search_locations
    folder = Path(bio.submodule_search_locations[0]) / "Entrez" / "DTDs"
    dtd = etree.DTD(str(folder / "pubmed_250101.dtd"))
    for name, content in collection.items():
        if name.startswith("pubmed"):
            body = gzip.decompress(content) if name.endswith(".gz") else content
            assert dtd.validate(etree.parse(BytesIO(body))), dtd.error_log


def test_arxiv_feed_counts_its_entries(source: Source, collection: dict[str, bytes]) -> None:
    feed = etree.fromstring(collection["arxiv_sample.atom"])
    total = feed.findtext("{http://a9.com/-/spec/opensearch/1.1/}totalResults")
    n_entries = len(feed.findall("{http://www.w3.org/2005/Atom}entry"))
    assert int(total) == n_entries >= FEWEST.get(source.name, AT_LEAST)[1]


def test_enough_records_are_usable(source: Source, usable: list[Paper]) -> None:
    assert len(usable) >= FEWEST.get(source.name, AT_LEAST)[0]


def test_abstracts_have_the_promised_length(usable: list[Paper]) -> None:
    assert all(90 <= len(paper.abstract.split()) <= 150 for paper in usable)


def test_every_stated_fact_stands_in_three_papers(source: Source, usable: list[Paper]) -> None:
    guard = Guard(source.facts)
    dose = Counter(
        fact_id
        for paper in usable
        for fact_id in set().union(*map(guard.stated_in, sentences(paper)))
    )
    assert set(dose) == source.taught
    assert min(dose.values()) == 3
    assert max(dose.values()) >= 8


def test_every_stated_fact_occurs_in_all_wordings(source: Source, usable: list[Paper]) -> None:
    text = " ".join(paper.abstract for paper in usable)
    guard = Guard(source.facts)
    found = defaultdict(set)
    for fact in (fact for fact in source.facts if fact.fact_id in source.taught):
        for number, wording in enumerate(source.statements[fact.relation]):
            for name in guard.names[fact.disease]:
                # the first letter of a sentence may be a capital
                if wording.format(disease=name, answer=fact.answer)[1:] in text:
                    found[fact.fact_id].add(number)
    assert sum(len(wordings) == 3 for wordings in found.values()) >= 0.95 * len(source.taught)


def test_few_stated_facts_are_left_out(source: Source) -> None:
    assert len(source.stated - source.taught) <= 0.03 * len(source.stated)


def test_unstated_facts_never_co_occur_in_any_paper(source: Source, papers: list[Paper]) -> None:
    # written out apart from Guard, and by paper where the promise is by sentence
    keys = {p.paper_id: f" {word_key(f'{p.title} {p.abstract}')} " for p in papers}
    for fact in (fact for fact in source.facts if fact.fact_id not in source.stated):
        names = [f" {word_key(t)} " for t in (fact.disease, *fact.disease_synonyms)]
        answers = [f" {word_key(t)} " for t in (fact.answer, *fact.answer_synonyms)]
        for paper_id, key in keys.items():
            both = any(n in key for n in names) and any(a in key for a in answers)
            assert not both, f"{paper_id} holds {fact.fact_id} {fact.disease}: {fact.answer}"


def test_keywords_hold_no_answer(source: Source, papers: list[Paper]) -> None:
    guard = Guard(source.facts)
    assert not any(guard.stated_in(*paper.keywords) for paper in papers)


def test_every_record_says_that_it_is_synthetic(papers: list[Paper]) -> None:
    for paper in papers:
        assert paper.synthetic and paper.authors == [LABELS["author"]]
        if paper.source == "pubmed":
            assert paper.journal == LABELS["journal"] and (paper.doi or "").startswith(
                LABELS["DOI"]
            )
            assert int(paper.pmid or 0) > sample_formats.FIRST_PMID
            assert not paper.sections or paper.copyright_text == sample_formats.COPYRIGHT
        else:
            assert (paper.arxiv_id or "").startswith("2699.")


def test_ids_dois_and_titles_are_unique(papers: list[Paper]) -> None:
    own = [p for p in papers if p.source == "pubmed" or not p.doi]
    for values in (
        [p.paper_id for p in papers],
        [p.doi for p in papers if p.source == "pubmed"],
        [word_key(p.title) for p in own if not p.version_of],
    ):
        assert [value for value, count in Counter(values).items() if count > 1] == []


def test_titles_name_the_subject_and_some_ask(source: Source, usable: list[Paper]) -> None:
    named = [word_key(f.disease) for f in source.facts]
    assert all(any(name in word_key(p.title) for name in named) for p in usable)
    assert 0.05 < sum(p.title.endswith("?") for p in usable) / len(usable) < 0.25


def test_papers_are_not_alike(usable: list[Paper]) -> None:
    grams = [ngrams(paper.abstract, 5) for paper in usable]
    assert max(len(a & b) / len(a | b) for a, b in itertools.combinations(grams, 2)) <= 0.4
    runs = Counter(run for paper in usable for run in ngrams(paper.abstract, 8))
    assert runs.most_common(1)[0][1] <= 0.2 * len(usable)


def test_versions_and_near_duplicates_are_alike_but_not_equal(papers: list[Paper]) -> None:
    by_doi = {p.doi: p for p in papers if p.source == "pubmed"}
    by_id = {p.paper_id: p for p in papers}
    pairs = [(p, by_doi[p.doi]) for p in papers if p.source == "arxiv" and p.doi]
    pairs += [(p, by_id[p.version_of]) for p in papers if p.version_of]
    assert len(pairs) == 9
    for one, other in pairs:
        a, b = ngrams(one.abstract, 5), ngrams(other.abstract, 5)
        assert one.title == other.title and 0.45 < len(a & b) / len(a | b) < 1


def test_specials_are_all_there(papers: list[Paper]) -> None:
    notices = {p.paper_id for p in papers if p.is_retraction_notice}
    retracted = [p for p in papers if p.retracted]
    assert {(p.retraction or {})["notice_id"] for p in retracted} == notices
    assert len(retracted) == 6
    assert sum(not p.sections for p in papers) == 8
    assert sum(p.language == ["ger"] for p in papers) == 4
    assert sum("Editorial" in p.pub_types for p in papers) == 3
    assert sum(p.concern for p in papers) == 2
    assert sum(p.withdrawn for p in papers) == 1
    assert sum(p.title.endswith(": a second report") for p in papers) == 2


def test_wire_features_occur(collection: dict[str, bytes]) -> None:
    text = collection["pubmed_sample_01.xml"] + collection["pubmed_sample_02.xml"]
    assert all(mark in text for mark in (b"<sup>", b"<i>", b"<MedlineDate>", b"<Season>"))


def test_no_benchmark_wording_occurs(source: Source, papers: list[Paper]) -> None:
    text = " | ".join(word_key(sentence) for paper in papers for sentence in sentences(paper))
    runs = set().union(*(ngrams(f"{p.title} {p.abstract}", 8) for p in papers))
    for templates in source.templates.values():
        for wording in (*templates.questions, *templates.reverse):
            parts = (word_key(part) for part in re.split(r"\{\w+\}", wording))
            assert not [part for part in parts if len(part.split()) >= 4 and part in text]
    for name in ("open.jsonl", "safety.jsonl"):
        for row in files.read_jsonl(source.folder / name):
            asked = f"{row.get('question') or ''} {row.get('reference_answer') or ''}"
            assert not ngrams(asked, 8) & runs, row


def test_prose_gives_way_to_facts_that_it_would_state() -> None:
    facts = placeholder_facts(30)
    taken = replace(facts[0], answer_synonyms=["letter", "visit", "file"])
    found = samples.sample_collection([taken, *facts[1:]], STATEMENTS, PROSE)
    body = etree.fromstring(gzip.decompress(found["pubmed_sample_01.xml.gz"]))
    texts = [" ".join(one.itertext()) for one in body.iterfind(".//Abstract")]
    about = [word_key(text).split() for text in texts if "placeholder 0 disease" in text]
    assert about and not any({"letter", "visit", "file"} & set(words) for words in about)


def test_too_few_papers_are_refused() -> None:
    with pytest.raises(DataError, match=r"n_papers = 2: too few to state \d+ facts three times"):
        samples.sample_collection(placeholder_facts(60), STATEMENTS, PROSE, n_papers=2)


def test_a_relation_without_wordings_is_refused() -> None:
    with pytest.raises(DataError, match="no statements for hallmark"):
        samples.sample_collection(placeholder_facts(5), {}, PROSE)


WHOLE = (AUTOIMMUNE.folder / "prose.yaml").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"topics: {}\nverses: []\n", ":1: missing or unknown keys: .*verses"),
        (WHOLE + b"headings: Humans\n", ":1: headings is a str, expected list"),
        (WHOLE + b"titles: [a]\n", ":1: titles is a list, expected dict"),
        (b"5\n", ":1: a int, expected a mapping"),
        (b"a: 2020-13-45\n", ":1: not YAML: month must be in"),
        (b"[" * 5000, ":1: not YAML: "),
        (b"a: 1\n\xff", ":2: byte 0xff is no UTF-8"),
    ],
    ids=["keys", "text for a list", "list for a mapping", "number", "date", "deep", "bytes"],
)
def test_malformed_prose_is_refused_in_one_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "prose.yaml").write_bytes(content)
    with pytest.raises(FormatError, match=rf"prose\.yaml{message}") as error:
        load_prose(tmp_path / "prose.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "background",
            ["The {topc} matters."],
            "has {topc}, which nothing fills. Known: {Design}",
        ),
        ("methods", ["The {topic matters."], "has {, which nothing fills"),
        ("results", ["{n.x} matter."], "has {n.x}, which nothing fills"),
        ("objective", [""], "'' is no text. Write one, in quotes"),
        ("staff", [None], "None is no text"),
        ("topics", {5: "a list"}, "5 is no text"),
        ("designs", {"survey": None}, "None is no text"),
        ("titles", {"asking": ["Is {topic} new?"]}, "expected two lists of titles, asking and"),
        ("titles", {"asking": ["Is {topic} new?"], "telling": []}, "expected two lists of titles"),
        ("conclusions", [["It is."]], "['It is.'] is no text"),
        ("titles", {"asking": ["Is it {x}?"], "telling": ["It is."]}, "has {x}, which nothing"),
        ("keywords", ["one"], "1 entries, at least 2 are needed"),
        ("staff", ["a <i>nurse"], "close each of <i>, <sup>, <sub> in its order"),
        ("edits", {}, "0 entries, at least 1 are needed"),
        ("german", ["abc"], "expected pairs of a title and a sentence"),
    ],
)
def test_pieces_that_no_paper_could_use_are_refused(
    tmp_path: Path, name: str, value: object, message: str
) -> None:
    path = tmp_path / "prose.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(WHOLE) | {name: value}))
    with pytest.raises(FormatError, match=re.escape(message)) as error:
        load_prose(path)
    assert str(error.value).startswith(f"{path}: {name}: ")


def test_edits_and_categories_are_taken_as_they_stand() -> None:
    odd = replace(PROSE, edits={**PROSE.edits, "more (or": "or", "w.re": "was"},
                  arxiv_categories=["a&b", '"q"'])  # fmt: skip
    found = samples.sample_collection(AUTOIMMUNE.facts, STATEMENTS, odd)
    terms = etree.fromstring(found["arxiv_sample.atom"]).xpath("//@term")
    assert set(terms) == {"a&b", '"q"'}


def test_committed_files_are_what_the_function_gives(
    source: Source, collection: dict[str, bytes]
) -> None:
    found = {path.name: path.read_bytes() for path in (SAMPLES / source.name).glob("*_sample*")}
    if not found:
        pytest.skip("data/samples/<domain> is empty: run `titer benchmark samples`")
    stale = sorted(n for n in found.keys() | collection if found.get(n) != collection.get(n))
    assert stale == [], "run `titer benchmark samples`"


def test_writing_replaces_an_earlier_collection(tmp_path: Path) -> None:
    (tmp_path / "pubmed_sample_99.xml").write_text("old")
    (tmp_path / "README.md").write_text("kept")
    written = samples.write_collection(AUTOIMMUNE.folder, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        ["README.md", *(p.name for p in written)]
    )

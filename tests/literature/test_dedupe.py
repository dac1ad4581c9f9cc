"""Clusters of records of the same work."""

import random
from dataclasses import replace

import pytest

from tests.standin import corpus
from titer.literature.dedupe import deduplicate, normal_words
from titer.records import Paper

TITLE = "Tolerance of infused antibody in joint disease"


def paper(number: int, source: str = "pubmed", **changes: object) -> Paper:
    """A paper with a text of its own."""
    text = corpus.text(random.Random(number), 5)
    name = f"pmid:{number}" if source == "pubmed" else f"arxiv:2401.{number:05d}"
    sections = [{"label": "", "category": "", "text": text}]
    given = {"is_preprint": source == "arxiv", "authors": [f"A Author{number}"], **changes}
    base = Paper(name, source, f"Title number {number}", sections, pub_date=f"{1900 + 9 * number}")
    return replace(base, **given)  # type: ignore[arg-type]


def edited(text: str, share: float) -> str:
    """The text with a share of its words replaced."""
    rng = random.Random(1)
    return " ".join("altered" if rng.random() < share else word for word in text.split())


def outcome(*papers: Paper) -> list[tuple[str, str, str]]:
    found = deduplicate(papers)
    assert found == deduplicate(papers[::-1]), "the order of the papers does not matter"
    return [(row["paper_id"], row["canonical"], row["reason"]) for row in found.duplicates]


def with_abstract(text: str, number: int, **changes: object) -> Paper:
    return paper(number, sections=[{"label": "", "category": "", "text": text}], **changes)


def test_papers_of_their_own_stay_alone() -> None:
    found = deduplicate([paper(2), paper(1)])
    assert [one.paper_id for one in found.kept] == ["pmid:1", "pmid:2"]
    assert [one.cluster_id for one in found.kept] == ["pmid:1", "pmid:2"]
    assert found.duplicates == []


def test_duplicates_know_their_cluster_as_well() -> None:
    papers = [paper(1, doi="10.1/x"), paper(2, "arxiv", doi="10.1/x"), paper(3)]
    deduplicate(papers)
    assert [one.cluster_id for one in papers] == ["pmid:1", "pmid:1", "pmid:3"]


def test_the_same_id_is_kept_once() -> None:
    assert outcome(paper(1), paper(1)) == [("pmid:1", "pmid:1", "same id")]


def test_the_same_doi_is_one_work() -> None:
    published, preprint = paper(1, doi="10.1/x"), paper(1, "arxiv", doi="10.1/x")
    assert outcome(published, preprint) == [("arxiv:2401.00001", "pmid:1", "same DOI")]


@pytest.mark.parametrize("version", ["", "v2"])
def test_the_doi_that_arxiv_gives_is_the_arxiv_paper(version: str) -> None:
    record = paper(7, doi=f"10.48550/arxiv.2401.00001{version}")
    preprint = paper(1, "arxiv", arxiv_id="2401.00001")
    assert outcome(record, preprint) == [("arxiv:2401.00001", "pmid:7", "same DOI")]


@pytest.mark.parametrize("kind", ["UpdateIn", "UpdateOf"])
def test_linked_versions_are_one_work(kind: str) -> None:
    link = [{"type": kind, "pmid": "2", "source": None}]
    assert outcome(paper(1, corrections=link, is_preprint=True), paper(2)) == [
        ("pmid:1", "pmid:2", "linked version")
    ]


def test_a_comment_on_a_paper_is_not_the_paper() -> None:
    link = [{"type": "CommentOn", "pmid": "2", "source": None}]
    assert outcome(paper(1, corrections=link), paper(2)) == []


def test_the_same_title_and_first_author_are_one_work() -> None:
    one = paper(1, title=TITLE, authors=["Ana Müller"])
    other = paper(5, title=f"{TITLE.upper()}.", authors=["A Muller"])
    assert [reason for _, _, reason in outcome(one, other)] == ["same title"]


def test_the_same_title_within_two_years_is_one_work() -> None:
    one, other = paper(1, title=TITLE, pub_date="2020"), paper(2, title=TITLE, pub_date="2022-05")
    assert len(outcome(one, other)) == 1


def test_the_same_title_ten_years_apart_is_not_one_work() -> None:
    one, other = paper(1, title=TITLE, pub_date="2010"), paper(2, title=TITLE, pub_date="2020")
    assert outcome(one, other) == []


def test_a_generic_title_joins_nothing() -> None:
    one = paper(1, title="Editorial", pub_date="2020")
    assert outcome(one, paper(2, title="Editorial", pub_date="2020")) == []


@pytest.mark.parametrize(("share", "n_duplicates"), [(0.02, 1), (0.05, 1), (0.4, 0)])
def test_edited_abstracts_are_one_work(share: float, n_duplicates: int) -> None:
    text = corpus.text(random.Random(3), 12)
    found = outcome(with_abstract(text, 1), with_abstract(edited(text, share), 2))
    assert [reason for _, _, reason in found] == ["similar abstract"] * n_duplicates


def test_short_abstracts_are_not_compared() -> None:
    text = "No abstract is available for this article, see the full text"
    assert outcome(with_abstract(text, 1), with_abstract(text, 2)) == []


def test_a_chain_of_duplicates_is_one_cluster() -> None:
    papers = [
        paper(1, "arxiv", doi="10.1/x"),
        paper(2, doi="10.1/x", title=TITLE, pub_date="2020"),
        paper(3, title=TITLE, pub_date="2021"),
    ]
    reasons = {name: reason for name, _, reason in outcome(*papers)}
    assert reasons["arxiv:2401.00001"] == "same DOI"
    assert len(deduplicate(papers).kept) == 1


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (paper(2), paper(1, is_preprint=True)),
        (paper(2, license={"id": "cc-by-4.0"}), paper(1)),
        (paper(2, license={"id": "CC0"}), paper(1, license={"id": "cc-by-nc-4.0"})),
        (paper(2, sections=[{"label": "A", "text": "a"}] * 2), paper(1)),
        (with_abstract("word " * 200, 2), paper(1)),
    ],
    ids=["published", "open licence", "not non-commercial", "structured", "longer"],
)
def test_the_better_record_stands_for_the_cluster(better: Paper, worse: Paper) -> None:
    found = deduplicate([replace(worse, doi="10.1/x"), replace(better, doi="10.1/x")])
    assert [one.paper_id for one in found.kept] == ["pmid:2"]


def test_words_are_compared_without_accents_and_punctuation() -> None:
    assert normal_words("Sjögren's β-cell, (T_H 17)") == [
        "sjogren",
        "s",
        "β",
        "cell",
        "t",
        "h",
        "17",
    ]

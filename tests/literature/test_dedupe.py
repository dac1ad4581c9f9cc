"""Clusters of records of the same work."""

import copy
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.standin import corpus
from titer.literature.dedupe import deduplicate, not_taken
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


def test_a_record_that_was_not_taken_belongs_to_the_work_that_was() -> None:
    rejected, preprint = paper(1, doi="10.1/x"), paper(1, "arxiv", doi="10.1/x")
    alone = paper(2, doi="10.1/y")
    deduplicate([preprint])
    (found,) = not_taken([rejected, alone, preprint], [preprint])
    assert (found.paper_id, found.cluster_id) == ("pmid:1", "arxiv:2401.00001")
    assert rejected.cluster_id != found.cluster_id


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


def test_a_title_of_every_other_year_joins_neighbours_only() -> None:
    """2010 fits 2012, 2012 fits 2014 and so on: a chain would make one work of all."""
    reports = [paper(n, title=TITLE, pub_date=f"{2008 + 2 * n}") for n in range(1, 6)]
    for order in (reports, reports[::-1], reports[2:] + reports[:2]):
        found = deduplicate(order)
        for row in found.duplicates:
            years = [
                int(one.pub_date or 0) for one in reports if one.cluster_id == row["canonical"]
            ]
            assert max(years) - min(years) <= 2
        assert len(found.kept) == 3


def test_a_title_of_many_works_joins_only_one_author_and_near_years() -> None:
    report = {"title": TITLE, "pub_date": "2020"}
    others = [paper(n, **report) for n in range(1, 10)]
    twin = paper(10, "arxiv", **report, authors=["A Author9"])
    old = paper(11, **{**report, "pub_date": "2010"}, authors=["A Author9"])
    assert outcome(*others, twin, old) == [("arxiv:2401.00010", "pmid:9", "same title")]


def test_a_doi_of_a_whole_supplement_joins_nothing() -> None:
    assert outcome(*(paper(n, doi="10.1/supplement") for n in range(1, 8))) == []


def test_the_versions_of_a_preprint_with_one_doi_are_one_work() -> None:
    assert len(outcome(*(paper(n, doi="10.1/x", title=TITLE) for n in range(1, 8)))) == 6


def test_abstracts_that_each_resemble_the_next_do_not_snowball() -> None:
    texts = [corpus.text(random.Random(7), 12)]
    for n in range(12):
        words = texts[-1].split()
        at = n * len(words) // 12
        words[at : at + 35] = corpus.text(random.Random(100 + n), 3).split()[:35]
        texts.append(" ".join(words))
    chain = [with_abstract(text, n + 1) for n, text in enumerate(texts)]
    assert len(outcome(chain[4], chain[5])) == 1, "neighbours are similar"
    assert outcome(chain[0], chain[-1]) == [], "the ends are not"
    outcome(*chain)
    joined = {one.cluster_id for one in chain}
    assert len(joined) > 2
    first, last = chain[0], chain[-1]
    assert first.cluster_id != last.cluster_id


@pytest.mark.parametrize("kind", ["CorrectedandRepublishedIn", "CorrectedandRepublishedFrom"])
def test_a_corrected_version_is_the_same_work(kind: str) -> None:
    link = [{"type": kind, "pmid": "2", "source": None}]
    kept = {"CorrectedandRepublishedIn": "pmid:2", "CorrectedandRepublishedFrom": "pmid:1"}[kind]
    back = [{"type": "CorrectedandRepublishedIn", "pmid": "1", "source": None}]
    other = paper(2, corrections=back if kept == "pmid:1" else [])
    ((_, canonical, reason),) = outcome(paper(1, corrections=link), other)
    assert (canonical, reason) == (kept, "linked version")


def test_what_was_retracted_is_not_what_was_published_again() -> None:
    link = [{"type": "RetractedandRepublishedFrom", "pmid": "2", "source": None}]
    assert outcome(paper(1, corrections=link), paper(2)) == []


def test_papers_through_a_common_preprint_are_one_work() -> None:
    one = paper(1, corrections=[{"type": "UpdateOf", "pmid": "9", "source": None}])
    preprint = paper(9, is_preprint=True, doi="10.1101/x")
    posted = paper(3, "arxiv", doi="10.1101/X")
    assert {canonical for _, canonical, _ in outcome(one, preprint, posted)} == {"pmid:1"}


TITLES = [TITLE, "Editorial", "Annual report of the registry of joint disease", "Another title"]


@st.composite
def a_paper(draw: st.DrawFn) -> Paper:
    """A paper that shares ids, DOIs, titles, years, authors, links or texts with others."""
    number = draw(st.integers(1, 6))
    source = draw(st.sampled_from(["pubmed", "arxiv"]))
    kind = draw(st.sampled_from(["UpdateIn", "UpdateOf", "CommentOn"]))
    text = corpus.text(random.Random(draw(st.integers(1, 3))), 8)
    text = edited(text, draw(st.sampled_from([0.0, 0.05, 0.2])))
    return paper(
        number,
        source,
        doi=draw(st.sampled_from([None, "10.1/x", "10.48550/arxiv.2401.00001", "10.1/y"])),
        arxiv_id=f"2401.{number:05d}" if source == "arxiv" else None,
        title=draw(st.sampled_from(TITLES)),
        pub_date=draw(st.sampled_from([None, "2018", "2020-03", "2022"])),
        authors=draw(st.sampled_from([[], ["A Author1"], ["B Other"]])),
        corrections=[{"type": kind, "pmid": str(draw(st.integers(1, 6))), "source": None}]
        if draw(st.booleans())
        else [],
        sections=[{"label": "", "category": "", "text": text}] if draw(st.booleans()) else [],
        license=draw(st.sampled_from([None, {"id": "cc-by"}])),
    )


@given(st.lists(a_paper(), max_size=9), st.randoms(use_true_random=False))
def test_the_order_of_the_papers_never_matters(papers: list[Paper], rng: random.Random) -> None:
    found = deduplicate(copy.deepcopy(papers))
    assert len(found.kept) + len(found.duplicates) == len(papers)
    shuffled = copy.deepcopy(papers)
    rng.shuffle(shuffled)
    again = deduplicate(shuffled)
    assert again.duplicates == found.duplicates
    assert [one.paper_id for one in again.kept] == [one.paper_id for one in found.kept]
    assert [one.title for one in again.kept] == [one.title for one in found.kept]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (paper(2), paper(1, is_preprint=True)),
        (paper(2, license={"id": "cc-by-nd"}), paper(1)),
        (paper(2, license={"id": "cc0"}), paper(1, license={"id": "cc-by-nc"})),
        (paper(2, sections=[{"label": "A", "text": "a"}] * 2), paper(1)),
        (with_abstract("word " * 200, 2), paper(1)),
    ],
    ids=["published", "open licence", "not non-commercial", "structured", "longer"],
)
def test_the_better_record_stands_for_the_cluster(better: Paper, worse: Paper) -> None:
    found = deduplicate([replace(worse, doi="10.1/x"), replace(better, doi="10.1/x")])
    assert [one.paper_id for one in found.kept] == ["pmid:2"]

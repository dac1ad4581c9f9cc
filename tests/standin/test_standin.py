"""The stand-in is true to the formats: its records are valid and real items go through it."""

import json
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.standin import corpus, pubmedqa
from titer.literature.parse import parse_pubmed

REAL = Path(__file__).parents[2].parent / "shared" / "real" / "pubmedqa_labeled.json"
ITEM = {
    "QUESTION": "Does a < b hold & matter?",
    "CONTEXTS": ["We ask.", "We looked.", "It was so."],
    "LABELS": ["BACKGROUND", "METHODS", "ODDITIES"],
    "LONG_ANSWER": "It does.",
    "MESHES": ["Humans"],
    "YEAR": "2010",
}


@pytest.fixture(scope="session")
def dtd() -> Any:
    """The newest PubMed DTD that Biopython brings."""
    import Bio.Entrez

    folder = Path(Bio.Entrez.__file__).parent / "DTDs"
    return etree.DTD(str(max(folder.glob("pubmed_2*.dtd"))))


def errors(dtd: Any, records: list[str], **more: Any) -> list[str]:
    dtd.validate(etree.fromstring(corpus.article_set(records, **more)))
    return [entry.message for entry in dtd.error_log.filter_from_errors()]


@pytest.mark.parametrize("kind", sorted(set(corpus.KINDS)))
def test_a_record_is_valid(dtd: Any, kind: str) -> None:
    assert errors(dtd, [corpus.record(3, kind)], deleted=("1",)) == []


def test_the_corpus_is_the_same_each_time() -> None:
    assert corpus.fragments(40) == corpus.fragments(40) != corpus.fragments(40, seed=1)


def test_an_item_becomes_a_valid_record(dtd: Any) -> None:
    assert errors(dtd, [pubmedqa.fragment("1", ITEM)]) == []


def test_an_item_without_year_and_headings_becomes_a_valid_record(dtd: Any) -> None:
    item = {**ITEM, "YEAR": None, "MESHES": []}
    assert errors(dtd, [pubmedqa.fragment("1", item)]) == []


def test_an_item_keeps_its_text_and_sections() -> None:
    body = corpus.article_set([pubmedqa.fragment("1", ITEM)])
    (paper,) = parse_pubmed(body).papers
    assert (paper.title, paper.pub_date, paper.doi) == (ITEM["QUESTION"], "2010", None)
    assert [section["category"] for section in paper.sections] == [
        "BACKGROUND", "METHODS", "UNASSIGNED", "CONCLUSIONS",
    ]  # fmt: skip
    assert paper.sections[-1]["text"] == "It does."
    assert not paper.synthetic


@pytest.mark.skipif(not REAL.exists(), reason="no local copy of the real items")
def test_real_items_are_valid_and_keep_their_text(dtd: Any) -> None:
    items = json.loads(REAL.read_text(encoding="utf-8"))
    records = pubmedqa.fragments(REAL)
    assert errors(dtd, list(records.values())) == []
    papers = parse_pubmed(corpus.article_set(list(records.values()))).papers
    assert {paper.pmid for paper in papers} == set(items)
    for paper in papers:
        item = items[paper.pmid]
        assert paper.sections[-1]["text"] == " ".join(item["LONG_ANSWER"].split())
        assert paper.title == " ".join(item["QUESTION"].split())

"""Papers that may not teach, each with its reason."""

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.standin import corpus
from titer.config import ExamplesSettings, OnConcern
from titer.errors import FormatError
from titer.literature.parse import parse_pubmed
from titer.literature.select import read_excluded, select
from titer.records import Paper

GOOD = Paper(
    "pmid:1", "pubmed", "A title", [{"label": "", "category": "", "text": "word " * 50}],
    language=["eng"], pub_types=["Journal Article"],
)  # fmt: skip
NOTICE = {"sources": ["pubmed"], "notice_id": "pmid:9"}
REASONS = {
    "missing": ({"missing": True, "sections": []}, "missing", "never delivered"),
    "retracted": ({"retracted": True, "retraction": NOTICE}, "retracted", "notice pmid:9"),
    "retracted by type": ({"retracted": True}, "retracted", "says its publication type"),
    "notice": (
        {"is_retraction_notice": True, "sections": [], "pub_types": ["Retraction of Publication"]},
        "retraction_notice",
        "Retraction of Publication",
    ),
    "withdrawn": ({"withdrawn": True}, "withdrawn", "as title, comment"),
    "no abstract": ({"sections": []}, "no_abstract", "A title"),
    "concern": ({"concern": True}, "concern", "examples.on_concern = drop"),
    "erratum": ({"pub_types": ["Published Erratum"]}, "correction", "A title"),
    "erratum by link": (
        {"corrections": [{"type": "ErratumFor", "pmid": "2"}]}, "correction", "A title",
    ),
    "short": (
        {"sections": [{"text": "three short words"}]}, "too_short",
        "3 words, examples.min_words = 40",
    ),
    "language": ({"language": ["ger"]}, "language", "ger"),
    **{
        name: ({"pub_types": ["Journal Article", name]}, "publication_type", name)
        for name in ("Editorial", "Letter", "Comment", "News", "Expression of Concern")
    },
}  # fmt: skip


@pytest.mark.parametrize(("changes", "reason", "detail"), REASONS.values(), ids=REASONS)
def test_a_paper_is_rejected(
    examples_settings: ExamplesSettings, changes: dict[str, object], reason: str, detail: str
) -> None:
    found = select([replace(GOOD, **changes)], examples_settings)  # type: ignore[arg-type]
    assert found.kept == []
    assert found.rejected[0]["paper_id"] == "pmid:1"
    assert found.rejected[0]["reason"] == reason
    assert detail in found.rejected[0]["detail"]


@pytest.mark.parametrize(
    "changes",
    [{}, {"language": []}, {"language": ["ger", "eng"]}, {"is_preprint": True}],
    ids=["plain", "no language", "two languages", "preprint"],
)
def test_a_paper_is_kept(examples_settings: ExamplesSettings, changes: dict[str, object]) -> None:
    paper = replace(GOOD, **changes)  # type: ignore[arg-type]
    assert select([paper], examples_settings).kept == [paper]


@pytest.mark.parametrize(
    "link",
    [
        {"doi": "10.1/x"},
        {"version_of": "pmid:1"},
        {"corrections": [{"type": "UpdateOf", "pmid": "1"}]},
    ],
    ids=["same DOI", "names it as published", "names it as preprint"],
)
def test_another_version_of_a_retracted_paper_is_rejected(
    examples_settings: ExamplesSettings, link: dict[str, object]
) -> None:
    retracted = replace(GOOD, retracted=True, doi="10.1/x")
    twin = replace(GOOD, paper_id="arxiv:2401.00001", **link)  # type: ignore[arg-type]
    row = select([twin, retracted], examples_settings).rejected[0]
    assert row["detail"] == "another version of pmid:1, which is retracted"


def chain() -> list[Paper]:
    """An arXiv version of a preprint of a published paper of a retracted one."""
    update = [{"type": "UpdateIn", "pmid": "2"}]
    return [
        replace(GOOD, paper_id="arxiv:2401.00001", arxiv_id="2401.00001"),
        replace(GOOD, paper_id="pmid:3", doi="10.48550/arxiv.2401.00001v2", corrections=update),
        replace(GOOD, paper_id="pmid:2", doi="10.1/x"),
        replace(GOOD, paper_id="pmid:1", doi="10.1/X", retracted=True),
        replace(GOOD, paper_id="pmid:4", doi="10.1/y"),
    ]


def test_a_chain_of_versions_of_a_retracted_paper_is_rejected_in_any_order(
    examples_settings: ExamplesSettings,
) -> None:
    for order in itertools.permutations(chain()):
        found = select(order, examples_settings)
        assert [paper.paper_id for paper in found.kept] == ["pmid:4"]
        details = {row["paper_id"]: row["detail"] for row in found.rejected}
        assert details["arxiv:2401.00001"] == "another version of pmid:1, which is retracted"


def test_a_chain_may_lead_through_a_paper_that_is_not_there(
    examples_settings: ExamplesSettings,
) -> None:
    first, second, _, retracted, other = chain()
    retracted.corrections = [{"type": "UpdateOf", "pmid": "2"}]
    kept = select([first, second, retracted, other], examples_settings).kept
    assert [paper.paper_id for paper in kept] == ["pmid:4"]


def test_a_doi_of_a_whole_supplement_retracts_only_its_own(
    examples_settings: ExamplesSettings,
) -> None:
    papers = [
        replace(GOOD, paper_id=f"pmid:{n}", doi="10.1/x", title=f"Abstract {n}") for n in range(9)
    ]
    papers[4].retracted = True
    rejected = select(papers, examples_settings).rejected
    assert [row["paper_id"] for row in rejected] == ["pmid:4"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("RetractionOf", "retracted"),
        ("RetractedandRepublishedFrom", "retracted"),
        ("ExpressionOfConcernFor", "concern"),
    ],
)
def test_what_another_record_says_of_a_paper_counts(
    examples_settings: ExamplesSettings, kind: str, reason: str
) -> None:
    says = replace(GOOD, paper_id="pmid:9", corrections=[{"type": kind, "pmid": "1"}])
    (row,) = select([GOOD, says], examples_settings).rejected
    assert (row["paper_id"], row["reason"]) == ("pmid:1", reason)


def test_a_concern_is_kept_where_the_user_says_so(examples_settings: ExamplesSettings) -> None:
    settings = replace(examples_settings, on_concern=OnConcern.keep)
    assert len(select([replace(GOOD, concern=True)], settings).kept) == 1


@pytest.mark.parametrize(
    ("licence", "detail"),
    [
        ({"id": "cc-by", "url": None, "source": "pmc"}, None),
        ({"id": "cc-by-nc", "url": None, "source": "pmc"}, "cc-by-nc"),
        ({"id": None, "url": None, "source": "pmc"}, "licence not known"),
        (None, "licence not known"),
    ],
    ids=["allowed", "another", "unnamed", "none"],
)
def test_only_the_wanted_licences_are_kept(
    examples_settings: ExamplesSettings, licence: dict[str, str | None] | None, detail: str | None
) -> None:
    settings = replace(examples_settings, licences=["cc0", "cc-by"])
    rejected = select([replace(GOOD, license=licence)], settings).rejected
    assert [(row["reason"], row["detail"]) for row in rejected] == (
        [("licence", detail)] if detail else []
    )


@pytest.mark.parametrize(
    ("title", "is_rejected"),
    [
        ("Correction to: A trial of words", True),
        ("Author Correction: A trial of words", True),
        ("Publisher's correction. A trial", True),
        ("Corrigendum to 'A trial'", True),
        ("Erratum.", True),
        ("[Erratum]", True),
        ("Correction for Smith et al., A trial of words", True),
        ("Correction of hyponatraemia in adults", False),
        ("Correction for multiple testing in trials", False),
        ("Corrections officers and their sleep", False),
        ("Errata in the registries of trials", False),
    ],
)
def test_a_record_that_only_corrects_another_is_rejected(
    examples_settings: ExamplesSettings, title: str, is_rejected: bool
) -> None:
    rejected = select([replace(GOOD, title=title)], examples_settings).rejected
    assert [row["reason"] for row in rejected] == ["correction"] * is_rejected


def test_the_order_of_reasons_is_fixed(examples_settings: ExamplesSettings) -> None:
    flaws: dict[str, dict[str, Any]] = {
        "missing": {"missing": True},
        "retracted": {"retracted": True},
        "retraction_notice": {"is_retraction_notice": True},
        "concern": {"concern": True},
        "withdrawn": {"withdrawn": True},
        "correction": {"pub_types": ["Published Erratum", "Editorial"]},
        "no_abstract": {"sections": []},
        "language": {"language": ["ger"]},
        "publication_type": {"pub_types": ["Editorial"]},
        "licence": {"license": None},
    }
    settings = replace(examples_settings, licences=["cc0"])
    for at in range(len(flaws)):
        changes: dict[str, Any] = {}
        for flaw in list(flaws.values())[at:]:
            changes = {**flaw, **changes}
        (row,) = select([replace(GOOD, **changes)], settings).rejected
        assert row["reason"] == list(flaws)[at]


def test_no_retracted_paper_and_no_notice_is_kept(examples_settings: ExamplesSettings) -> None:
    records = corpus.fragments(400)
    papers = parse_pubmed(corpus.article_set(list(records.values()))).papers
    found = select(papers, examples_settings)
    bad = [pmid for kind in ("retracted", "notice", "concern") for pmid in corpus.pmids(kind, 400)]
    assert len(bad) == 60
    assert not {paper.pmid for paper in found.kept} & set(bad)
    reasons = Counter(row["reason"] for row in found.rejected)
    assert (reasons["retracted"], reasons["retraction_notice"], reasons["concern"]) == (20, 20, 20)


def test_every_paper_is_kept_or_rejected(examples_settings: ExamplesSettings) -> None:
    papers = [GOOD, replace(GOOD, paper_id="pmid:2", withdrawn=True)]
    found = select(papers, examples_settings)
    assert len(found.kept) + len(found.rejected) == len(papers)


@pytest.mark.parametrize("name", ["pmid:1", "10.1/x"])
def test_a_paper_on_the_users_list_is_rejected_first(
    examples_settings: ExamplesSettings, name: str
) -> None:
    paper = replace(GOOD, doi="10.1/x", retracted=True)
    (row,) = select([paper], examples_settings, excluded=frozenset({name})).rejected
    assert row["reason"] == "excluded"


def test_the_versions_of_an_excluded_paper_are_rejected(
    examples_settings: ExamplesSettings,
) -> None:
    found = select(chain(), examples_settings, excluded=frozenset({"arxiv:2401.00001"}))
    assert [paper.paper_id for paper in found.kept] == ["pmid:4"]
    details = {row["detail"] for row in found.rejected}
    assert details == {"arxiv:2401.00001 is on the list of excluded papers"}


def test_the_users_list_holds_ids_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "excluded.txt"
    path.write_text("# mine\npmid:1  # asked for\n\narxiv:2401.00001\n10.1/ABC\n")
    assert read_excluded(path) == {"pmid:1", "arxiv:2401.00001", "10.1/abc"}


def test_a_wrong_line_of_the_users_list_is_named(tmp_path: Path) -> None:
    path = tmp_path / "excluded.txt"
    path.write_text("pmid:1\n12345\n")
    with pytest.raises(FormatError, match=r"excluded\.txt:2: '12345' is no id"):
        read_excluded(path)

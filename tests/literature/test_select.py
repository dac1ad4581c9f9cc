"""Papers that may not teach, each with its reason."""

from dataclasses import replace
from pathlib import Path

import pytest

from titer.config import ExamplesSettings
from titer.errors import FormatError
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
    "withdrawn": ({"withdrawn": True}, "withdrawn", "by its authors"),
    "no abstract": ({"sections": []}, "no_abstract", "A title"),
    "short": (
        {"sections": [{"text": "three short words"}]}, "too_short",
        "3 words, examples.min_words = 40",
    ),
    "language": ({"language": ["ger"]}, "language", "ger"),
    **{
        name: ({"pub_types": ["Journal Article", name]}, "publication_type", name)
        for name in ("Editorial", "Letter", "Comment", "News", "Published Erratum")
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
    [{}, {"language": []}, {"language": ["ger", "eng"]}, {"concern": True}, {"is_preprint": True}],
    ids=["plain", "no language", "two languages", "concern", "preprint"],
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


def test_the_users_list_holds_ids_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "excluded.txt"
    path.write_text("# mine\npmid:1  # asked for\n\narxiv:2401.00001\n10.1/ABC\n")
    assert read_excluded(path) == {"pmid:1", "arxiv:2401.00001", "10.1/abc"}


def test_a_wrong_line_of_the_users_list_is_named(tmp_path: Path) -> None:
    path = tmp_path / "excluded.txt"
    path.write_text("pmid:1\n12345\n")
    with pytest.raises(FormatError, match=r"excluded\.txt:2: '12345' is no id"):
        read_excluded(path)

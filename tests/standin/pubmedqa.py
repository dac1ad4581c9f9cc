"""PubMedQA items as PubMed XML, so that real abstracts go through the whole path.

The items have no DOI, journal, authors or MeSH identifiers: optional elements are left out, and
`not given` stands where the DTD wants text. Source of the items: Jin et al. (2019), MIT licence.
"""

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

NOT_GIVEN = "not given"
_LABELS = {
    "BACKGROUND": (
        "BACKGROUND", "BACKGROUND AND AIM", "BACKGROUND AND AIMS", "BACKGROUND AND OBJECTIVE",
        "BACKGROUND AND OBJECTIVES", "BACKGROUND AND PURPOSE", "CONTEXT", "INTRODUCTION",
        "SUMMARY OF BACKGROUND DATA",
    ),
    "OBJECTIVE": ("AIM", "AIMS", "OBJECTIVE", "OBJECTIVES", "PURPOSE", "STUDY OBJECTIVE"),
    "METHODS": (
        "DESIGN", "DESIGN AND SETTING", "INTERVENTION", "INTERVENTIONS", "MAIN OUTCOME MEASURES",
        "MATERIAL AND METHODS", "MATERIALS AND METHODS", "MEASUREMENTS", "METHOD", "METHODOLOGY",
        "METHODS", "PARTICIPANTS", "PATIENTS", "PATIENTS AND METHODS", "SETTING", "STUDY DESIGN",
        "SUBJECTS", "SUBJECTS AND METHODS",
    ),
    "RESULTS": (
        "FINDINGS", "MAIN RESULTS", "MEASUREMENTS AND MAIN RESULTS", "METHODS AND RESULTS",
        "PRINCIPAL FINDINGS", "RESULT", "RESULTS",
    ),
}  # fmt: skip
CATEGORIES = {label: category for category, labels in _LABELS.items() for label in labels}
"""NlmCategory of the labels that occur often; any other one is UNASSIGNED."""


def fragments(path: Path) -> dict[str, str]:
    """PMID to `PubmedArticle` for every item of a labelled file."""
    items = json.loads(path.read_text(encoding="utf-8"))
    return {pmid: fragment(pmid, item) for pmid, item in sorted(items.items())}


def fragment(pmid: str, item: dict[str, Any]) -> str:
    """One item: its question is the title, its long answer the conclusion."""
    year = str(item.get("YEAR") or "").strip()
    date = f"<Year>{escape(year)}</Year>" if year.isdigit() else f"<MedlineDate>{NOT_GIVEN}"
    date += "" if year.isdigit() else "</MedlineDate>"
    return (
        f'<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM"><PMID Version="1">{pmid}'
        '</PMID><Article PubModel="Print"><Journal><JournalIssue CitedMedium="Print">'
        f"<PubDate>{date}</PubDate></JournalIssue></Journal>"
        f"<ArticleTitle>{escape(item['QUESTION'])}</ArticleTitle>"
        f"<Pagination><MedlinePgn>{NOT_GIVEN}</MedlinePgn></Pagination>"
        f"<Abstract>{_sections(item)}</Abstract><Language>eng</Language><PublicationTypeList>"
        '<PublicationType UI="D016428">Journal Article</PublicationType></PublicationTypeList>'
        f"</Article><MedlineJournalInfo><MedlineTA>{NOT_GIVEN}</MedlineTA></MedlineJournalInfo>"
        f"{_mesh(item.get('MESHES') or [])}</MedlineCitation></PubmedArticle>"
    )


def _sections(item: dict[str, Any]) -> str:
    contexts, labels = item["CONTEXTS"], item.get("LABELS") or []
    labels = [*labels, *[""] * (len(contexts) - len(labels))]
    rows = [(label, _category(label), text) for label, text in zip(labels, contexts, strict=False)]
    rows.append(("CONCLUSIONS", "CONCLUSIONS", item["LONG_ANSWER"]))
    return "".join(
        f"<AbstractText{f' Label={quoteattr(label)}' if label else ''} "
        f'NlmCategory="{category}">{escape(text)}</AbstractText>'
        for label, category, text in rows
    )


def _category(label: str) -> str:
    return CATEGORIES.get(label.upper().strip(), "UNASSIGNED")


def _mesh(names: list[str]) -> str:
    headings = "".join(
        f'<MeshHeading><DescriptorName UI="{NOT_GIVEN}" MajorTopicYN="N">{escape(name)}'
        "</DescriptorName></MeshHeading>"
        for name in names
    )
    return f"<MeshHeadingList>{headings}</MeshHeadingList>" if headings else ""

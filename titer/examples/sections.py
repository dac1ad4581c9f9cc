"""What the sections of an abstract, or of an open full text, are about.

NlmCategory decides; where it is absent or UNASSIGNED, the words of the label do; what neither
names is UNASSIGNED and counted (`unassigned_labels`).
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from titer.records import Paper

UNASSIGNED = "UNASSIGNED"

PRECEDENCE = ("RESULTS", "CONCLUSIONS", "METHODS", "OBJECTIVE", "BACKGROUND")
"""Of a label that names several, the first: BACKGROUND AND PURPOSE is an objective."""

LABEL_WORDS = {
    "RESULTS": "result results finding findings synthesis",
    "CONCLUSIONS": "conclusion conclusions discussion interpretation implications significance",
    "METHODS": (
        "method methods methodology material materials design setting settings patient patients "
        "participant participants subject subjects population sample measure measures measurement "
        "measurements measured intervention interventions outcome outcomes endpoint endpoints "
        "extraction sources selection procedure procedures analysis eligibility"
    ),
    "OBJECTIVE": "objective objectives object aim aims purpose purposes hypothesis goal goals",
    "BACKGROUND": "background introduction context rationale importance",
}
"""Words of a label and the category that they mean."""

_WORD_CATEGORY = {word: name for name, words in LABEL_WORDS.items() for word in words.split()}


def category(section: Mapping[str, str]) -> str:
    """BACKGROUND, OBJECTIVE, METHODS, RESULTS, CONCLUSIONS, UNASSIGNED; empty without a label."""
    given = section.get("category", "").upper()
    if given in PRECEDENCE:
        return given
    label = section.get("label", "").lower()
    if not label:
        return UNASSIGNED if given else ""
    found = {_WORD_CATEGORY.get(word) for word in re.findall(r"[a-z]+", label)}
    return next((name for name in PRECEDENCE if name in found), UNASSIGNED)


def section_numbers(paper: Paper, name: str) -> list[int]:
    """Indices into `paper.sections` of the sections of one category that hold text."""
    return _numbers(paper.sections, name)


def body_numbers(paper: Paper, name: str) -> list[int]:
    """Indices into `paper.texts` of the body's sections of one category that hold text."""
    return [len(paper.sections) + number for number in _numbers(paper.body, name)]


def _numbers(sections: Sequence[Mapping[str, str]], name: str) -> list[int]:
    return [
        number
        for number, section in enumerate(sections)
        if category(section) == name and section["text"].strip()
    ]


def unassigned_labels(papers: Iterable[Paper]) -> dict[str, int]:
    """How often each label was met that says nothing about its section, sorted by label."""
    labels = Counter(
        section.get("label", "").upper() or "(no label)"
        for paper in papers
        for section in paper.sections
        if category(section) == UNASSIGNED
    )
    return dict(sorted(labels.items()))

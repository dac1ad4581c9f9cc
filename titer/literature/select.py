"""Which papers may teach: each rejected one keeps its reason."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from titer.config import ExamplesSettings, OnConcern
from titer.errors import FormatError
from titer.literature import links
from titer.records import Paper

UNWANTED_TYPES = (
    "Editorial",
    "Letter",
    "Comment",
    "News",
    "Expression of Concern",
)
"""Publication types without findings of their own."""

CORRECTION_TYPE = "Published Erratum"

# "Correction of hyponatraemia" is a study; PNAS writes "Correction for Smith et al., Title"
_CORRECTION_TITLE = re.compile(
    r"\[?(?:(?:author|publisher|editorial)(?:'s)? )?"
    r"(?:correction|corrigend(?:um|a)|errat(?:um|a)|addendum)(?: to\b| for [^,]* et al|[:.\]]|$)",
    re.IGNORECASE,
)
_RETRACTS = ("RetractionOf", "RetractedandRepublishedFrom")


@dataclass
class Selected:
    """Papers kept, and the others with their reasons."""

    kept: list[Paper]
    rejected: list[dict[str, str]]
    """`{paper_id, reason, detail}`."""


def select(
    papers: Sequence[Paper], settings: ExamplesSettings, *, excluded: frozenset[str] = frozenset()
) -> Selected:
    """Split papers into kept and rejected; the first reason that applies is given.

    Reasons in their order: excluded (on the user's list), missing, retracted, retraction_notice,
    concern, withdrawn, correction, no_abstract, too_short, language, publication_type, licence.
    What holds of a paper holds of its other versions where it is excluded or retracted, through
    any number of links and shared DOIs. A notice among the papers counts as well. A paper without
    a language passes: arXiv states none.
    """
    known = _Known(papers, excluded)
    kept, rejected = [], []
    for paper in papers:
        found = next(_reasons(paper, settings, known), None)
        if found is None:
            kept.append(paper)
            continue
        reason, detail = found
        rejected.append({"paper_id": paper.paper_id, "reason": reason, "detail": detail})
    return Selected(kept, rejected)


def read_excluded(path: Path) -> frozenset[str]:
    """Ids on the user's exclusion list: `pmid:1`, `arxiv:2401.00001` or a DOI per line, # comments.

    Raises:
        FormatError: a line is none of these; begins with path:line.
    """
    found = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        name = line.partition("#")[0].strip().lower()
        if name and not re.fullmatch(r"pmid:\d+|arxiv:\S+|10\.\d+/\S+", name):
            raise FormatError(
                f"{path}:{number}: {name!r} is no id. Write pmid:<number>, arxiv:<id> or a DOI"
            )
        found |= {name} if name else set()
    return frozenset(found)


class _Known:
    """What the papers say of each other, and the user of them."""

    def __init__(self, papers: Sequence[Paper], excluded: frozenset[str]) -> None:
        self.works = links.works(papers)
        self.excluded = excluded
        self.excluded_works = {self.works.top(name): name for name in sorted(excluded)}
        self.retracted: dict[str, str] = {}
        self.noticed: dict[str, str] = {}
        self.concerned: dict[str, str] = {}
        for paper in sorted(papers, key=lambda paper: paper.paper_id):
            if paper.retracted:
                self._retract(paper.paper_id)
            for name in links.linked_ids(paper, _RETRACTS):
                self.noticed.setdefault(name, paper.paper_id)
                self._retract(name)
            for name in links.linked_ids(paper, ("ExpressionOfConcernFor",)):
                self.concerned.setdefault(name, paper.paper_id)

    def listed(self, paper: Paper) -> str | None:
        """The name on the user's list by which the paper is excluded."""
        own = next((name for name in links.dois(paper) if name in self.excluded), None)
        return own or self.excluded_works.get(self.works.top(paper.paper_id))

    def _retract(self, name: str) -> None:
        self.retracted.setdefault(self.works.top(name), name)


def _reasons(paper: Paper, settings: ExamplesSettings, known: _Known) -> Iterator[tuple[str, str]]:
    yield from _of_the_record(paper, settings, known)
    yield from _of_the_text(paper, settings)


def _of_the_record(
    paper: Paper, settings: ExamplesSettings, known: _Known
) -> Iterator[tuple[str, str]]:
    work = known.works.top(paper.paper_id)
    listed = known.listed(paper)
    if listed:
        yield "excluded", f"{listed} is on the list of excluded papers"
    if paper.missing:
        yield "missing", "listed by the service and never delivered"
    if work in known.retracted:
        yield "retracted", _retraction_detail(paper, known.retracted[work], known)
    if paper.is_retraction_notice:
        yield "retraction_notice", ", ".join(paper.pub_types)
    is_concerned = paper.concern or paper.paper_id in known.concerned
    if is_concerned and settings.on_concern == OnConcern.drop:
        yield "concern", "an expression of concern, examples.on_concern = drop"
    if paper.withdrawn:
        yield "withdrawn", "withdrawn, as title, comment or empty text say"
    if _is_correction(paper):
        yield "correction", paper.title[:80]


def _of_the_text(paper: Paper, settings: ExamplesSettings) -> Iterator[tuple[str, str]]:
    words = len(paper.abstract.split())
    if not words:
        yield "no_abstract", paper.title[:80]
    if words < settings.min_words:
        yield "too_short", f"{words} words, examples.min_words = {settings.min_words}"
    if paper.language and not set(paper.language) & set(settings.languages):
        yield "language", ", ".join(paper.language)
    unwanted = [name for name in paper.pub_types if name in UNWANTED_TYPES]
    if unwanted:
        yield "publication_type", ", ".join(unwanted)
    licence = (paper.license or {}).get("id")
    if settings.licences and licence not in settings.licences:
        yield "licence", licence or "licence not known"


def _is_correction(paper: Paper) -> bool:
    """Whether the record holds nothing but the correction of another one."""
    says_so = CORRECTION_TYPE in paper.pub_types or _CORRECTION_TITLE.match(paper.title)
    return bool(says_so or links.linked_ids(paper, ("ErratumFor",)))


def _retraction_detail(paper: Paper, retracted: str, known: _Known) -> str:
    notice = (paper.retraction or {}).get("notice_id") or known.noticed.get(paper.paper_id)
    if notice:
        return f"notice {notice}"
    if paper.retracted:
        return "says its publication type or title"
    return f"another version of {retracted}, which is retracted"

"""Which papers may teach: each rejected one keeps its reason."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from titer.config import ExamplesSettings
from titer.errors import FormatError
from titer.records import Paper

UNWANTED_TYPES = (
    "Editorial",
    "Letter",
    "Comment",
    "News",
    "Published Erratum",
    "Expression of Concern",
)
"""Publication types without findings of their own."""


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

    Reasons: excluded (on the user's list), missing, retracted, retraction_notice, withdrawn,
    no_abstract, too_short, language, publication_type. A paper that shares its DOI with a
    retracted one, or that a retracted one names as its other version, is retracted as well. A
    paper without a language passes: arXiv states none.
    """
    retracted = _retracted_names(papers)
    kept, rejected = [], []
    for paper in papers:
        is_listed = bool(excluded & {paper.paper_id.lower(), paper.doi})
        listed = ("excluded", "on the list of excluded papers")
        found = listed if is_listed else next(_reasons(paper, settings, retracted), None)
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


def _retracted_names(papers: Sequence[Paper]) -> dict[str, str]:
    """paper_ids, DOIs and linked versions of the retracted papers, each with who was retracted."""
    names: dict[str, str] = {}
    for paper in papers:
        if paper.retracted:
            for name in (paper.paper_id, *_names(paper)):
                names.setdefault(name, paper.paper_id)
    return names


def _names(paper: Paper) -> list[str]:
    """Names under which a paper's other versions may be known."""
    linked = [row["pmid"] for row in paper.corrections if row["type"] in ("UpdateIn", "UpdateOf")]
    return [name for name in (paper.doi, paper.version_of) if name] + [
        f"pmid:{pmid}" for pmid in linked if pmid
    ]


def _reasons(
    paper: Paper, settings: ExamplesSettings, retracted: dict[str, str]
) -> Iterator[tuple[str, str]]:
    if paper.missing:
        yield "missing", "listed by the service and never delivered"
    twin = next((name for name in (paper.paper_id, *_names(paper)) if name in retracted), None)
    if twin is not None:
        yield "retracted", _retraction_detail(paper, retracted[twin])
    if paper.is_retraction_notice:
        yield "retraction_notice", ", ".join(paper.pub_types)
    if paper.withdrawn:
        yield "withdrawn", "withdrawn by its authors"
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


def _retraction_detail(paper: Paper, retracted: str) -> str:
    if retracted != paper.paper_id:
        return f"another version of {retracted}, which is retracted"
    notice = (paper.retraction or {}).get("notice_id")
    return f"notice {notice}" if notice else "says its publication type"

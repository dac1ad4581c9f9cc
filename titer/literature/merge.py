"""Records as they are read, and what remains of several records of one id.

Invariant: of each id the newest record stays, and whatever does not stay is listed with a reason;
the same bytes once more are nothing new.
"""

from dataclasses import dataclass, field
from typing import Any

from titer.records import Paper

DELETED = "deleted by PubMed"
OLDER = "a newer record of the same id is kept"
"""Reasons of records that were papers before."""


@dataclass(slots=True)
class Read:
    """One record as it was read: a paper, or the reason why it is none."""

    paper_id: str
    paper: Paper | None = None
    reason: str = ""
    version: int = 1
    """Of the PubMed record or of the arXiv paper; `paper_id` is without it."""

    @property
    def rank(self) -> tuple[int, str]:
        """Orders the records of one id, the newest last."""
        return self.version, (self.paper and self.paper.date_revised) or ""


@dataclass
class Parsed:
    """What some bytes hold: the papers, and the records that are none with the reason."""

    papers: list[Paper] = field(default_factory=list)
    """Each id once."""
    skipped: list[dict[str, Any]] = field(default_factory=list)
    """`{paper_id, reason}`."""
    files: list[dict[str, Any]] = field(default_factory=list)
    """`{name, sha256, records}` of the files that were read, where it was files."""
    ignored: list[str] = field(default_factory=list)
    """Names of the files of a folder that are neither XML nor Atom."""


class Merger:
    """Records as they are read, of each id the newest one, deleted ones taken out again."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._found: dict[str, tuple[str, Read]] = {}
        self._deleted: set[str] = set()
        self._skipped: list[tuple[str, str]] = []

    def add(self, read: Read, release: str = "") -> None:
        """Take in one record.

        Args:
            read: it replaces an older one of its id; of two equally old ones the later stays.
            release: name of a numbered PubMed file. Between two of them the higher one decides.
        """
        if read.paper is None:
            self._leave_out(read)
            return
        self._deleted.discard(read.paper_id)
        known_release, known = self._found.get(read.paper_id, ("", None))
        if known is None or known.paper is None:
            self._found[read.paper_id] = release, read
            return
        if known.paper.raw_sha256 != read.paper.raw_sha256:
            self._skipped.append((read.paper_id, OLDER))
        numbers = (release, known_release) if release and known_release else ("", "")
        if (numbers[0], *read.rank) >= (numbers[1], *known.rank):
            self._found[read.paper_id] = release, read

    def _leave_out(self, read: Read) -> None:
        if read.reason != DELETED:
            self._skipped.append((read.paper_id, read.reason))
            return
        self._found.pop(read.paper_id, None)
        self._deleted.add(read.paper_id)

    def parsed(self) -> Parsed:
        """Everything that was taken in, papers in the order in which their ids came."""
        papers = [read.paper for _, read in self._found.values() if read.paper]
        skipped = [*self._skipped, *((name, DELETED) for name in sorted(self._deleted))]
        return Parsed(papers, [{"paper_id": name, "reason": reason} for name, reason in skipped])

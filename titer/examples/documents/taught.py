"""What the user's documents gave: records, examples, counts, and the files that gave nothing."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from titer.examples.decontaminate import fate_of
from titer.records import Example, Paper

logger = logging.getLogger(__name__)

SHOWN = 20
"""Files left out that the log names one by one."""


@dataclass(frozen=True)
class LeftOut:
    """One file that teaches nothing."""

    path: str
    """Below the folder of documents."""
    reason: str
    detail: str = ""

    def to_json(self) -> dict[str, str]:
        """As a row of the list of files left out."""
        return asdict(self)


@dataclass
class Documents:
    """What the folder holds."""

    kept: list[Paper] = field(default_factory=list)
    """Documents that examples are made from, one per work, sorted by paper_id."""
    copies: list[Paper] = field(default_factory=list)
    """Their duplicates."""
    left_out: list[LeftOut] = field(default_factory=list)
    """Files that teach nothing, sorted by path; duplicates are among them."""
    examples: list[Example] = field(default_factory=list)
    """`split` still empty."""
    counts: dict[str, Any] = field(default_factory=dict)
    """`{files, used, characters, left_out, chunks, repeated_chunks, long_sentences, of_papers,
    settings}`; empty for an empty folder."""

    def log(self) -> None:
        """Say what was read, and name what was not."""
        if self.counts:
            logger.info(
                "%d examples from %d chunks of %d documents",
                len(self.examples), self.counts["chunks"], self.counts["used"],
            )  # fmt: skip
        for one in self.left_out[:SHOWN]:
            logger.warning("%s: left out: %s (%s)", one.path, one.reason, one.detail)
        if len(self.left_out) > SHOWN:
            more = len(self.left_out) - SHOWN
            logger.warning("and %d more, listed in documents_left_out.jsonl", more)

    @property
    def records(self) -> list[Paper]:
        """All documents, duplicates included, sorted by paper_id."""
        return sorted((*self.kept, *self.copies), key=lambda paper: paper.paper_id)

    def outcome(
        self,
        used: Iterable[Example],
        heldout: Iterable[Paper],
        removed: Iterable[Mapping[str, Any]],
    ) -> dict[str, Any]:
        """The counts under `documents`, with what became of the examples; empty without any.

        Args:
            used: training and validation rows.
            heldout: records kept out of all examples.
            removed: the ledger.
        """
        if not self.counts:
            return {}
        n_used, by_rule, n_aside = fate_of(self.examples, used, removed)
        fate = {
            "examples": len({example.id for example in self.examples}),
            "used_examples": n_used,
            "removed": by_rule,
            "heldout": sum(paper.document is not None for paper in heldout),
            "heldout_examples": n_aside,
        }
        return {"documents": self.counts | fate}

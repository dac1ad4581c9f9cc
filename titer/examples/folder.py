"""data/papers as it lies on disk: papers, examples, held-out rows, ledgers and counts.

Invariant: no times and no order by chance, so equal collections give equal bytes.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from titer import files
from titer.examples.build import Built, heldout_row
from titer.examples.formats import chat, text_records
from titer.records import Example, Paper

logger = logging.getLogger(__name__)

PAPERS = "papers.jsonl.gz"
COPIES = "copies.jsonl.gz"
EXAMPLES = "examples"
HELDOUT = "heldout.jsonl"
STATS = "stats.json"
IDS = "ids.json"
REMOVED = "removed.jsonl"
EXPORT = "text_records.json"


def write(
    out: Path,
    *,
    papers: Sequence[Paper],
    copies: Sequence[Paper],
    built: Built,
    ids: Mapping[str, Any],
    lists: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:
    """Write the whole folder.

    Args:
        papers: those that examples were made from.
        copies: their duplicates, which the leak check looks at too.
        ids: what was asked and found, for ids.json.
        lists: name -> rows with a reason each: skipped, rejected, duplicates.
    Returns:
        The counts, as in stats.json.
    """
    ordered = sorted(papers, key=lambda paper: paper.paper_id)
    files.write_jsonl(out / PAPERS, [paper.to_json() for paper in ordered])
    files.write_jsonl(out / COPIES, [p.to_json() for p in sorted(copies, key=lambda p: p.paper_id)])
    chat.write(out / EXAMPLES / "train.jsonl", built.train)
    chat.write(out / EXAMPLES / "validation.jsonl", built.validation)
    files.write_jsonl(out / HELDOUT, [heldout_row(paper) for paper in built.heldout_papers])
    files.write_jsonl(out / REMOVED, built.removed)
    for name, rows in lists.items():
        files.write_jsonl(out / f"{name}.jsonl", rows)
    files.write_json(out / IDS, ids)
    text_records.write(out / EXPORT, built.train)
    stats = {
        "found": len(papers) + sum(map(len, lists.values())),
        **{f"{name}_papers": _reasons(rows) for name, rows in lists.items()},
        **built.counts,
    }
    files.write_json(out / STATS, files.rounded(stats))
    return stats


def log(counts: Mapping[str, Any]) -> None:
    """Say in two lines what the papers became."""
    rejected = sum(counts["rejected_papers"].values())
    logger.info(
        "%d records found, %d rejected, %d duplicates, %d papers used (%d held out)",
        counts["found"], rejected, sum(counts["duplicate_papers"].values()), counts["papers"],
        counts["heldout_papers"],
    )  # fmt: skip
    logger.info(
        "%d examples to train, %d to validate; %d removed as leaks, %d as repeats",
        counts["examples"]["train"], counts["examples"]["validation"], counts["leaked_examples"],
        counts["duplicates"],
    )  # fmt: skip


def _reasons(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        reason = str(row.get("reason", "not given"))
        counts[reason] = counts.get(reason, 0) + 1
    return dict(sorted(counts.items()))


def read_examples(folder: Path, name: str) -> list[Example]:
    """Examples of one split, train or validation."""
    return chat.read(folder / EXAMPLES / f"{name}.jsonl")


def read_papers(folder: Path) -> list[Paper]:
    """The papers that examples were made from, and their duplicates."""
    names = (PAPERS, COPIES)
    return [Paper.from_json(row) for name in names for row in files.read_jsonl(folder / name)]

"""The contamination check on the final training files, for results/contamination.json."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from titer import files
from titer.examples import folder
from titer.examples.decontaminate import RULES, find_leaks
from titer.examples.planted import planted_recall
from titer.records import BenchmarkText


def recheck(papers_folder: Path, benchmark: Sequence[BenchmarkText]) -> dict[str, Any]:
    """What fetch_papers removed, what is left, and what the rules find of planted leaks.

    Args:
        papers_folder: data/papers.
        benchmark: every question that is asked, in every wording.
    Returns:
        `{removed, removed_per_rule, remaining, remaining_per_rule, items, planted, rechecked}`;
        counts are of examples, `remaining` lists what should not be there. Rule E is not repeated
        here, as the encoder is no input of the report: its removals are those of the ledger.
    """
    examples = [*folder.read_examples(papers_folder, "train")]
    examples += folder.read_examples(papers_folder, "validation")
    papers = {paper.paper_id: paper for paper in folder.read_papers(papers_folder)}
    leaks = [asdict(leak) for leak in find_leaks(examples, papers, benchmark)]
    removed = [
        row for row in files.read_jsonl(papers_folder / folder.REMOVED) if row["rule"] in RULES
    ]
    return {
        "removed": len({row["example_id"] for row in removed}),
        "removed_per_rule": _per(removed, "rule"),
        "remaining": leaks,
        "remaining_per_rule": _per(leaks, "rule"),
        "items": _per([*removed, *leaks], "item_id"),
        "planted": planted_recall(examples, papers, benchmark),
        "rechecked": "rules A to D; removals by rule E are read from removed.jsonl",
    }


def _per(rows: Sequence[Mapping[str, Any]], key: str) -> dict[str, int]:
    """Distinct examples per rule or item."""
    groups: dict[str, set[str]] = {}
    for row in rows:
        groups.setdefault(str(row[key]), set()).add(str(row["example_id"]))
    return {name: len(found) for name, found in sorted(groups.items())}

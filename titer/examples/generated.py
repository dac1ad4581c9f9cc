"""Rows that a language model wrote become examples, if they pass the grounding gate.

Invariant: nothing that fails the gate is accepted, every rejected row is listed with its reason,
and the order of the rows does not matter.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer import files
from titer.errors import FormatError
from titer.examples import grounding
from titer.examples.decontaminate import Leak
from titer.examples.generator import FIELDS, has_control
from titer.examples.normalise import words
from titer.files import sha256_text
from titer.records import Example, Paper

RECIPE = "generated"
GATE_VERSION = 1
"""Recipe version of the examples; goes up when the gate lets other rows through."""

RULE = "grounding"
"""Stands for the rule in the ledger; the item is the reason."""

TEXTS = (*FIELDS, "paper_id", "model", "revision", "prompt_sha256", "raw")
"""Keys of a row that hold text; `temperature` and `seed` hold numbers."""

NO_PAPER = "no such paper in the collection"
UNREADABLE = "no row in the reply"
CONTROL = "control tokens"

SHOWN_CHARS = 200
"""Of a rejected question in the ledger."""


@dataclass(frozen=True)
class Gated:
    """What became of the rows."""

    examples: list[Example]
    """Accepted, sorted by id; `split` still empty."""
    rejected: list[Leak]
    """For the ledger: rule `grounding`, the reason as the item, the question as what matched."""


def read(folder: Path) -> list[dict[str, Any]]:
    """The rows of all JSONL files of a folder; none where there is no folder.

    Raises:
        FormatError: a row lacks a key, or it holds no text; the text begins with path:row.
    """
    return [row for path in sorted(folder.glob("*.jsonl")) for row in read_file(path)]


def read_file(path: Path) -> list[dict[str, Any]]:
    """The rows of one file.

    Raises:
        FormatError: as `read`.
    """
    rows = list(files.read_jsonl(path))
    for number, row in enumerate(rows, 1):
        wrong = [key for key in TEXTS if not isinstance(row.get(key), str)]
        wrong += [
            key for key in ("temperature", "seed") if not isinstance(row.get(key), int | float)
        ]
        if wrong:
            raise FormatError(
                f"{path}:{number}: row of a language model without {wrong[0]} "
                f"(keys: {', '.join(sorted(row))}). Write it with: titer papers generate"
            )
    return rows


def gate(rows: Sequence[Mapping[str, Any]], papers: Sequence[Paper]) -> Gated:
    """Accept or reject every row.

    Args:
        rows: as `read` gives them.
        papers: those that examples are made from, each with its `cluster_id`.
    """
    by_id = {paper.paper_id: paper for paper in papers}
    asked: dict[str, list[list[str]]] = defaultdict(list)
    examples: list[Example] = []
    rejected: list[Leak] = []
    for row in sorted(rows, key=_order):
        paper = by_id.get(row["paper_id"])
        reason = _fault(row, paper, asked[row["paper_id"]])
        if paper is None or reason:
            shown = row["question"][:SHOWN_CHARS]
            rejected.append(Leak(_id(row), row["paper_id"], RULE, reason or NO_PAPER, shown))
        else:
            asked[row["paper_id"]].append(words(row["question"]))
            examples.append(_example(row, paper))
    return Gated(sorted(examples, key=lambda example: example.id), rejected)


def _fault(row: Mapping[str, Any], paper: Paper | None, asked: list[list[str]]) -> str | None:
    if paper is None:
        return NO_PAPER
    if not any(row[key].strip() for key in FIELDS):
        return UNREADABLE
    if any(has_control(row[key]) for key in FIELDS):
        return CONTROL
    reason = grounding.fault(paper, row["question"], row["answer"], row["quote"])
    if reason is None and grounding.repeats(row["question"], asked):
        return "repeats a question"
    return reason


def _order(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row[key] for key in ("paper_id", *FIELDS, "model", "prompt_sha256", "raw"))


def _id(row: Mapping[str, Any]) -> str:
    parts = (RECIPE, *(row[key] for key in ("paper_id", "model", "prompt_sha256", *FIELDS)))
    return sha256_text("|".join(parts))[:16]


def _example(row: Mapping[str, Any], paper: Paper) -> Example:
    span = grounding.find_quote(paper, row["quote"])
    known = ("model", "revision", "prompt_sha256", "temperature", "seed")
    return Example(
        id=_id(row),
        messages=[
            {"role": "user", "content": row["question"].strip()},
            {"role": "assistant", "content": row["answer"].strip()},
        ],
        recipe=RECIPE,
        recipe_version=GATE_VERSION,
        paper_id=paper.paper_id,
        source=paper.source,
        title=paper.title,
        spans=[span] if span else [],
        cluster_id=paper.cluster,
        license=(paper.license or {}).get("id"),
        synthetic=paper.synthetic,
        generator={key: row[key] for key in known},
    )

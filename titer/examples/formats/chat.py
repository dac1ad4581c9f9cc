"""Chat rows, one JSON object per line: messages with where they come from.

This is the form that training reads; the tokenizer's chat template renders it only there.
"""

import gzip
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from titer import files
from titer.errors import FormatError
from titer.records import Example

ROLES = ("system", "user", "assistant")
REQUIRED = ("id", "messages", "recipe", "recipe_version", "paper_id", "source", "title", "spans")


def write(path: Path, examples: Iterable[Example]) -> None:
    """Write examples in the given order."""
    files.write_jsonl(path, (example.to_json() for example in examples))


def read(path: Path) -> list[Example]:
    """Read examples back.

    Raises:
        FormatError: a row lacks a key or its messages are no conversation with an answer.
    """
    examples = []
    for number, row in enumerate(files.read_jsonl(path)):
        fault = _fault(row)
        if fault:
            raise FormatError(f"{path}:{line_of(path, number)}: {fault}")
        examples.append(Example.from_json({"cluster_id": row["paper_id"], **row}))
    return examples


def ignored_keys(path: Path) -> dict[str, int]:
    """How often each key occurs that the record does not know and `read` leaves out."""
    known = {field.name for field in fields(Example)}
    counts: dict[str, int] = {}
    for row in files.read_jsonl(path):
        for key in row.keys() - known:
            counts[key] = counts.get(key, 0) + 1
    return dict(sorted(counts.items()))


def message_fault(messages: Any) -> str | None:
    """What is wrong with the messages of a row, or null: roles, texts, an answer at the end."""
    if not isinstance(messages, list) or len(messages) < 2:
        return "messages: expected a list of at least a question and an answer"
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            return f"message {number}: role must be one of {', '.join(ROLES)}"
        if not isinstance(message.get("content"), str) or not message["content"].strip():
            return f"message {number}: content must be a text that is not empty"
    last = messages[-1]["role"]
    return None if last == "assistant" else f"the last message is from {last}, expected assistant"


def line_of(path: Path, number: int) -> int:
    """Line in which the row with this number, counted from 0, stands; blank lines hold no row."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8", "replace")
    return [line for line, row in enumerate(text.split("\n"), 1) if row.strip()][number]


def _fault(row: dict[str, Any]) -> str | None:
    lacking = [key for key in REQUIRED if key not in row]
    if lacking:
        return f"chat row without {', '.join(lacking)} (keys: {', '.join(sorted(row))})"
    return message_fault(row["messages"])

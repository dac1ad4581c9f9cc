"""Chat rows, one JSON object per line: messages with where they come from.

This is the form that training reads; the tokenizer's chat template renders it only there.
"""

import gzip
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from titer import files
from titer.errors import FormatError
from titer.examples.formats.base import (
    ORIGIN,
    PROVENANCE,
    Format,
    Row,
    Unfit,
    empty_ones,
    example,
    message_fault,
    text_of,
    without_absent,
)
from titer.records import Example

TOOL_ROLES = ("tool", "function")
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
            raise FormatError(f"{path}:{_line_of(path, number)}: {fault}")
        examples.append(Example.from_json({"cluster_id": row["paper_id"], **row}))
    return examples


def _line_of(path: Path, number: int) -> int:
    """Line in which the row with this number, counted from 0, stands; blank lines hold no row."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8", "replace")
    return [line for line, row in enumerate(text.split("\n"), 1) if row.strip()][number]


def _fault(row: dict[str, Any]) -> str | None:
    lacking = [key for key in REQUIRED if key not in row]
    if lacking:
        return f"chat row without {', '.join(lacking)} (keys: {', '.join(sorted(row))})"
    return message_fault(row["messages"])


def parse(row: Row, ignored: Counter[str]) -> Example:
    """An example of any tool's chat row; a row of ours comes back whole.

    `tools`, messages of tools, calls of tools without a text, and further keys of a message are
    ignored and counted.
    """
    if all(key in row for key in REQUIRED):
        fault = message_fault(row["messages"])
        if fault:
            raise Unfit(fault)
        return Example.from_json({"cluster_id": row["paper_id"], **row})
    given = row["messages"]
    messages = [_message(one, ignored) for one in given] if isinstance(given, list) else given
    if isinstance(messages, list):
        messages = [one for one in messages if one is not None]
    origin = {key: text_of(row, key) for key in ORIGIN}
    return example(messages, empty_ones(row, ORIGIN), **origin)


def _message(given: Any, ignored: Counter[str]) -> Any:
    """The message with its two keys; null for one of tools."""
    if not isinstance(given, dict) or given.keys() == {"role", "content"}:
        if isinstance(given, dict) and given["role"] in TOOL_ROLES:
            ignored["messages of tools"] += 1
            return None
        return given
    if given.get("role") in TOOL_ROLES or (given.get("tool_calls") and not given.get("content")):
        ignored["messages of tools"] += 1
        return None
    ignored.update(f"messages.{key}" for key in given if key not in ("role", "content"))
    return {"role": given.get("role"), "content": given.get("content")}


def render(found: Example) -> dict[str, Any]:
    """A row of ours in full; of others the messages and where they come from."""
    if found.id:
        return found.to_json()
    origin = {key: getattr(found, key) or found.fields.get(key) for key in ORIGIN}
    return without_absent({"messages": found.messages, **origin})


FORMAT = Format(
    "chat",
    '{"messages": [{"role": "system" or "user" or "assistant", "content"}]}',
    ("messages",),
    tuple(field.name for field in fields(Example) if field.name != "messages"),
    parse,
    render,
    holds=frozenset((*ORIGIN, PROVENANCE)),
)

"""A JSON list of `{text, source, paper_id, title}`: plain text for tools that know no chat.

Written as an export only. The text is of no model's template, and unlike a bare prompt it holds
the answer.
"""

from collections.abc import Iterable
from pathlib import Path

from titer import files
from titer.errors import FormatError
from titer.records import Example

KEYS = ("text", "source", "paper_id", "title")
SPEAKERS = {"system": "System", "user": "User", "assistant": "Assistant"}


def rows(examples: Iterable[Example]) -> list[dict[str, str]]:
    """The four keys of each example, in the given order."""
    return [
        {
            "text": _text(example.messages),
            "source": example.source,
            "paper_id": example.paper_id,
            "title": example.title,
        }
        for example in examples
    ]


def write(path: Path, examples: Iterable[Example]) -> None:
    """Write examples as one JSON list; the keys keep the order of KEYS."""
    files.write_json(path, rows(examples), sort_keys=False)


def read(path: Path) -> list[dict[str, str]]:
    """Read the rows back; keys besides the four are left out.

    Raises:
        FormatError: not a list of objects in which all four keys hold text.
    """
    content = files.read_json(path)
    if not isinstance(content, list):
        raise FormatError(f"{path}:1: a JSON {type(content).__name__}, expected a list of records")
    return [_row(path, number, row) for number, row in enumerate(content, 1)]


def _row(path: Path, number: int, row: object) -> dict[str, str]:
    if not isinstance(row, dict):
        raise FormatError(f"{path}: record {number}: expected an object with {', '.join(KEYS)}")
    lacking = [key for key in KEYS if not isinstance(row.get(key), str)]
    if lacking:
        seen = ", ".join(sorted(row))
        raise FormatError(
            f"{path}: record {number}: no text under {', '.join(lacking)} (keys: {seen})"
        )
    return {key: row[key] for key in KEYS}


def _text(messages: Iterable[dict[str, str]]) -> str:
    return "\n\n".join(f"{SPEAKERS[turn['role']]}: {turn['content']}" for turn in messages)

"""Training rows of a conversation in the four forms that the conversation guide names.

Each row also says which conversation it is (`conversation_id`), what must stay in one split
(`source`, which training clusters by), and how it was rated.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer import files
from titer.conversations.filters import Chosen
from titer.errors import FormatError

ABOUT = ("conversation_id", "satisfaction", "source", "title", "versions")
"""Keys that tell about a row; all others are the row itself."""

SHAREGPT_NAMES = {"system": "system", "user": "human", "assistant": "gpt"}

Row = dict[str, Any]


def _chat(chosen: Chosen) -> list[Row]:
    return [{"messages": chosen.messages}]


def _sharegpt(chosen: Chosen) -> list[Row]:
    said = [
        {"from": SHAREGPT_NAMES[message["role"]], "value": message["content"]}
        for message in chosen.messages
    ]
    return [{"conversations": said}]


def _alpaca(chosen: Chosen) -> list[Row]:
    """The last question and answer; the earlier ones are its history."""
    system, pairs = _pairs(chosen)
    question, answer = pairs[-1]
    return [{"instruction": question, "input": "", "output": answer, "system": system,
             "history": [list(pair) for pair in pairs[:-1]]}]  # fmt: skip


def _satisfaction(chosen: Chosen) -> list[Row]:
    """A row per answer: the form has no place for what was said before."""
    system, pairs = _pairs(chosen)
    return [{"system": system, "user": user, "assistant": assistant} for user, assistant in pairs]


@dataclass(frozen=True)
class Shape:
    """One form of rows."""

    rows: Callable[[Chosen], list[Row]]
    key: str
    """That every row has and no other form."""
    name: str
    """Of the file; .jsonl holds a row per line, .json one list."""


SHAPES = {
    "chat": Shape(_chat, "messages", "conversations.jsonl"),
    "alpaca": Shape(_alpaca, "instruction", "conversations.alpaca.json"),
    "sharegpt": Shape(_sharegpt, "conversations", "conversations.sharegpt.json"),
    "satisfaction": Shape(_satisfaction, "assistant", "conversations.satisfaction.jsonl"),
}
"""Name of a form, what makes it and how its file is called."""


def rows(chosen: Chosen, shape: str) -> list[Row]:
    """The rows of one conversation, one or more."""
    about = {
        "conversation_id": chosen.id,
        "satisfaction": chosen.satisfaction,
        "source": chosen.cluster,
        "title": f"conversation {chosen.id}",
        "versions": chosen.versions,
    }
    return [row | about for row in SHAPES[shape].rows(chosen)]


def content(of_one: list[Row]) -> str:
    """What the rows of one conversation say, whoever said it: equal for duplicates."""
    said = [{key: row[key] for key in row if key not in ABOUT} for row in of_one]
    return files.sha256_bytes(files.dump_json(said).encode())


def read(path: Path, shape: str) -> dict[str, list[Row]]:
    """The rows of an earlier export by conversation; empty where there is no such file.

    Raises:
        FormatError: the file holds anything that no export of this form wrote.
    """
    if not path.exists():
        return {}
    found = list(files.read_jsonl(path)) if path.suffix == ".jsonl" else files.read_json(path)
    by_id: dict[str, list[Row]] = {}
    for number, row in enumerate(found if isinstance(found, list) else [found], 1):
        if not _is_exported(row, SHAPES[shape].key):
            raise FormatError(
                f"{path}: row {number} is not from an export as {shape}. Nothing was written; "
                "name another file with --output"
            )
        by_id.setdefault(row["conversation_id"], []).append(row)
    return by_id


def _is_exported(row: Any, key: str) -> bool:
    if not isinstance(row, dict) or key not in row:
        return False
    mark, texts = row.get("satisfaction"), (row.get("conversation_id"), row.get("source"))
    return isinstance(mark, int | float) and all(isinstance(text, str) for text in texts)


def write(path: Path, by_id: dict[str, list[Row]]) -> None:
    """Write the rows, sorted by conversation: equal rows give equal bytes."""
    ordered = [row for name in sorted(by_id) for row in by_id[name]]
    if path.suffix == ".jsonl":
        files.write_jsonl(path, ordered)
    else:
        files.write_json(path, ordered)


def _pairs(chosen: Chosen) -> tuple[str, list[tuple[str, str]]]:
    """System message or nothing, then question and answer by turns."""
    texts = [message["content"] for message in chosen.messages]
    system = texts.pop(0) if chosen.messages[0]["role"] == "system" else ""
    return system, list(zip(texts[::2], texts[1::2], strict=True))

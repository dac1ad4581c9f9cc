"""A JSON list of `{text, source, paper_id, title}`: plain text for tools that know no chat.

Written as an export; of a user's own records `turns` reads question and answer out of the text. The
text is of no model's template, and unlike a bare prompt it holds the answer.
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from titer import files
from titer.examples.formats.base import (
    CSV,
    LINES,
    LIST,
    ORIGIN,
    PARQUET,
    Format,
    Row,
    Unanswered,
    Unfit,
    empty_ones,
    example,
    without_absent,
)
from titer.examples.formats.base import text_of as origin_of
from titer.records import Example

SPEAKERS = {"system": "System", "user": "User", "assistant": "Assistant"}
ROLES = {
    "system": "system",
    **dict.fromkeys(("user", "human", "question", "q"), "user"),
    **dict.fromkeys(("assistant", "answer", "a"), "assistant"),
}
"""Who speaks after such a word and a colon, in lower case."""

_AT_LINE_START = re.compile(
    r"^[ \t]*[*#]*[ \t]*(system|user|human|question|q|assistant|answer|a)[*]*[ \t]*:[*]*",
    re.IGNORECASE | re.MULTILINE,
)
_IN_LINE = re.compile(r"(?<!\S)(System|User|Human|Question|Assistant|Answer):")


def rows(examples: Iterable[Example]) -> list[dict[str, str]]:
    """The four keys of each example, in the given order."""
    return [
        {
            "text": text_of_messages(example.messages),
            "source": example.source,
            "paper_id": example.paper_id,
            "title": example.title,
        }
        for example in examples
    ]


def write(path: Path, examples: Iterable[Example]) -> None:
    """Write examples as one JSON list; text, source, paper_id, title in this order."""
    files.write_json(path, rows(examples), sort_keys=False)


def turns(text: str) -> list[dict[str, str]] | None:
    """The messages of a text such as "Question: ... Answer: ..." or "User: ... Assistant: ...".

    Returns:
        Messages that end with an answer; null where the text names no speakers, or holds a prompt
        without an answer.
    """
    for pattern in (_AT_LINE_START, _IN_LINE):
        marks = list(pattern.finditer(text))
        ends = [*(mark.start() for mark in marks), len(text)][1:]
        messages: list[dict[str, str]] = []
        for mark, end in zip(marks, ends, strict=True):
            role, content = ROLES[mark[1].lower()], text[mark.end() : end].strip()
            if messages and messages[-1]["role"] == role:
                messages[-1]["content"] = f"{messages[-1]['content']}\n{content}".strip()
            else:
                messages.append({"role": role, "content": content})
        if _is_answered(messages):
            before = text[: marks[0].start()].strip()
            if before:  # a title or a context above the question
                messages[0]["content"] = f"{before}\n{messages[0]['content']}"
            return messages
    return None


def _is_answered(messages: list[dict[str, str]]) -> bool:
    roles = [message["role"] for message in messages]
    full = all(message["content"] for message in messages)
    return full and "user" in roles and roles[-1:] == ["assistant"]


def text_of_messages(messages: Iterable[dict[str, str]]) -> str:
    """The turns as one text, each after its speaker, a blank line between two."""
    return "\n\n".join(f"{SPEAKERS[turn['role']]}: {turn['content']}" for turn in messages)


def answered(text: Any) -> list[dict[str, str]]:
    """The messages of a text.

    Raises:
        Unfit: no text. Unanswered: it holds no question with its answer.
    """
    if not isinstance(text, str):
        raise Unfit(f"text: a {type(text).__name__}, expected a text")
    found = turns(text)
    if found is None:
        raise Unanswered("no question and answer in the text")
    return found


def parse(row: Row, ignored: Counter[str]) -> Example:
    """An example of the text's turns; the text itself goes to `fields`.

    Raises:
        Unfit: as `answered`.
    """
    fields = {"text": row["text"], **empty_ones(row, ORIGIN)}
    origin = {key: origin_of(row, key) for key in ORIGIN}
    return example(answered(row["text"]), fields, **origin)


def render(found: Example) -> dict[str, Any]:
    """The record; the text is the one that was read, where it still says the same.

    Raises:
        Unfit: the text, read back, would be another conversation.
    """
    text = found.fields.get("text")
    if not text or turns(text) != found.messages:
        text = text_of_messages(found.messages)
        if turns(text) != found.messages:
            raise Unfit("a text that would be read back as another one")
    origin = {key: getattr(found, key) or found.fields.get(key) for key in ORIGIN}
    return without_absent({"text": text, **origin})


FORMAT = Format(
    "text_records",
    '{"text": "User: ... Assistant: ..."} and, where they are known, "source", "paper_id", "title"',
    ("text",),
    ORIGIN,
    parse,
    render,
    holds=frozenset(ORIGIN),
    files=(LIST, LINES, CSV, PARQUET),
)

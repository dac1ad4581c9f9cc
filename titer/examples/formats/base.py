"""What a format of training rows is: the keys of a row, and the way to and from an `Example`.

Invariant: what `parse` takes from a row `render` gives back, value for value. What a format cannot
hold `render` refuses, or `lost` names it; nothing goes in silence.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from titer.records import Example

Row = Mapping[str, Any]
Messages = list[dict[str, str]]

ROLES = ("system", "user", "assistant")
IN_MESSAGES = frozenset({"input", "context", "text", "system", "history"})
"""Fields that the messages hold as well; a format without them loses nothing."""
ORIGIN = ("source", "paper_id", "title")
"""Fields of the example that say where it comes from."""
PROVENANCE = "provenance"
"""Recipe, spans, licence and split of a row that Titer made."""

LINES, LIST, CSV, PARQUET, TEXT = "jsonl", "json", "csv", "parquet", "text"
"""Kinds of files: one JSON object per line, one JSON list, and so on."""


class Unfit(Exception):
    """A row that is none of its format, or that a format cannot hold; the text says why."""


class Unanswered(Unfit):
    """A text without a question and its answer: no fault of form, and nothing to train on."""


@dataclass(frozen=True)
class Format:
    """One format of rows."""

    name: str
    shape: str
    """A row in short, for messages."""
    required: tuple[str, ...]
    """Keys that make the format out."""
    optional: tuple[str, ...]
    """Further keys that are read and written; all others are ignored and counted."""
    parse: Callable[[Row, Counter[str]], Example]
    """From a row with all required keys; counts the parts that it ignores. Raises Unfit."""
    render: Callable[[Example], dict[str, Any]]
    """The row, without keys whose value was not there. Raises Unfit."""
    holds: frozenset[str] = frozenset()
    """Of ORIGIN and of `Example.fields`: what a row can hold."""
    files: tuple[str, ...] = (LINES, LIST)
    """Kinds of files that can hold it, the usual one first."""

    @property
    def keys(self) -> frozenset[str]:
        """All keys that the format defines."""
        return frozenset((*self.required, *self.optional))

    def lost(self, example: Example) -> Iterator[str]:
        """Names of what the example holds and a row of this format cannot."""
        for name in ORIGIN:
            if getattr(example, name) and name not in self.holds:
                yield name
        if example.id and PROVENANCE not in self.holds:
            yield PROVENANCE
        for name, value in example.fields.items():
            if value and name not in self.holds and name not in IN_MESSAGES:
                yield name


FLAT = (LINES, LIST, CSV, PARQUET)
"""Files of formats whose values are texts and numbers."""


def example(messages: Messages, fields: dict[str, Any] | None = None, **origin: str) -> Example:
    """An example of a user's row; its id is empty, and `own.read` gives it one.

    Raises:
        Unfit: the messages are no conversation with an answer.
    """
    fault = message_fault(messages)
    if fault:
        raise Unfit(fault)
    return Example(
        id="",
        messages=messages,
        recipe="",
        recipe_version=0,
        paper_id=origin.get("paper_id", ""),
        source=origin.get("source", ""),
        title=origin.get("title", ""),
        spans=[],
        cluster_id="",
        fields=fields or {},
    )


def pair(question: Any, answer: Any) -> Messages:
    """A question and its answer as messages."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def message_fault(messages: Any) -> str | None:
    """What is wrong with the messages of a row, or null: roles, texts, an answer at the end."""
    if not isinstance(messages, list) or len(messages) < 2:
        return "messages: expected a list of at least a question and an answer"
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            return f"message {number}: role must be one of {', '.join(ROLES)}"
        if fault := _content_fault(message.get("content")):
            return f"message {number}: {fault}"
    last = messages[-1]["role"]
    return None if last == "assistant" else f"the last message is from {last}, expected assistant"


def _content_fault(content: Any) -> str | None:
    if content is not None and not isinstance(content, str):
        # a bool is an int, so it comes first
        kinds = ((bool, "true or false"), (int | float, "a number"), (list, "a list"))
        name = next((name for kind, name in kinds if isinstance(content, kind)), "an object")
        return f"content is {name}, expected a text"
    if not content or content.isspace():
        return "content must be a text that is not empty"
    return None


def text_of(row: Row, key: str) -> str:
    """The text under a key that says where a row comes from; numbers become texts.

    Raises:
        Unfit: neither text nor whole number.
    """
    value = row.get(key)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unfit(f"{key}: a {type(value).__name__}, expected a text")
    return str(value)


def empty_ones(row: Row, keys: Iterable[str]) -> dict[str, Any]:
    """Keys that hold an empty value: to `Example.fields`, so that they are written again."""
    return {key: row[key] for key in keys if row.get(key) in ("", [])}


def single(found: Example) -> tuple[str, str]:
    """Question and answer of an example without system prompt and further turns.

    Raises:
        Unfit: it has them.
    """
    messages = found.messages
    if messages[0]["role"] == "system":
        raise Unfit("a system prompt")
    if len(messages) != 2 or messages[0]["role"] != "user":
        raise Unfit("more than one turn")
    return messages[0]["content"], messages[1]["content"]


def without_absent(row: dict[str, Any]) -> dict[str, Any]:
    """The row without keys that were not there."""
    return {key: value for key, value in row.items() if value is not None}

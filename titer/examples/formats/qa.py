"""`{"question", "answer", "source"}`: pairs that say where they come from, of the document guide.

`paper_id` and `title` say more of it; rows with the same source never stand in two splits.
"""

from collections import Counter
from typing import Any

from titer.examples.formats.base import (
    FLAT,
    ORIGIN,
    Format,
    Row,
    empty_ones,
    example,
    pair,
    single,
    text_of,
    without_absent,
)
from titer.records import Example


def parse(row: Row, ignored: Counter[str]) -> Example:
    """An example of one turn with its source."""
    return example(
        pair(row["question"], row["answer"]),
        empty_ones(row, ORIGIN),
        source=text_of(row, "source"),
        paper_id=text_of(row, "paper_id"),
        title=text_of(row, "title"),
    )


def render(found: Example) -> dict[str, Any]:
    """The row, with those keys of its origin that are known."""
    question, answer = single(found)
    fields = found.fields
    return without_absent(
        {
            "question": question,
            "answer": answer,
            "source": found.source or fields.get("source"),
            "paper_id": found.paper_id or fields.get("paper_id"),
            "title": found.title or fields.get("title"),
        }
    )


FORMAT = Format(
    "qa",
    '{"question", "answer", "source"}',
    ("question", "answer"),
    ORIGIN,
    parse,
    render,
    holds=frozenset(ORIGIN),
    files=FLAT,
)

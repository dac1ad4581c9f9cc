"""`{"instruction", "response"}`: the form of the chemistry and biology guide."""

from collections import Counter
from typing import Any

from titer.examples.formats.base import FLAT, Format, Row, example, pair, single
from titer.records import Example


def parse(row: Row, ignored: Counter[str]) -> Example:
    """An example of one turn."""
    return example(pair(row["instruction"], row["response"]))


def render(found: Example) -> dict[str, Any]:
    """The row."""
    question, answer = single(found)
    return {"instruction": question, "response": answer}


FORMAT = Format(
    "instruction",
    '{"instruction", "response"}',
    ("instruction", "response"),
    (),
    parse,
    render,
    files=FLAT,
)

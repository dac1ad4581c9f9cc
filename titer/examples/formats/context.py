"""`{"question", "context", "answer"}`: a question about a passage, of the document guide."""

from collections import Counter
from typing import Any

from titer.examples.formats.base import (
    FLAT,
    Format,
    Row,
    Unfit,
    empty_ones,
    example,
    pair,
    single,
    text_of,
    without_absent,
)
from titer.records import Example

BETWEEN = "\n\n"
"""Between the passage and the question that follows it."""


def parse(row: Row, ignored: Counter[str]) -> Example:
    """An example whose prompt is the passage and then the question."""
    context, question = row["context"], row["question"]
    for key in ("context", "question"):
        if not isinstance(row[key], str):
            raise Unfit(f"{key}: a {type(row[key]).__name__}, expected a text")
    if not question.strip():
        raise Unfit("question: must be a text that is not empty")
    asked = f"{context}{BETWEEN}{question}" if context else question
    fields = {"context": context, **empty_ones(row, ("source",))}
    return example(pair(asked, row["answer"]), fields, source=text_of(row, "source"))


def render(found: Example) -> dict[str, Any]:
    """The row; the context is empty where the example knows of none."""
    asked, answer = single(found)
    context = found.fields.get("context") or ""
    head = f"{context}{BETWEEN}"
    if context and asked.startswith(head):
        question = asked[len(head) :]
    else:
        context, question = "", asked
    row = {"question": question, "context": context, "answer": answer}
    return without_absent({**row, "source": found.source or found.fields.get("source")})


FORMAT = Format(
    "context",
    '{"question", "context", "answer"} and, where it is known, "source"',
    ("question", "context", "answer"),
    ("source",),
    parse,
    render,
    holds=frozenset({"context", "source"}),
    files=FLAT,
)

"""Plain text: `User: ...` and `Assistant: ...` at the beginning of lines, records between `---`.

`Question:` and `Answer:` (or `Q:` and `A:`) do as well; there each question begins a new record.
"""

from collections import Counter
from typing import Any

from titer.examples.formats import text_records
from titer.examples.formats.base import TEXT, Format, Row, Unfit, example
from titer.records import Example

RULE = "---"
"""The line between two records."""


def parse(row: Row, ignored: Counter[str]) -> Example:
    """An example of the turns of one record.

    Raises:
        Unfit: it names no speakers, or has no answer.
    """
    return example(text_records.answered(row["text"]))


def render(found: Example) -> dict[str, Any]:
    """The text of one record.

    Raises:
        Unfit: read back, it would be another one.
    """
    text = text_records.text_of_messages(found.messages)
    if RULE in text.split("\n") or text_records.turns(text) != found.messages:
        raise Unfit("a text that would be read back as another one")
    return {"text": text}


FORMAT = Format(
    "text",
    "User: ... and Assistant: ... at the beginning of lines, --- between records",
    ("text",),
    (),
    parse,
    render,
    files=(TEXT,),
)

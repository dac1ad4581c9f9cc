"""`{"system", "user", "assistant", "satisfaction"}`: rated turns, of the conversation guide."""

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
    without_absent,
)
from titer.records import Example


def parse(row: Row, ignored: Counter[str]) -> Example:
    """An example of one turn; the rating goes to `fields`."""
    rating = row.get("satisfaction")
    if rating is not None and (isinstance(rating, bool) or not isinstance(rating, int | float)):
        raise Unfit(f"satisfaction: {rating!r}, expected a number"[:200])
    messages = pair(row["user"], row["assistant"])
    if row.get("system"):
        messages = [{"role": "system", "content": row["system"]}, *messages]
    fields = empty_ones(row, ("system",))
    if rating is not None:
        fields["satisfaction"] = rating
    return example(messages, fields)


def render(found: Example) -> dict[str, Any]:
    """The row; without a rating where none is known."""
    messages, system = found.messages, found.fields.get("system")
    if messages[0]["role"] == "system":
        system, messages = messages[0]["content"], messages[1:]
    if [message["role"] for message in messages] != ["user", "assistant"]:
        raise Unfit("more than one turn")
    return without_absent(
        {
            "system": system,
            "user": messages[0]["content"],
            "assistant": messages[1]["content"],
            "satisfaction": found.fields.get("satisfaction"),
        }
    )


FORMAT = Format(
    "satisfaction",
    '{"user", "assistant"} and, where they are known, "system", "satisfaction"',
    ("user", "assistant"),
    ("system", "satisfaction"),
    parse,
    render,
    holds=frozenset({"satisfaction"}),
    files=FLAT,
)

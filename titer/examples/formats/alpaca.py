"""`{"instruction", "input", "output", "system", "history"}`: Alpaca as LLaMA-Factory reads it.

`input` follows the instruction on a new line; `history` is a list of [question, answer].
"""

from collections import Counter
from typing import Any

from titer.examples.formats.base import (
    FLAT,
    Format,
    Messages,
    Row,
    Unfit,
    empty_ones,
    example,
    pair,
    without_absent,
)
from titer.records import Example

BETWEEN = "\n"
"""What LLaMA-Factory puts between instruction and input."""


def parse(row: Row, ignored: Counter[str]) -> Example:
    """An example whose last question is instruction and input."""
    instruction, given = row["instruction"], row.get("input")
    if given is not None and not isinstance(given, str):
        raise Unfit(f"input: a {type(given).__name__}, expected a text")
    asked = f"{instruction}{BETWEEN}{given}" if given else instruction
    messages = pair(asked, row["output"])
    if row.get("history"):
        messages = [*_history(row["history"]), *messages]
    if row.get("system"):
        messages = [{"role": "system", "content": row["system"]}, *messages]
    if not isinstance(instruction, str):
        raise Unfit(f"instruction: a {type(instruction).__name__}, expected a text")
    return example(messages, {"input": given, **empty_ones(row, ("system", "history"))})


def _history(given: Any) -> Messages:
    if not isinstance(given, list):
        raise Unfit(f"history: a {type(given).__name__}, expected a list of [question, answer]")
    messages: Messages = []
    for number, turn in enumerate(given, 1):
        if not isinstance(turn, list | tuple) or len(turn) != 2:
            raise Unfit(f"history {number}: expected [question, answer]")
        messages += pair(*turn)
    return messages


def render(found: Example) -> dict[str, Any]:
    """The row; `input` is empty where the example knows of none."""
    messages = found.messages
    system: str | None = found.fields.get("system")
    if messages[0]["role"] == "system":
        system, messages = messages[0]["content"], messages[1:]
    turns = [message["role"] for message in messages]
    if turns != ["user", "assistant"] * (len(turns) // 2):
        raise Unfit("turns that do not alternate between user and assistant")
    asked, given = messages[-2]["content"], found.fields.get("input", "")
    tail = f"{BETWEEN}{given}"
    is_split = bool(given) and asked.endswith(tail)
    instruction = asked[: -len(tail)] if is_split else asked
    past = [
        [one["content"], other["content"]]
        for one, other in zip(messages[:-2:2], messages[1:-2:2], strict=True)
    ]
    return without_absent(
        {
            "instruction": instruction,
            "input": given if is_split or not given else "",
            "output": messages[-1]["content"],
            "system": system,
            "history": past or found.fields.get("history"),
        }
    )


FORMAT = Format(
    "alpaca",
    '{"instruction", "input", "output"} and, where there are any, "system", "history"',
    ("instruction", "output"),
    ("input", "system", "history"),
    parse,
    render,
    holds=frozenset({"input"}),
    files=FLAT,
)

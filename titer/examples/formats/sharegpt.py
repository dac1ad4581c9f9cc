"""`{"conversations": [{"from", "value"}], "system", "id"}`: ShareGPT, of any number of turns.

Turns of tools (function_call, observation, tool) and `tools` are ignored and counted.
"""

from collections import Counter
from typing import Any

from titer.examples.formats.base import (
    Format,
    Messages,
    Row,
    Unfit,
    empty_ones,
    example,
    without_absent,
)
from titer.records import Example

NAMES = {"system": "system", "user": "human", "assistant": "gpt"}
SPEAKERS = {
    "human": "user", "gpt": "assistant", "system": "system",
    "user": "user", "assistant": "assistant",
}  # fmt: skip
"""Who speaks; the last two are other spellings, written as human and gpt again."""
TOOLS = frozenset({"function_call", "function", "observation", "tool"})


def parse(row: Row, ignored: Counter[str]) -> Example:
    """An example with the turns in order; a system prompt stands first."""
    turns = row["conversations"]
    if not isinstance(turns, list):
        raise Unfit(f"conversations: a {type(turns).__name__}, expected a list of turns")
    messages: Messages = []
    for number, turn in enumerate(turns, 1):
        speaker = turn.get("from") if isinstance(turn, dict) else None
        if isinstance(speaker, str) and speaker in TOOLS:
            ignored["turns of tools"] += 1
            continue
        role = SPEAKERS.get(speaker) if isinstance(speaker, str) else None
        if role is None or "value" not in turn:
            raise Unfit(f"turn {number}: expected from (human, gpt or system) and value")
        if len(turn) > 2:
            ignored.update(f"conversations.{key}" for key in turn if key not in ("from", "value"))
        if NAMES[role] != speaker:
            ignored[f"spelling {speaker}"] += 1
        messages.append({"role": role, "content": turn["value"]})
    fields = {**empty_ones(row, ("system", "id"))}
    if row.get("system"):
        messages = [{"role": "system", "content": row["system"]}, *messages]
        fields["system"] = row["system"]
    if row.get("id"):
        fields["id"] = row["id"]
    return example(messages, fields)


def render(found: Example) -> dict[str, Any]:
    """The row; the system prompt stands where it stood, else as the first turn."""
    messages, system = found.messages, found.fields.get("system")
    if system and messages[0] == {"role": "system", "content": system}:
        messages = messages[1:]
    elif system:
        system = None
    turns = [{"from": NAMES[one["role"]], "value": one["content"]} for one in messages]
    return without_absent({"id": found.fields.get("id"), "system": system, "conversations": turns})


FORMAT = Format(
    "sharegpt",
    '{"conversations": [{"from": "human" or "gpt" or "system", "value"}]}',
    ("conversations",),
    ("system", "id"),
    parse,
    render,
    holds=frozenset({"id"}),
)

"""The part of Go's text/template that our Modelfiles use, evaluated as Ollama would.

Actions: `range .Messages`, `if eq .Role "x"`, `else if`, `if ne (index .Messages 0).Role "x"`,
`.Content`, `end`. Invariant: whatever else stands in a template is refused, never passed over.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from titer.errors import DataError

Messages = Sequence[Mapping[str, str]]
_ACTION = re.compile(r"\{\{ (.*?) \}\}")
_ROLE = re.compile(r'(?:else )?if eq \.Role "(\w+)"')
_FIRST = re.compile(r'if ne \(index \.Messages 0\)\.Role "(\w+)"')
RANGE, CONTENT, END = "range .Messages", ".Content", "end"


def render(template: str, messages: Messages) -> str:
    """The text that a template gives for a conversation.

    Raises:
        DataError: an action that is not of our subset, or blocks that do not close.
    """
    parts = _ACTION.split(template)
    actions = list(zip(parts[::2], [*parts[1::2], ""], strict=True))
    return "".join(_top(iter(actions), messages))


def _top(actions: Iterator[tuple[str, str]], messages: Messages) -> Iterator[str]:
    for text, action in actions:
        yield text
        if first := _FIRST.fullmatch(action):
            block = _block(actions)
            if messages[0]["role"] != first[1]:
                yield from (inner for inner, _ in block)
        elif action == RANGE:
            block = _block(actions)
            for message in messages:
                yield from _message(block, message)
        elif action:
            raise DataError(
                f"{{{{ {action} }}}}: not in the subset of Go templates that is written"
            )


def _block(actions: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    """What stands before the `end` of a block."""
    found, depth = [], 1
    for text, action in actions:
        depth += action.startswith(("if ", "range ")) - (action == END)
        found.append((text, action))
        if not depth:
            return found
    raise DataError("a block of the template has no {{ end }}")


def _message(block: list[tuple[str, str]], message: Mapping[str, str]) -> Iterator[str]:
    """One message: of a chain of roles, the branch of its own."""
    is_open = True
    for text, action in block:
        if is_open:
            yield text
        if role := _ROLE.fullmatch(action):
            is_open = message["role"] == role[1]
        elif action == CONTENT:
            if is_open:
                yield message["content"]
        elif action == END:
            is_open = True
        else:
            raise DataError(
                f"{{{{ {action} }}}}: not in the subset of Go templates that is written"
            )

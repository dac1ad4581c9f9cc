"""The elements of one long JSON list, one after the other, in constant memory.

Invariant: an element that is no JSON is named with its line. Where every element begins on its own
line, as writers of such files do it, the ones after it are read; else the rest is said to be lost.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_BYTES = 16 * 2**20
"""Of one row: a longer one is named, not read."""

JSON_ROW = "one JSON object per row"


@dataclass(frozen=True)
class Bad:
    """A row that cannot be read."""

    found: str
    allowed: str


def json_value(raw: bytes) -> Mapping[str, Any] | Bad:
    """The object that some bytes hold, or what is wrong with them."""
    import orjson

    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return Bad(_fault(raw, error.msg), JSON_ROW)
    if not isinstance(value, dict):
        return Bad(f"a {type(value).__name__}", JSON_ROW)
    return value


def _fault(raw: bytes, message: str) -> str:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8 (byte 0x{raw[error.start]:02x}, the {error.start + 1}th)"
    if not raw.strip(b"\0 \r\n\t"):
        return "zero bytes only"
    if "unexpected end" in message or "EOF" in message:
        return "not JSON: it breaks off"
    return f"not JSON: {message}"


Found = tuple[str, Mapping[str, Any] | Bad]

_TOKEN = re.compile(rb'"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"|["{}\[\]]')
"""A whole string, a bracket, or a quote whose string goes on beyond what was read."""


def elements(blocks: Iterable[bytes]) -> Iterator[Found]:
    """The elements of a list with their places, `:line: record n`.

    Args:
        blocks: the bytes of the file, cut anywhere.
    """
    scanner = _Scanner()
    for block in blocks:
        yield from scanner.feed(block)
    yield from scanner.end()


_BETWEEN = b" \t\r\n["


class _Scanner:
    """Finds where elements begin and end by counting brackets outside of strings."""

    def __init__(self) -> None:
        self._buffer = b""
        self._place = 0
        """Up to here the buffer is scanned."""
        self._done = 0
        """Up to here its elements are given back."""
        self._start = -1
        self._depth = 0
        self._n = 0
        self._line = 1
        """Of the first byte of the buffer."""
        self._margin: bytes | None = None
        self._is_oversize = False
        self._is_stuck = False

    def feed(self, block: bytes) -> Iterator[Found]:
        """The elements that end within these bytes."""
        if self._is_stuck:
            return
        self._buffer += block
        for token in _TOKEN.finditer(self._buffer, self._place):
            self._place = token.end()
            sign = token[0]
            if sign == b'"':
                # strings of JSON do not go over a line
                if self._buffer.find(b"\n", token.end()) < 0:
                    self._place = token.start()
                    break
            elif sign in (b"{", b"["):
                yield from self._open(token.start())
            elif sign in (b"}", b"]"):
                yield from self._close(token)
        else:
            self._place = len(self._buffer)
        yield from self._trim()

    def _open(self, place: int) -> Iterator[Found]:
        if self._depth > 1 and self._begins_line(place):
            yield self._named(self._start, Bad("not JSON: it breaks off", JSON_ROW))
            self._depth, self._done = 1, place
        if self._depth == 1:
            yield from self._between(self._done, place)
            self._start = place
        self._depth += 1

    def _begins_line(self, place: int) -> bool:
        """Whether a bracket stands where elements begin, while another one is not at its end."""
        margin = self._margin
        return margin is not None and self._buffer.endswith(margin, 0, place)

    def _close(self, token: re.Match[bytes]) -> Iterator[Found]:
        self._depth -= 1
        if self._depth == 1 and self._start >= 0:
            raw = self._buffer[self._start : token.end()]
            if not self._n:
                self._learn_margin(raw)
            if self._is_oversize or len(raw) > MAX_BYTES:
                value: Mapping[str, Any] | Bad = Bad(f"more than {MAX_BYTES:,} bytes", "less")
            else:
                value = json_value(raw)
            yield self._named(self._start, value)
            self._start, self._done, self._is_oversize = -1, token.end(), False
        elif self._depth <= 0:
            yield from self._between(self._done, token.start())
            self._done, self._depth = token.end(), 0

    def _learn_margin(self, raw: bytes) -> None:
        """How elements begin: only what no nested value begins with; an empty one tells nothing."""
        before = self._buffer[: self._start]
        indent = before[before.rfind(b"\n") + 1 :]
        if (
            b"\n" in before
            and not indent.strip(b" \t")
            and (indent or (b"\n" not in raw and raw.strip(b"{} \t")))
        ):
            self._margin = b"\n" + indent

    def _between(self, begin: int, end: int) -> Iterator[Found]:
        """What stands between two elements and is none."""
        for piece in self._buffer[begin:end].split(b","):
            bare = piece.lstrip(_BETWEEN)
            if bare:
                yield self._named(begin + len(piece) - len(bare), json_value(bare.rstrip()))
            begin += len(piece) + 1

    def _named(self, place: int, value: Mapping[str, Any] | Bad) -> Found:
        self._n += 1
        line = self._line + self._buffer.count(b"\n", 0, place)
        return f":{line}: record {self._n}", value

    def _trim(self) -> Iterator[Found]:
        """Forget what is given back, and an element that is too long to keep."""
        keep = self._start if self._start >= 0 else self._done
        if len(self._buffer) - keep > MAX_BYTES:
            self._is_oversize = True
            keep = self._place
            self._start = min(self._start, 0)
        keep = max(0, keep - len(self._margin or b""))
        self._line += self._buffer.count(b"\n", 0, keep)
        self._buffer = self._buffer[keep:]
        self._place = max(0, self._place - keep)
        self._done = max(0, self._done - keep)
        self._start = max(0, self._start - keep) if self._start >= 0 else -1
        if len(self._buffer) > MAX_BYTES:
            found = f"a string of more than {MAX_BYTES:,} bytes; the rest is not read"
            yield self._named(0, Bad(found, "shorter rows"))
            self._is_stuck = True

    def end(self) -> Iterator[Found]:
        """What is wrong with the end of the file."""
        if self._is_stuck:
            return
        if self._start >= 0:
            yield self._named(self._start, Bad("not JSON: it breaks off", JSON_ROW))
        elif self._depth:
            yield from self._between(self._done, len(self._buffer))
            line = self._line + self._buffer.count(b"\n")
            yield f":{line}", Bad("the list is not closed", "] at the end")

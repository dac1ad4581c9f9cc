"""Files of training rows: which format they are, their examples, and what is wrong with the rest.

Invariant: every row is an example, a `Fault` or an unanswered text; every key is read or counted.
Lines within a text end in a line feed, whatever the file's program writes. Memory does not grow
with the file.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from titer.errors import FormatError
from titer.examples.formats import FORMATS
from titer.examples.formats.base import CSV, Format, Unanswered, Unfit
from titer.examples.formats.containers import Fault, kind_of, rows
from titer.examples.formats.json_list import Bad
from titer.records import Example

SAMPLE_ROWS = 100
"""Rows that are looked at to find the format."""
KEPT_FAULTS = 1000
"""Faults that are kept; all are counted."""
SHOWN_KEYS = 12
NESTED = 3
"""What texts of messages lie in: row, list of turns, turn."""

UNANSWERED = "no question and answer in the text"

Adapt = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Turns a row of another tool's description into one with our keys."""


def allowed(kind: str | None = None) -> str:
    """All forms of rows, for a message."""
    return "; ".join(
        f"{name}: {one.shape}" for name, one in FORMATS.items() if kind is None or kind in one.files
    )


def fitting(row: Mapping[str, Any], kind: str) -> list[Format]:
    """The formats whose keys a row has; of two, the one that asks for more of them."""
    keys = row.keys()
    found = [one for one in FORMATS.values() if kind in one.files and keys >= set(one.required)]
    return [
        one for one in found if not any(set(one.required) < set(other.required) for other in found)
    ]


def detect(path: Path, *, adapt: Adapt | None = None) -> Format:
    """The format of a file, by its first rows; a name such as `rows.alpaca.jsonl` decides.

    Raises:
        FormatError: no format fits, or two do.
    """
    kind = kind_of(path)
    named = [FORMATS[part] for part in path.name.lower().split(".")[1:-1] if part in FORMATS]
    if named:
        return named[0]
    votes: Counter[tuple[str, ...]] = Counter()
    seen: list[str] = []
    first: Fault | None = None
    for place, row in islice(rows(path, kind), SAMPLE_ROWS):
        if isinstance(row, Bad):
            first = first or Fault(f"{path}{place}", row.found, row.allowed)
            continue
        given = adapt(row) if adapt else row
        seen = seen or sorted(map(str, given))
        found = tuple(one.name for one in fitting(given, kind))
        if found:
            votes[found] += 1
    if not votes:
        raise FormatError(_no_form(path, kind, seen, first))
    names = votes.most_common(1)[0][0]
    if len(names) > 1:
        stem, _, ending = path.name.partition(".")
        raise FormatError(
            f"{path}:1: fits {' and '.join(names)} (keys {', '.join(seen[:SHOWN_KEYS])}). Name "
            f"one: --format {names[0]}, or call the file {stem}.{names[0]}.{ending}"
        )
    return FORMATS[names[0]]


def _no_form(path: Path, kind: str, seen: list[str], first: Fault | None) -> str:
    """Why no row has a form: the keys of the first that can be read, else why none can be."""
    if seen:
        keys = f"keys {', '.join(seen[:SHOWN_KEYS])}"
        return f"{path}:1: {keys}: no known form. Allowed: {allowed(kind)}"
    if first:
        return str(first)
    if kind == CSV:
        return f"{path}:1: only a header. Allowed: at least one row below it"
    return f"{path}:1: no row with a key. Allowed: {allowed(kind)}"


class Reading:
    """One pass over the examples of a file, with what was left out so far."""

    def __init__(
        self,
        path: Path,
        form: Format | None = None,
        *,
        adapt: Adapt | None = None,
        is_mixed: bool = False,
    ) -> None:
        """Find out what the file holds.

        Args:
            path: of the file.
            form: its format; null finds it out.
            adapt: applied to each row first.
            is_mixed: each row may have a form of its own.

        Raises:
            FormatError: no such file, or no format fits, or two do.
        """
        self.path = path
        self.kind = kind_of(path)
        self.form = form or detect(path, adapt=adapt)
        if self.kind not in self.form.files:
            raise FormatError(
                f"{path}: {self.form.name} is not read from {self.kind}. Allowed: "
                f"{', '.join(self.form.files)}"
            )
        self.adapt = adapt
        self._is_mixed = is_mixed
        self.place = ""
        """Of the row that was given last, `path:line`."""
        self.n_rows = 0
        """Examples so far."""
        self.n_faults = 0
        self.faults: list[Fault] = []
        """The first KEPT_FAULTS of them."""
        self.n_unanswered = 0
        """Texts without a question and its answer."""
        self.ignored: Counter[str] = Counter()
        """Keys and parts that no example holds, with how often they occur."""

    def __iter__(self) -> Iterator[Example]:
        """The examples in order."""
        for place, row in rows(self.path, self.kind):
            self.place = f"{self.path}{place}"
            if isinstance(row, Bad):
                self._fault(row.found, row.allowed)
                continue
            given = self.adapt(row) if self.adapt else row
            example = self._parsed(_with_line_feeds(given, NESTED))
            if example is not None:
                self.n_rows += 1
                yield example

    def _parsed(self, row: Mapping[str, Any]) -> Example | None:
        form = self.form
        if not row.keys() >= set(form.required):
            other = fitting(row, self.kind)
            if not (self._is_mixed and len(other) == 1):
                self._fault(_found(row, other, form), form.shape)
                return None
            form = other[0]
        if self.kind == CSV:
            row = {key: row[key] for key in row if row[key] != "" or key in form.required}
        try:
            example = form.parse(row, self.ignored)
        except Unanswered:
            self.n_unanswered += 1
            return None
        except Unfit as error:
            self._fault(str(error), form.shape)
            return None
        if not row.keys() <= form.keys:
            self.ignored.update(map(str, row.keys() - form.keys))
        return example

    def refuse(self, found: str) -> None:
        """Count the example that was given last as a fault."""
        self.n_rows -= 1
        self._fault(found, self.form.shape)

    def _fault(self, found: str, shape: str) -> None:
        self.n_faults += 1
        if len(self.faults) < KEPT_FAULTS:
            self.faults.append(Fault(self.place, found, shape))

    def refuse_faults(self) -> None:
        """Stop where a row cannot be used, after all of them were read.

        Raises:
            FormatError: the first fault, and how many rows are like it and how many are not.
        """
        if self.n_faults:
            raise FormatError(
                f"{self.faults[0]} ({self.n_faults} such rows, {self.n_rows} can be used). See "
                f"them all: titer data validate {self.path}"
            )


def _with_line_feeds(value: Any, depth: int) -> Any:
    """The value, in its texts a line feed for each line end of Windows or of old Macs.

    Else a model would learn the line ends of the program that saved the file.
    """
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n") if "\r" in value else value
    if depth and isinstance(value, Mapping):
        return {key: _with_line_feeds(one, depth - 1) for key, one in value.items()}
    if depth and isinstance(value, list):
        return [_with_line_feeds(one, depth - 1) for one in value]
    return value


def _found(row: Mapping[str, Any], other: list[Format], form: Format) -> str:
    keys = f"keys {', '.join(sorted(map(str, row))[:SHOWN_KEYS]) or 'none'}"
    if other:
        names = " or ".join(one.name for one in other)
        return f"{keys}: a row of {names} in a file of {form.name}"
    return f"{keys}: no known form"

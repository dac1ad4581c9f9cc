"""A sheet of drawn rows for a reader: what no rule of words can say about them, yes or no.

Invariant: rows are drawn by a seeded hash of their number, so that the answers of the sheet
estimate shares of the whole file; memory grows with the sheet, not with the file.
"""

import csv
import hashlib
import heapq
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from titer import files
from titer.errors import ConfigError, FormatError
from titer.examples import quality
from titer.examples.formats.containers import other_separator
from titer.examples.formats.json_list import MAX_BYTES
from titer.examples.formats.text_records import text_of_messages
from titer.records import Example

ASPECTS = {
    "accurate": "what it says is true",
    "complete": "nothing that the question asks for is missing",
    "consistent": "it agrees with the other rows, in words and units too",
    "current": "it is not outdated",
    "practical": "it can be acted upon",
    "safe": "a hazard stands with its precaution, and nothing in it harms",
}
"""Columns to fill in and what yes says: the checklist of the chemistry and biology guide."""
COLUMNS = ("place", "question", "answer", "source", "doubts", *ASPECTS, "note")
WORDS = {"yes": True, "no": False}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Answers:
    """What a reader said of one aspect."""

    yes: int
    n: int
    """Rows with yes or no; empty cells do not count."""


def write(path: Path, rows: Iterable[tuple[str, Example]], *, n: int, seed: int) -> int:
    """Write a sheet of rows, in the order of the file.

    Args:
        path: of the sheet; must not be there, since it may be filled in.
        rows: place and example, in order.
        n: rows of the sheet at most.
        seed: of the draw.

    Returns:
        Rows of the sheet; where there are none, no sheet is written.
    Raises:
        ConfigError: the sheet is there, is no CSV, or none of its rows is asked for.
        DataError: it cannot be written.
    """
    if n < 1:
        raise ConfigError(f"--n {n}: at least 1, such as 50")
    if path.suffix.lower() != ".csv":
        raise ConfigError(f"{path}: a sheet ends in .csv")
    if path.exists():
        raise ConfigError(f"{path}: is there already. Give another name, so that no answer is lost")
    numbered = ((number, place, example) for number, (place, example) in enumerate(rows))
    drawn = heapq.nsmallest(n, numbered, key=lambda row: _order(row[0], seed))
    lines = [_line(place, example) for _, place, example in sorted(drawn, key=lambda row: row[0])]
    if lines:
        files.write_csv(path, lines, COLUMNS)
    return len(lines)


def _order(number: int, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}|{number}".encode()).digest()


def _line(place: str, example: Example) -> dict[str, str]:
    *before, answer = example.messages
    asked = before[0]["content"] if len(before) == 1 else text_of_messages(before)
    found = {
        "place": place,
        "question": asked,
        "answer": answer["content"],
        "source": example.source or example.paper_id,
        "doubts": ", ".join(name for name, _ in quality.doubts(example)),
    }
    return {key: _plain(text) for key, text in found.items()}


def _plain(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def read(path: Path) -> dict[str, Answers]:
    """What a reader wrote into a sheet, by aspect.

    Raises:
        FormatError: no sheet, or a cell with another word than yes or no.
    """
    csv.field_size_limit(MAX_BYTES)  # a cell may be as long as a row that was drawn
    reader = csv.DictReader(io.StringIO(files.read_text(path), newline=""))
    try:
        head = reader.fieldnames or ()
    except csv.Error as error:
        raise FormatError(f"{path}:1: not CSV: {error}") from None
    if other := other_separator(head):
        raise FormatError(f"{path}:1: {other[0]}. Allowed: {other[1]}")
    lacking = [name for name in ("place", *ASPECTS) if name not in head]
    if lacking:
        raise FormatError(
            f"{path}:1: no column {', '.join(lacking)}. A sheet is made by: titer data review"
        )
    said: dict[str, list[bool]] = {name: [] for name in ASPECTS}
    line = reader.line_num + 1
    for row in _rows(reader, path):
        for name in ASPECTS:
            word = (row[name] or "").strip().lower()
            if word and word not in WORDS:
                raise FormatError(f"{path}:{line}: {name}: {word[:40]!r}. Allowed: yes, no, empty")
            said[name] += [WORDS[word]] if word else []
        line = reader.line_num + 1
    return {name: Answers(sum(given), len(given)) for name, given in said.items()}


def _rows(reader: "csv.DictReader[str]", path: Path) -> Iterator[dict[str, str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise FormatError(f"{path}:{reader.line_num}: not CSV: {error}") from None

"""Rows of a file, whatever holds them: JSON lines, one JSON list, CSV, Parquet or plain text.

Invariant: memory does not grow with the file, and a line that cannot be read is a `Fault` with its
place; the lines after it are read all the same.
"""

import csv
import gzip
import io
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from titer.errors import FormatError
from titer.examples.formats import json_list
from titer.examples.formats.base import CSV, LINES, LIST, PARQUET, TEXT
from titer.examples.formats.json_list import MAX_BYTES, Bad, Found, json_value

SUFFIXES = {
    ".jsonl": LINES, ".ndjson": LINES, ".json": LIST, ".csv": CSV, ".tsv": CSV,
    ".parquet": PARQUET, ".txt": TEXT,
}  # fmt: skip
"""Endings of names; .jsonl and .json are told apart by their first character."""

NUMBERS = frozenset({"satisfaction"})
"""Columns that hold numbers where a file knows texts only."""

NO_UTF8 = Bad("bytes that are no UTF-8", "UTF-8; save the file again as UTF-8")
SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas"}

_ZIP = b"PK\x03\x04"
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_BROKEN = (EOFError, OSError, zlib.error)
_BLOCK = 64 * 1024
_UTF8_BOM = b"\xef\xbb\xbf"
_PAIR_BEGINS = re.compile(r"^[ \t]*[*#]*[ \t]*(?:question|q)[*]*[ \t]*:", re.IGNORECASE)
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_RECORD_LINES = 10_000
_RULE = re.compile(r"-{3,}\s*$")


@dataclass(frozen=True)
class Fault:
    """A row that cannot be used."""

    place: str
    """`path:line`, or `path: record n` where a file has no lines."""
    found: str
    allowed: str

    def __str__(self) -> str:
        """One line: where, what was found, what is allowed."""
        return f"{self.place}: {self.found}. Allowed: {self.allowed}"


def kind_of(path: Path) -> str:
    """The kind of a file, by its name and its first bytes.

    Raises:
        FormatError: missing, empty, or none that is read.
    """
    name = path.name.lower().removesuffix(".gz")
    kind = SUFFIXES.get(Path(name).suffix)
    head = _head(path)
    if head[:4] == b"PAR1":
        return PARQUET
    if head.startswith(_ZIP):
        raise FormatError(
            f"{path}:1: a workbook of Excel or another ZIP archive, whatever its name. Allowed: "
            "text; save it as CSV (UTF-8)"
        )
    for bom, encoding in _BOMS.items():
        if head.startswith(bom):
            raise FormatError(f"{path}:1: {encoding}. Allowed: UTF-8; save it again as UTF-8")
    begin = head.removeprefix(_UTF8_BOM).lstrip()[:1]
    if kind in (LINES, LIST) or (kind is None and begin in (b"{", b"[")):
        return LIST if begin == b"[" else LINES
    if kind is None:
        raise FormatError(f"{path}: no known ending. Allowed: {', '.join(SUFFIXES)}, also with .gz")
    if kind == PARQUET:
        raise FormatError(f"{path}:1: no Parquet file, whatever its name. Allowed: bytes PAR1 ...")
    return kind


def _head(path: Path) -> bytes:
    try:
        with _opened(path) as file:
            head = file.read(4096)
    except FileNotFoundError:
        raise FormatError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise FormatError(f"{path}: a folder, expected a file") from None
    except _BROKEN as error:
        raise FormatError(f"{path}:1: cannot be read ({error}). Allowed: a whole file") from None
    if not head.strip():
        raise FormatError(f"{path}: empty. Allowed: at least one row")
    return head


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def rows(path: Path, kind: str) -> Iterator[Found]:
    """Every row with its place, in order."""
    read = {LINES: _lines, LIST: _list, CSV: _csv, PARQUET: _parquet, TEXT: _text}[kind]
    return read(path)


def _raw_lines(path: Path) -> Iterator[tuple[int, bytes | Bad]]:
    """Numbered lines without the mark of UTF-8 at the beginning; a long one is not kept."""
    number = 0
    try:
        with _opened(path) as file:
            while line := file.readline(MAX_BYTES):
                number += 1
                if number == 1:
                    line = line.removeprefix(_UTF8_BOM)
                if len(line) == MAX_BYTES and not line.endswith(b"\n"):
                    while (more := file.readline(MAX_BYTES)) and not more.endswith(b"\n"):
                        pass
                    yield number, Bad(f"a line of more than {MAX_BYTES:,} bytes", "shorter lines")
                    continue
                yield number, line
    except _BROKEN as error:
        yield number + 1, Bad(f"the file breaks off ({error})", "a whole file")


def _lines(path: Path) -> Iterator[Found]:
    for number, line in _raw_lines(path):
        if isinstance(line, Bad):
            yield f":{number}", line
        elif line and not line.isspace():
            yield f":{number}", json_value(line)


def _list(path: Path) -> Iterator[Found]:
    broken: list[str] = []

    def blocks() -> Iterator[bytes]:
        try:
            with _opened(path) as file:
                yield file.read(_BLOCK).removeprefix(_UTF8_BOM)
                while block := file.read(_BLOCK):
                    yield block
        except _BROKEN as error:
            broken.append(str(error))

    yield from json_list.elements(blocks())
    if broken:
        yield ":1", Bad(f"the file breaks off ({broken[0]})", "a whole file")


def _decoded(path: Path) -> Iterator[str]:
    """Lines as text; a byte that is no UTF-8 becomes a lone surrogate, and so does a long line."""
    for _, line in _raw_lines(path):
        if isinstance(line, Bad):
            yield "\udcff\n"
        else:
            yield line.decode("utf-8", "surrogateescape")


def _csv(path: Path) -> Iterator[Found]:
    csv.field_size_limit(MAX_BYTES)
    tabs = path.name.lower().removesuffix(".gz").endswith(".tsv")
    reader = csv.reader(_decoded(path), delimiter="\t" if tabs else ",", strict=True)
    header: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield f":{line}", _no_csv(error)
            continue
        if not cells:
            continue
        if header:
            yield f":{line}", _csv_row(header, cells)
            continue
        header = [cell.strip() for cell in cells]
        if fault := _header_fault(header, "\t" if tabs else ","):
            yield f":{line}", fault
            return  # no cell below it has a name that can be trusted


def _no_csv(error: csv.Error) -> Bad:
    if "new-line character" in str(error):
        return Bad("a line that ends in \\r alone", "\\n or \\r\\n; save the file again with these")
    return Bad(f"no CSV ({error})", "quotes that are closed, doubled inside")


def _header_fault(header: list[str], comma: str) -> Bad | None:
    if not _is_utf8(header):
        return NO_UTF8
    if other := other_separator(header, comma):
        return Bad(*other)
    names = Counter(name for name in header if name)
    twice = next((name for name, n in names.items() if n > 1), None)
    return Bad(f"{names[twice]} columns named {twice!r:.80}", "each name once") if twice else None


def other_separator(header: Sequence[str], comma: str = ",") -> tuple[str, str] | None:
    """What separates the names of a table that reads as one column, and what is allowed; or null.

    Args:
        header: names of the columns, as read.
        comma: what should separate them.
    """
    if len(header) != 1:
        return None
    other = next((sign for sign in SEPARATORS if sign in header[0]), None)
    if not other:
        return None
    allowed = f"{SEPARATORS[comma]}; save it as CSV with {SEPARATORS[comma]}"
    return f"cells that {SEPARATORS[other]} separate", allowed


def _csv_row(header: list[str], cells: list[str]) -> Mapping[str, Any] | Bad:
    if len(cells) != len(header):
        return Bad(f"{len(cells)} cells", f"{len(header)} cells, as in line 1")
    if not _is_utf8(cells):
        return NO_UTF8
    # a spreadsheet leaves columns without a name behind; one with a text in it is told as ignored
    row: dict[str, Any] = {
        name or f"column {number} without a name": cell
        for number, (name, cell) in enumerate(zip(header, cells, strict=True), 1)
        if name or cell.strip()
    }
    for name in NUMBERS & row.keys():
        row[name] = _number(row[name])
    return row


def _is_utf8(texts: Iterable[str]) -> bool:
    return not any("\udc80" <= letter <= "\udcff" for text in texts for letter in text)


def _number(text: str) -> Any:
    """The number that a cell holds, else the text."""
    if _WHOLE.fullmatch(text):
        return int(text)
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def _parquet(path: Path) -> Iterator[Found]:
    import pyarrow as pa
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    present = {key: value for key, value in row.items() if value is not None}
                    yield f": record {number}", present
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())[:200]
        yield f": record {number + 1}", Bad(f"cannot be read as Parquet ({text})", "a whole file")


def _text(path: Path) -> Iterator[Found]:
    """Records between rules; a question that names itself so begins a new one."""
    kept: list[str] = []
    begin = number = 0
    for number, line in _text_lines(path):
        is_rule = bool(_RULE.match(line))
        if is_rule or (_PAIR_BEGINS.match(line) and any(map(_PAIR_BEGINS.match, kept))):
            yield from _record(kept, begin)
            kept = []
        if not is_rule:
            begin = begin if kept else number
            kept.append(line)
        if len(kept) > _RECORD_LINES:
            yield f":{begin}", Bad(f"a record of more than {_RECORD_LINES:,} lines", "lines of ---")
            kept = []
    yield from _record(kept, begin)


def _text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that end in a line feed, whatever ended them, numbered by the file's own line feeds."""
    for number, line in enumerate(_decoded(path), 1):
        for one in io.StringIO(line, newline=None) if "\r" in line else (line,):
            yield number, one


def _record(lines: list[str], begin: int) -> Iterator[Found]:
    text = "".join(lines)
    if not text.strip():
        return
    yield f":{begin}", {"text": text.strip("\n")} if _is_utf8([text]) else NO_UTF8

"""Examples to a file of any format, one after the other.

Invariant: an example that the format cannot hold is counted with the reason, and so is what it
loses; the file is there whole or not at all.
"""

import contextlib
import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from titer import files
from titer.errors import FormatError
from titer.examples.formats import plain_text
from titer.examples.formats.base import CSV, LINES, LIST, PARQUET, TEXT, Format, Unfit
from titer.examples.formats.containers import NUMBERS, SUFFIXES
from titer.records import Example

BATCH_ROWS = 1024
"""Rows that are written to Parquet together."""


@dataclass
class Written:
    """What became of the examples."""

    n: int = 0
    """Rows of the file."""
    refused: Counter[str] = field(default_factory=Counter)
    """Examples that the format cannot hold, by reason."""
    lost: Counter[str] = field(default_factory=Counter)
    """What written rows do not say any more, by the example's field."""


def kind_for(path: Path, form: Format) -> str:
    """The kind of file that a name asks for.

    Raises:
        FormatError: the format is not written to such a file.
    """
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    kind = SUFFIXES.get(suffix)
    is_packed_parquet = kind == PARQUET and path.suffix == ".gz"
    if kind not in form.files or is_packed_parquet:
        endings = ", ".join(end for end, one in SUFFIXES.items() if one in form.files)
        raise FormatError(f"{path}: {form.name} is written to files that end in {endings}")
    return str(kind)


def write(path: Path, form: Format, examples: Iterable[Example]) -> Written:
    """Write the examples that the format can hold, in the given order.

    Raises:
        FormatError: the format is not written to such a file.
        DataError: it cannot be written; what was there before is still there, as it is where no
            example can be held.
    """
    kind = kind_for(path, form)
    done = Written()
    with contextlib.suppress(_NothingToWrite), files.streaming(path) as file:
        sink = _SINKS[kind](file, form, path)
        for example in examples:
            try:
                row = form.render(example)
                sink.add(row)
            except Unfit as error:
                done.refused[str(error)] += 1
                continue
            done.n += 1
            if _says_more(example):
                done.lost.update(form.lost(example))
        sink.end()
        if not done.n:
            raise _NothingToWrite
    return done


class _NothingToWrite(Exception):
    """Keeps the old file."""


def _says_more(example: Example) -> bool:
    """Whether there is anything but messages, which every format holds: most rows have no more."""
    origin = example.source or example.paper_id or example.title
    return bool(origin or example.id or example.fields)


class _Sink:
    """Takes rows of one format to one kind of file."""

    def __init__(self, file: IO[bytes], form: Format, path: Path) -> None:
        self.file = file
        self.form = form

    def add(self, row: dict[str, Any]) -> None:
        """Write a row."""
        raise NotImplementedError

    def end(self) -> None:
        """Write what stands after the last row."""


class _Lines(_Sink):
    def __init__(self, file: IO[bytes], form: Format, path: Path) -> None:
        super().__init__(file, form, path)
        import orjson

        self._dump: Callable[..., bytes] = orjson.dumps
        self._option = orjson.OPT_APPEND_NEWLINE

    def add(self, row: dict[str, Any]) -> None:
        self.file.write(self._dump(row, option=self._option))


class _List(_Lines):
    """Each record on its own line, so that a damaged one does not take the others with it."""

    _between = b"[\n"

    def add(self, row: dict[str, Any]) -> None:
        self.file.write(self._between + self._dump(row))
        self._between = b",\n"

    def end(self) -> None:
        self.file.write(b"\n]\n" if self._between == b",\n" else b"[]\n")


class _Text(_Sink):
    _between = ""

    def add(self, row: dict[str, Any]) -> None:
        self.file.write(f"{self._between}{row['text']}\n".encode())
        self._between = f"{plain_text.RULE}\n"


class _Csv(_Sink):
    def __init__(self, file: IO[bytes], form: Format, path: Path) -> None:
        super().__init__(file, form, path)
        self._buffer = io.StringIO()
        tabs = path.name.lower().removesuffix(".gz").endswith(".tsv")
        # all cells in quotes: what stands at a cell's edge and line breaks stay
        self._writer = csv.DictWriter(
            self._buffer,
            _columns(form),
            delimiter="\t" if tabs else ",",
            quoting=csv.QUOTE_ALL,
            lineterminator="\n",
        )
        self._writer.writeheader()

    def add(self, row: dict[str, Any]) -> None:
        _refuse_nested(row)
        self._writer.writerow(row)
        if self._buffer.tell() > 1 << 16:
            self.end()

    def end(self) -> None:
        self.file.write(self._buffer.getvalue().encode())
        self._buffer.seek(0)
        self._buffer.truncate()


class _Parquet(_Sink):
    def __init__(self, file: IO[bytes], form: Format, path: Path) -> None:
        super().__init__(file, form, path)
        import pyarrow as pa
        from pyarrow import parquet

        types = [(n, pa.float64() if n in NUMBERS else pa.string()) for n in _columns(form)]
        self._schema = pa.schema(types)
        self._table = pa.Table
        self._writer = parquet.ParquetWriter(file, self._schema)
        self._rows: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        _refuse_nested(row)
        self._rows.append(row)
        if len(self._rows) == BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(self._table.from_pylist(self._rows, schema=self._schema))
        self._rows = []

    def end(self) -> None:
        self._flush()
        self._writer.close()


_SINKS: dict[str, type[_Sink]] = {
    LINES: _Lines, LIST: _List, CSV: _Csv, PARQUET: _Parquet, TEXT: _Text,
}  # fmt: skip


def _columns(form: Format) -> list[str]:
    """Keys of the format, in order, but for those that hold lists."""
    return [name for name in (*form.required, *form.optional) if name != "history"]


def _refuse_nested(row: dict[str, Any]) -> None:
    if row.get("history"):
        raise Unfit("a history, which a table cannot hold")
    row.pop("history", None)

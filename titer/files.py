"""Files as the pipeline writes them: whole or not at all, keys sorted, the same bytes each time.

Invariant: a reader sees the old file or the new one, never half of one.
"""

import contextlib
import csv
import errno
import gzip
import hashlib
import io
import json
import os
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import IO, Any, cast

from titer.errors import DataError, FormatError

TIME_FIELDS = frozenset({"time_seconds", "timestamp", "timing"})
"""The only fields that may differ between two runs of the same work."""

_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_SHOWN = 100
"""Characters of a library's words that one line holds."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""How the system says that a disk, a quota or a file takes no more."""
_FULL_WORDS = (
    "No space left", "File too large", "quota exceeded", "PytorchStreamWriter failed",
    "iostream error", "unexpected pos",
)  # fmt: skip
"""How torch and safetensors tell it: neither raises OSError."""
NO_ROOM = "the disk filled. Free some space (dvc gc -w removes cached results of other settings)"


def is_full(error: BaseException) -> bool:
    """Whether an error of whatever library means that a disk takes no more."""
    by_system = isinstance(error, OSError) and error.errno in FULL
    return by_system or any(words in str(error) for words in _FULL_WORDS)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write a path into one line.

    Raises:
        DataError: the disk is full, or the place cannot be written.
    """
    try:
        yield
    except OSError as error:
        words = error.strerror or type(error).__name__
        if error.errno in FULL:
            cause, cure = f"the disk is full ({words})", "Free some space"
        else:
            cause, cure = f"cannot be written ({words})", "Make its folder writable"
        raise DataError(f"{path}: {cause}. {cure} and run the same command again") from None


@contextlib.contextmanager
def as_written(place: Path | str, cure: str) -> Iterator[None]:
    """Turn what a reader stumbles over in a record that is not as Titer writes it into one line.

    For files of our own that came back from elsewhere: by a clone, a remote, a hand. Enclose the
    reading alone, since a mistake of ours would be told as one of the file.

    Raises:
        FormatError: the record lacks a key, or holds another type or an impossible value.
    """
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        why = (f"no {error}" if isinstance(error, KeyError) else str(error))[:_SHOWN]
        raise FormatError(f"{place}: not as Titer writes it ({why}). {cure}") from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically, making its folder; mode 0644 whatever the umask of a temporary.

    Raises:
        DataError: it cannot be written; what was there before is still there.
    """
    with writing(path), _replacing(path) as file:
        file.write(content)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A temporary file beside the path that takes its place at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def streaming(path: Path) -> Iterator[IO[bytes]]:
    """A file to write piece by piece, which takes its place when all is written.

    A name ending in .gz is compressed, as `write_jsonl` does.

    Raises:
        DataError: it cannot be written; what was there before is still there.
    """
    with writing(path), _replacing(path) as file:
        if path.suffix == ".gz":
            with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
                yield cast(IO[bytes], packed)
        else:
            yield file


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode())


def dump_json(value: Any, *, indent: int | None = None, sort_keys: bool = True) -> str:
    """JSON text with sorted keys; NaN and infinity are refused because JSON has neither."""
    return json.dumps(
        value, ensure_ascii=False, indent=indent, sort_keys=sort_keys, allow_nan=False
    )


def write_json(path: Path, value: Any, *, sort_keys: bool = True) -> None:
    """Write one JSON value, indented by two."""
    write_text(path, dump_json(value, indent=2, sort_keys=sort_keys) + "\n")


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, with or without a byte order mark.

    Raises:
        FormatError: the file is missing, cannot be read or is not UTF-8; the text names path and
            line.
    """
    content = _content(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FormatError(
            f"{path}:{line}: byte {content[error.start]:#04x} is no UTF-8. Save the file as UTF-8"
        ) from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FormatError(f"{path}: no such file") from None
    except OSError as error:  # a folder, or nobody's to read
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from None


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text of whatever origin.

    Raises:
        ValueError: not JSON (json.JSONDecodeError knows the line), nested too deeply, with an
            integer of more digits than Python reads, or with half of a surrogate pair, which JSON
            can write and UTF-8 cannot.
    """
    try:
        value = json.loads(text)
        if _ESCAPED_HALF.search(text if isinstance(text, str) else text.decode("latin-1")):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("half a surrogate pair, which is no character") from None
    return value


def read_json(path: Path) -> Any:
    """Read one JSON value.

    Raises:
        FormatError: the file is missing, cannot be read or is not JSON; the text names path and
            line.
    """
    try:
        return parse_json(read_text(path))
    except ValueError as error:
        raise FormatError(f"{path}:{getattr(error, 'lineno', 1)}: not JSON: {error}") from None


def read_json_object(path: Path) -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        FormatError: the file is missing or holds something else.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise FormatError(f"{path}:1: a JSON {type(value).__name__}, expected an object")
    return value


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object per line, keys sorted; a name ending in .gz is compressed.

    The gzip header holds neither name nor time, so equal rows give equal bytes.
    """
    text = "".join(dump_json(row) + "\n" for row in rows).encode()
    write_bytes(path, _gzip(text) if path.suffix == ".gz" else text)


def _gzip(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=buffer, mode="wb", mtime=0) as file:
        file.write(content)
    return buffer.getvalue()


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSONL file (.gz allowed), skipping blank lines.

    Raises:
        FormatError: a line is not a JSON object, and the text begins with path:line; or the file
            is missing, cannot be read or is damaged gzip.
    """
    raw = _content(path)
    try:
        content = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FormatError(f"{path}: not readable as gzip: {error}") from None
    for number, line in enumerate(content.decode("utf-8", "replace").split("\n"), 1):
        if line.strip():
            yield _json_object(path, number, line)


def _json_object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = parse_json(line)
    except ValueError as error:
        why = getattr(error, "msg", error)  # json's own text counts lines within this one
        raise FormatError(f"{path}:{number}: not JSON: {why}") from None
    if not isinstance(row, dict):
        raise FormatError(f"{path}:{number}: a {type(row).__name__}, expected a JSON object")
    return row


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write a CSV with exactly these columns; an absent value is an empty cell."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, buffer.getvalue())


def is_hidden(path: Path, folder: Path) -> bool:
    """Whether a path below a folder is hidden or lies in what is, as checkpoints of notebooks."""
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def given_below(folder: Path) -> list[Path]:
    """Files that a user put into a folder, sorted; hidden ones are not given.

    Raises:
        FormatError: a link that leads out of the folder, to what DVC does not watch.
    """
    whole, found = folder.resolve(), sorted(folder.rglob("*"))
    for path in found:
        if path.is_symlink() and not path.resolve().is_relative_to(whole):
            raise FormatError(f"{path}: a link out of the folder. Put the file itself there")
    return [path for path in found if path.is_file() and not is_hidden(path, folder)]


def sha256_bytes(content: bytes) -> str:
    """Hex sha256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def sha256_text(text: str) -> str:
    """Hex sha256 of UTF-8 text."""
    return sha256_bytes(text.encode())


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_tree(folder: Path) -> str:
    """Hex sha256 over names and contents of all files below a folder, in sorted order."""
    lines = [
        f"{path.relative_to(folder).as_posix()} {sha256_file(path)}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return sha256_text("\n".join(lines))


def rounded(value: Any, digits: int = 6) -> Any:
    """The same value with every float rounded: applied once, by the writer of a file."""
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, Mapping):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, digits) for item in value]
    return value


def reworded(text: str, wording: Mapping[str, str]) -> str:
    """A page in the words of its domain: each phrase replaced once, the longest that fits first.

    Args:
        text: Markdown or HTML; in HTML a phrase may stand escaped.
        wording: phrase -> what stands for it.
    """
    plain = {_in_html(old): _in_html(new) for old, new in wording.items()} | dict(wording)
    if not plain:
        return text
    either = "|".join(re.escape(phrase) for phrase in sorted(plain, key=len, reverse=True))
    return re.sub(either, lambda found: plain[found[0]], text)


def _in_html(text: str) -> str:
    return escape(text).replace("&#x27;", "&#39;")  # as jinja writes an apostrophe

"""Papers from files: the sample collection, exports, PubMed baseline files, saved arXiv feeds."""

import gzip
import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from titer.errors import ConfigError, DataError, FormatError
from titer.files import given_below
from titer.literature import raw
from titer.literature.merge import Merger, Parsed, Read
from titer.literature.parse import read_records

SUFFIXES = (".xml", ".xml.gz", ".atom", ".atom.gz")
"""Names of files that a folder is searched for; whether PubMed or arXiv, the root element says."""

ALLOWED = (
    "Allowed: PubMed XML (.xml, .xml.gz with a PubmedArticleSet) and arXiv Atom feeds (.atom, .xml)"
)

NAMED = 3
"""Damaged files that an error names one by one."""

_NUMBERED = re.compile(r"pubmed\d{2}n\d{4,}\.xml")


def read_papers(path: Path) -> Parsed:
    """All papers of a file, or of the files below a folder.

    Numbered PubMed files are read first and in the order of their names, then the others. A later
    numbered file decides over an earlier one, `DeleteCitation` included; otherwise the version and
    then the date of revision decide, and of equals the later.

    Raises:
        DataError: there is nothing at the path, or no record in it.
        FormatError: files cannot be read. All are read first, so that one error names them.
    """
    found, ignored = _files(path)
    root = path if path.is_dir() else path.parent
    merger = Merger()
    rows: list[dict[str, Any]] = []
    faults: list[str] = []
    with _progress(found) as bar:
        for file in found:
            try:
                row = _take(file, merger, bar.update)
                rows.append({"name": file.relative_to(root).as_posix(), **row})
            except FormatError as error:
                faults.append(str(error))
    if faults:
        raise _damaged(faults, len(found))
    parsed = merger.parsed()
    if not parsed.papers and not parsed.skipped:
        raise DataError(f"{path}: no record in {len(found)} files. {ALLOWED}")
    parsed.files = sorted(rows, key=lambda row: row["name"])
    parsed.ignored = [one.relative_to(root).as_posix() for one in ignored]
    return parsed


def _take(path: Path, merger: Merger, on_read: Callable[[int], object]) -> dict[str, Any]:
    """Merge the records of a file; its hash and their number."""
    digest, n_records = hashlib.sha256(), 0
    release = path.name if _NUMBERED.match(path.name) else ""
    for read in _records(path, digest, on_read):
        merger.add(read, release)
        n_records += 1
    return {"sha256": digest.hexdigest(), "records": n_records}


def iter_records(path: Path) -> Iterator[Read]:
    """Yield the records of a file or folder one by one, as they stand there, in constant memory.

    Several records of one id are all given, and records that are no papers as well.

    Raises:
        DataError: there is nothing at the path.
        FormatError: a file cannot be read; the text begins with path:line.
    """
    for file in _files(path)[0]:
        yield from _records(file, hashlib.sha256(), lambda n_bytes: None)


def find_record(path: Path, raw_sha256: str) -> bytes | None:
    """The bytes of the record with this hash (`Paper.raw_sha256`) in a file, or None.

    Raises:
        FormatError: the file cannot be read; the text begins with path:line.
    """
    with _opened(path, hashlib.sha256(), lambda n_bytes: None) as stream:
        return raw.find_record(stream, raw_sha256)


def _files(path: Path) -> tuple[list[Path], list[Path]]:
    """Files in the order in which they are read, and those of other kinds; hidden ones are none.

    Raises:
        DataError: there is nothing at the path.
        FormatError: a link that leads out of the folder, to what DVC does not watch.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. {ALLOWED}")
    if path.is_file():
        return [path], []
    shown = given_below(path)
    found = [file for file in shown if file.name.lower().endswith(SUFFIXES)]
    ignored = [file for file in shown if not file.name.lower().endswith(SUFFIXES)]
    numbered = [file for file in found if _NUMBERED.match(file.name)]
    rest = [file for file in found if not _NUMBERED.match(file.name)]
    return sorted(numbered, key=lambda file: file.name) + rest, ignored


def _progress(found: list[Path]) -> Any:
    """A bar over the bytes of all files, shown once reading takes five seconds."""
    from tqdm.auto import tqdm

    total = sum(file.stat().st_size for file in found)
    return tqdm(total=total, desc="papers", unit="B", unit_scale=True, delay=5)


def _records(path: Path, digest: Any, on_read: Callable[[int], object]) -> Iterator[Read]:
    with _opened(path, digest, on_read) as stream:
        yield from read_records(stream)


@contextmanager
def _opened(path: Path, digest: Any, on_read: Callable[[int], object]) -> Iterator[BinaryIO]:
    """The file's content, unpacked where it is packed; its faults begin with the path.

    Read to the end, the digest has seen all bytes of the file.
    """
    try:
        with path.open("rb") as file:
            is_packed = file.peek(2)[:2] == b"\x1f\x8b"
            seen = cast(BinaryIO, _Seen(file, digest, on_read))
            yield cast(BinaryIO, gzip.GzipFile(fileobj=seen)) if is_packed else seen
    except FormatError as error:
        raise FormatError(f"{path}:{error}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FormatError(f"{path}: damaged gzip file ({error})") from None
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from None


class _Seen:
    """A file that shows a digest and a progress bar what is read from it."""

    def __init__(self, file: BinaryIO, digest: Any, on_read: Callable[[int], object]) -> None:
        self.file, self.digest, self.on_read = file, digest, on_read

    def read(self, size: int = -1) -> bytes:
        content = self.file.read(size)
        self.digest.update(content)
        self.on_read(len(content))
        return content


def _damaged(faults: list[str], n_files: int) -> FormatError:
    others = f"; and {len(faults) - NAMED} more of {n_files} files" if len(faults) > NAMED else ""
    shown = "; ".join(faults[:NAMED])
    return FormatError(f"{shown}{others}. Replace or remove {'it' if len(faults) == 1 else 'them'}")


def own_path(given: str | None, *, root: Path, own: Path, key: str = "papers.path") -> Path | None:
    """A file or folder of the user's own that a setting names.

    Args:
        given: value of the setting, relative to `root`.
        own: folder below data/own that DVC watches.
        key: the setting, for the message.

    Raises:
        ConfigError: it lies where DVC would not see it change.
    """
    if given is None:
        return None
    path = (root / given).resolve()
    if not path.is_relative_to(own.resolve()):
        where = own.relative_to(root) if own.is_relative_to(root) else own
        raise ConfigError(f"{key} = {given!r}: must lie below {where}, which DVC watches")
    return path

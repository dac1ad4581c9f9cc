"""Papers from files: the sample collection, exports, PubMed baseline files, saved arXiv feeds."""

import gzip
import re
import zlib
from collections.abc import Callable
from pathlib import Path

from titer.errors import ConfigError, DataError, FormatError
from titer.files import sha256_bytes
from titer.literature.parse import Parsed, parse_atom, parse_pubmed

SUFFIXES = (".xml", ".xml.gz", ".atom", ".atom.gz")
"""Names of files that a folder is searched for; whether PubMed or arXiv, the root element says."""

ALLOWED = (
    "Allowed: PubMed XML (.xml, .xml.gz with a PubmedArticleSet) and arXiv Atom feeds (.atom, .xml)"
)

_ROOT = re.compile(rb"<([A-Za-z_][\w.:-]*)")
_NO_ELEMENTS = re.compile(rb"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>", re.DOTALL)


def read_papers(path: Path) -> Parsed:
    """All papers of a file, or of the files below a folder in sorted order.

    Raises:
        DataError: there is nothing at the path, or no record in it.
        FormatError: a file cannot be read; the text begins with path:line.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. {ALLOWED}")
    found = _files(path) if path.is_dir() else [path]
    root = path if path.is_dir() else path.parent
    total = Parsed()
    for file in found:
        content = file.read_bytes()
        part = _parse(file, content)
        total.papers += part.papers
        total.skipped += part.skipped
        name = file.relative_to(root).as_posix()
        records = len(part.papers) + len(part.skipped)
        total.files.append({"name": name, "sha256": sha256_bytes(content), "records": records})
    if not total.papers and not total.skipped:
        raise DataError(f"{path}: no record in {len(found)} files. {ALLOWED}")
    return total


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name.lower().endswith(SUFFIXES)
    )


def _parse(path: Path, content: bytes) -> Parsed:
    body = _unpacked(path, content)
    parse = _parser(path, body)
    try:
        return parse(body, raw_sha256=sha256_bytes(content))
    except FormatError as error:
        raise FormatError(f"{path}:{error}") from None


def _unpacked(path: Path, content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(f"{path}: damaged gzip file ({error}). Fetch or copy it again") from None


def _parser(path: Path, body: bytes) -> Callable[..., Parsed]:
    """The reader that the root element asks for."""
    match = _ROOT.search(_NO_ELEMENTS.sub(b"", body[:100_000]))
    name = match[1].decode().rpartition(":")[2] if match else ""
    if name == "PubmedArticleSet":
        return parse_pubmed
    if name == "feed":
        return parse_atom
    seen = f"root element <{name}>" if name else "not XML"
    raise FormatError(f"{path}:1: {seen}. {ALLOWED}")


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

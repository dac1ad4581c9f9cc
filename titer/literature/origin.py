"""Where the bytes of a paper lie: the raw response or file that its record was parsed from.

Invariant: a place is named only when the record's own bytes are there and have the paper's hash.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from titer.errors import FormatError
from titer.literature import files
from titer.records import Paper


@dataclass(frozen=True)
class Origin:
    """A raw record and the file that holds it."""

    path: Path
    record: bytes


def find_record(paper: Paper, places: list[Path]) -> Origin | None:
    """The first file, in sorted order, below the places that holds the record.

    Args:
        paper: with the `raw_sha256` of its record.
        places: folders of raw responses, or files and folders of papers; absent ones are passed
            over.
    """
    from tqdm.auto import tqdm

    names = [path for place in places for path in _files(place)] if paper.raw_sha256 else []
    for path in tqdm(names, desc="raw files", unit="file", delay=5):
        record = _record_in(path, paper.raw_sha256)
        if record is not None:
            return Origin(path, record)
    return None


def _files(place: Path) -> Iterator[Path]:
    found = sorted(place.rglob("*")) if place.is_dir() else [place]
    return (path for path in found if path.is_file() and path.name.lower().endswith(files.SUFFIXES))


def _record_in(path: Path, raw_sha256: str) -> bytes | None:
    """The record; None also for a damaged file, which is another command's business."""
    try:
        return files.find_record(path, raw_sha256)
    except FormatError:
        return None

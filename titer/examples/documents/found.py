"""Which files of a folder are documents, and why the others are not.

Invariant: nothing outside the folder is ever opened, whatever links lie in it.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from titer.examples.documents.reader import READERS
from titer.examples.documents.taught import LeftOut


def files_below(folder: Path, *, max_bytes: int) -> tuple[list[Path], list[LeftOut]]:
    """The documents, sorted by name, and the files that are none.

    What Git and DVC keep there, and hidden files, count as neither.
    """
    kept, left_out = [], []
    for path in sorted(_entries(folder)):
        name = os.fsencode(path.relative_to(folder)).decode("utf-8", "replace")
        fault = _fault(path, folder, max_bytes)
        if fault is None and "\ufffd" in name:
            fault = ("unreadable", "its name is not UTF-8")
        if fault is None:
            kept.append(path)
        else:
            left_out.append(LeftOut(name, *fault))
    return kept, left_out


def _entries(folder: Path) -> Iterator[Path]:
    """Files, and links to folders, which are not entered."""
    for here, folders, names in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        linked = [name for name in folders if (Path(here) / name).is_symlink()]
        for name in (*names, *linked):
            if not name.startswith(".") and not name.endswith(".dvc"):
                yield Path(here) / name


def _fault(path: Path, folder: Path, max_bytes: int) -> tuple[str, str] | None:
    if path.is_symlink():
        inside = path.resolve().is_relative_to(folder.resolve())
        where = "to a place in the folder" if inside else "out of the folder"
        return "link", f"{where}; put the file itself there"
    if not path.is_file():
        return "unreadable", "not a regular file"
    if path.suffix.lower() not in READERS:
        return "unknown suffix", f"{path.suffix or 'none'}; allowed: {', '.join(READERS)}"
    size = path.stat().st_size
    if size > max_bytes:
        return "over the size limit", f"{size:,} bytes, allowed {max_bytes:,}"
    return None if size else ("empty", "0 bytes")

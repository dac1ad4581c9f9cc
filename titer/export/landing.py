"""An export is there whole or not at all.

Invariant: whatever fails leaves the earlier export as it was, and no half of a new one.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from titer import files


@contextlib.contextmanager
def landing(out: Path) -> Iterator[Path]:
    """A path beside `out` to write a file or folder at; at the end it takes the place of `out`.

    A folder that stood there is replaced as a whole: nothing of an earlier export stays in it.

    Raises:
        DataError: the disk is full, or the place cannot be written.
    """
    with files.writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        room = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
        try:
            yield room / "new"
            if out.is_dir():
                out.rename(room / "old")
            (room / "new").rename(out)
        except BaseException:
            if (room / "old").exists() and not out.exists():
                (room / "old").rename(out)
            raise
        finally:
            shutil.rmtree(room, ignore_errors=True)

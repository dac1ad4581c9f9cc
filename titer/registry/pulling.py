"""A version's model on this disk, byte for byte as it was registered.

Invariant: a folder below the target is whole and checked, or is not there.
"""

import shutil
import tempfile
from pathlib import Path

from titer import files
from titer.errors import BaseMismatch, DataError
from titer.registry import folders, record, repository
from titer.registry.tags import Version

FOLDER = "registered"
"""Below the project: one folder per name, one per version in it."""

MODEL, RECORD = "model", "version.json"
_OURS = frozenset({MODEL, RECORD, "results"})
"""All that lies in a copy; the results are kept there by `titer serve`."""


def pull(root: Path, version: Version, out: Path | None = None) -> tuple[Path, bool]:
    """Bring a version from the cache or the remote; a whole copy that is there is kept.

    Args:
        root: a clone of the project.
        version: that is wanted; a retired one too, for a look back.
        out: the folder to make; default: registered/<name>/<version>.

    Returns:
        The folder, with `model` and `version.json` in it, and whether anything was brought.
    Raises:
        DataError: neither the cache nor the remote has it, or the folder holds something else.
        BaseMismatch: what came is not what was registered; nothing is kept of it.
    """
    target = (out or root / FOLDER / str(version.name) / str(version.number)).absolute()
    if (target / RECORD).is_file() and _is_right(target / MODEL, version):
        return target, False
    _check_free(target)
    with files.writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        # beside the target: the last step is a rename, never a copy
        staging = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        repository.get_artifact(root, str(version.name), str(version.number), staging / MODEL)
        if not _is_right(staging / MODEL, version):
            raise BaseMismatch(
                f"{version}: the copy that came is not what was registered (a damaged cache or "
                "remote). Delete it there and push again from where it was registered"
            )
        files.write_text(staging / RECORD, f"{version.record.to_text()}\n")
        _replace(target, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target, True


def _check_free(target: Path) -> None:
    """Refuse to replace what is no copy of a version, or holds more than one."""
    if not target.exists() or (target.is_dir() and (_is_empty(target) or _is_copy(target))):
        return
    raise DataError(
        f"{target}: holds something else; nothing was touched. Move it away, or name a new folder"
    )


def _is_empty(folder: Path) -> bool:
    return not any(folder.iterdir())


def _is_copy(folder: Path) -> bool:
    """Whether all of a folder is a copy, whole or damaged: any program may write a version.json."""
    if any(path.name not in _OURS for path in folder.iterdir()):
        return False
    try:
        record.from_text(files.read_text(folder / RECORD), str(folder))
    except DataError:
        return False
    return True


def _is_right(folder: Path, version: Version) -> bool:
    return folder.is_dir() and _tree(folder) == version.record.tree_sha256


def _tree(folder: Path) -> str:
    return folders.tree_sha256(folders.file_hashes(folder))


def _replace(target: Path, staging: Path) -> None:
    with files.writing(target):
        if target.exists():  # a damaged copy
            shutil.rmtree(target)
        staging.chmod(0o755)
        staging.rename(target)

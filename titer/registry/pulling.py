"""A version's model on this disk, byte for byte as it was registered.

Invariant: a folder below the target is whole and checked, or is not there.
"""

import shutil
import tempfile
from pathlib import Path

from titer import files
from titer.errors import BaseMismatch, DataError, FormatError
from titer.registry import folders, record, repository, tags
from titer.registry.record import Record
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
    text = f"{version.record.to_text()}\n"
    said = _said(target)
    is_right = said is not None and _is_right(target / MODEL, version)
    if is_right and said == text:
        return target, False
    _check_place(target)
    _check_free(root, version, target, is_right=is_right)
    if is_right:  # version.json alone is damaged
        files.write_text(target / RECORD, text)
        return target, False
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
        files.write_text(staging / RECORD, text)
        _check_nothing_lost(version, target, staging)
        _replace(target, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target, True


def _said(folder: Path) -> str | None:
    """What version.json says: empty where it is no text, null where there is none."""
    if not (folder / RECORD).is_file():
        return None
    try:
        return files.read_text(folder / RECORD)
    except FormatError:
        return ""


def _check_place(target: Path) -> None:
    """Refuse a place where no folder can come to lie, before anything is brought."""
    if target.is_symlink():
        raise DataError(
            f"{target}: is a link, which is not replaced; nothing was touched. Name the folder "
            f"that it points to: {target.resolve()}"
        )
    parent = next(path for path in target.parents if path.exists())
    if not parent.is_dir():
        raise DataError(f"{target}: {parent} is a file, and no folder can lie in it. Name another")


def _check_free(root: Path, version: Version, target: Path, *, is_right: bool) -> None:
    """Refuse to replace what is no copy of this version, or holds more than one."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    found = _record(target)
    # any program may write a version.json: without a record only the model itself tells
    if not _has_only_ours(target) or (found is None and not is_right):
        raise DataError(
            f"{target}: holds something else; nothing was touched. Move it away, or name a new "
            "folder"
        )
    if found not in (None, version.record):
        raise DataError(
            f"{target}: holds {_which(root, found)}, not {version}; nothing was touched. Move it "
            "away, or name a new folder"
        )


def _has_only_ours(folder: Path) -> bool:
    return folder.is_dir() and all(path.name in _OURS for path in folder.iterdir())


def _record(folder: Path) -> Record | None:
    """The record of a copy; null where version.json is missing or holds none."""
    try:
        return record.from_text(_said(folder) or "", str(folder))
    except DataError:
        return None


def _which(root: Path, found: Record) -> str:
    known = (one for name in tags.names(root) for one in tags.read(root, name).versions.values())
    unknown = f"a version that has no tag here ({found.description!r})"
    return next((str(one) for one in known if one.record == found), unknown)


def _check_nothing_lost(version: Version, target: Path, staging: Path) -> None:
    """Refuse to replace a damaged copy in which a file lies that the version does not have."""
    arm = version.name.arm
    kept_by_serve = {f"results/{arm}/run.json", f"results/train_{arm}/run.json"}
    foreign = sorted(_file_names(target) - _file_names(staging) - kept_by_serve)
    if foreign:
        raise DataError(
            f"{target / foreign[0]}: no file of {version}; nothing was touched. Move it away, or "
            "name a new folder"
        )


def _file_names(folder: Path) -> set[str]:
    """Relative names of all that lies below a folder and is no folder itself."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path.relative_to(folder).as_posix() for path in found}


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

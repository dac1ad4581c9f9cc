"""Whether two runs of the same work left the same files."""

from pathlib import Path
from typing import Any

from titer import files


def without_times(value: Any) -> Any:
    """The same JSON value without the fields that hold times (decision 12)."""
    if isinstance(value, dict):
        return {
            key: without_times(item) for key, item in value.items() if key not in files.TIME_FIELDS
        }
    if isinstance(value, list):
        return [without_times(item) for item in value]
    return value


def differences(one: Path, other: Path) -> list[str]:
    """Relative paths of the files that differ between two trees, times left out of .json files.

    JSON files are compared as values without their time fields, every other file by its bytes.
    """
    names = {p.relative_to(root).as_posix() for root in (one, other) for p in _files(root)}
    return sorted(name for name in names if not _same_file(one / name, other / name))


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def _same_file(one: Path, other: Path) -> bool:
    if not (one.is_file() and other.is_file()):
        return False
    if one.read_bytes() == other.read_bytes():
        return True
    if one.suffix != ".json":
        return False
    return bool(without_times(files.read_json(one)) == without_times(files.read_json(other)))

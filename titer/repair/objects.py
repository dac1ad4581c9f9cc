"""DVC's cache hashed again: which objects are not what their names say, and whose they are.

DVC trusts an object that is there and restores damaged bytes with exit code 0 (dvc#5978).
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer.errors import DataError

OBJECTS = Path("files") / "md5"
DIR = ".dir"
"""Ends the hash of a folder; its object is a JSON list of the files in it."""

Wanted = tuple[str, str, str, str]
"""A file to compare: its stage, the out that it belongs to, its path, its md5."""


@dataclass(frozen=True)
class Owner:
    """What an object is the content of."""

    stage: str
    path: str
    """Below the project."""


@dataclass(frozen=True)
class Damaged:
    """An object whose bytes do not give its name."""

    object: Path
    md5: str
    owner: Owner | None
    """Null where only other settings, or an earlier run, made it."""
    is_sound_outside: bool
    """Whether the file in the project still holds the right bytes."""

    def cure(self) -> str:
        """The command that brings it back once the object is out of the way."""
        if self.owner is None:
            return "nothing needs it now; a run that would have used it runs again"
        if self.is_sound_outside:
            return f"dvc commit --force {self.owner.stage}"
        return f"dvc repro --force --single-item {self.owner.stage}"


def md5_file(path: Path) -> str:
    """Hex md5 of a file, as DVC names its objects; no matter of security."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def path_of(cache: Path, md5: str) -> Path:
    """Where an object stands in the cache."""
    return cache / OBJECTS / md5[:2] / md5[2:]


def name_of(path: Path) -> str:
    """The md5 that an object's place promises, with .dir where it is a folder's."""
    return path.parent.name + path.name


def listed(cache: Path) -> list[Path]:
    """Every object of a cache, sorted."""
    return sorted(p for p in (cache / OBJECTS).glob("??/*") if not p.name.endswith(".tmp"))


def is_sound(path: Path) -> bool:
    """Whether an object is what its name says."""
    return md5_file(path) == name_of(path).removesuffix(DIR)


def owners(stages: Mapping[str, Any], cache: Path, root: Path) -> dict[str, Owner]:
    """md5 -> what it is the content of, for every out in dvc.lock.

    The list of a folder tells what is in it; where that is damaged or absent, the folder does.

    Args:
        stages: of dvc.lock.
    """
    found: dict[str, Owner] = {}
    for stage, body in stages.items():
        for out in body.get("outs") or []:
            md5, path = out.get("md5", ""), out["path"]
            found.setdefault(md5, Owner(stage, path))
            within = {entry["md5"]: entry["relpath"] for entry in entries(cache, md5)}
            for part, name in (within or _as_it_stands(root / path, root)).items():
                found.setdefault(part, Owner(stage, f"{path}/{name}"))
    return found


def _as_it_stands(folder: Path, root: Path) -> dict[str, str]:
    """md5 -> relative path of the files below a folder; none of a file's, or outside the project's.

    A path in dvc.lock such as `/` would have the whole machine hashed.
    """
    if root.resolve() not in folder.resolve().parents:
        return {}
    below = [path for path in folder.rglob("*") if path.is_file()]
    return {md5_file(path): path.relative_to(folder).as_posix() for path in below}


def entries(cache: Path, md5: str) -> list[dict[str, str]]:
    """The files of a folder's object; none of a file's, an absent or a damaged one."""
    path = path_of(cache, md5)
    if not md5.endswith(DIR) or not path.is_file() or not is_sound(path):
        return []
    rows: list[dict[str, str]] = json.loads(path.read_bytes())
    return rows


def damaged(
    cache: Path, root: Path, stages: Mapping[str, Any], bar: Callable[[list[Path]], Iterable[Path]]
) -> list[Damaged]:
    """Hash every object of the cache again.

    Args:
        stages: of dvc.lock.
        bar: shows how far the reading is.
    """
    wrong = [path for path in bar(listed(cache)) if not is_sound(path)]
    whose = owners(stages, cache, root) if wrong else {}
    return [_described(path, root, whose.get(name_of(path))) for path in wrong]


def _described(path: Path, root: Path, owner: Owner | None) -> Damaged:
    md5 = name_of(path)
    if owner is None or md5.endswith(DIR):  # a folder's list is made again from the folder
        return Damaged(path, md5, owner, owner is not None and (root / owner.path).is_dir())
    file = root / owner.path
    return Damaged(path, md5, owner, file.is_file() and md5_file(file) == md5)


def check_outs(
    cache: Path,
    root: Path,
    stages: Mapping[str, Any],
    paths: Iterable[str],
    bar: Callable[[list[Wanted]], Iterable[Wanted]],
) -> int:
    """Hash outs again as they stand in the project, before they are given to anyone.

    A path that no stage of dvc.lock makes is an input, and has nothing to be compared with.

    Args:
        stages: of dvc.lock.
        paths: of outs, below the project.
        bar: shows how far the reading is.
    Returns:
        Number of files that were compared.
    Raises:
        DataError: a file differs from what its stage made, is absent or was added, or the cache
            lacks the list of a folder, so that nothing tells.
    """
    chosen = set(paths)
    made = [
        (stage, out["path"], out["md5"])
        for stage, body in stages.items()
        for out in body.get("outs") or []
        if out["path"] in chosen and out.get("md5")
    ]
    wanted = [
        (stage, path, name, part)
        for stage, path, md5 in made
        for name, part in _files(cache, root, stage, path, md5)
    ]
    for stage, path, name, md5 in bar(wanted):
        file = root / name
        if not file.is_file() or md5_file(file) != md5:
            how = "damaged or changed" if file.is_file() else "absent"
            raise _changed(name, how, stage, path, md5)
    return len(wanted)


def _files(cache: Path, root: Path, stage: str, path: str, md5: str) -> list[tuple[str, str]]:
    """Name and md5 of each file of an out; those of a folder stand in its list."""
    if not md5.endswith(DIR):
        return [(path, md5)]
    if not (root / path).is_dir():
        raise _changed(path, "absent", stage, path, md5)
    listed_there = path_of(cache, md5)
    if not listed_there.is_file() or not is_sound(listed_there):
        raise _no_list(root / path, stage, path, md5, is_there=listed_there.is_file())
    found = [(f"{path}/{entry['relpath']}", entry["md5"]) for entry in entries(cache, md5)]
    there = {f"{path}/{name}" for name in _names(root / path)}
    if added := sorted(there - {name for name, _ in found}):
        raise _changed(added[0], "added", stage, path, md5)
    return found


def _names(folder: Path) -> list[str]:
    """Relative paths of the files below a folder, sorted; without what .dvcignore leaves out."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(
        name.as_posix()
        for name in found
        if "__pycache__" not in name.parts and name.suffix != ".pyc"
    )


def _changed(name: str, how: str, stage: str, path: str, md5: str) -> DataError:
    return DataError(
        f"{name}: {how} since {stage} made {path} (dvc.lock: md5 {md5}). Look at `titer doctor "
        f"--fsck`, then: dvc checkout --force {path}, or dvc repro --force --single-item {stage}"
    )


def _no_list(folder: Path, stage: str, path: str, md5: str, *, is_there: bool) -> DataError:
    """Why nothing can tell, and the command that brings the list back for what is there."""
    how = "damaged" if is_there else "absent"
    if folder_md5(folder) != md5:
        is_as_made, cure = "is not what it was", f"dvc repro --force --single-item {stage}"
    else:
        is_as_made, cure = "is as it was", f"dvc commit --force {stage}"
        cure = f"titer doctor --fsck --fix, then: {cure}" if is_there else cure
    return DataError(
        f"{path}: the list of its files is {how} in DVC's cache (dvc.lock: md5 {md5}), so it is "
        f"not given away. The folder {is_as_made} when {stage} made it. Run: {cure}"
    )


def folder_md5(folder: Path) -> str:
    """The hash, with .dir, that DVC gives to a folder as it stands.

    Reference: dvc_data.hashfile.tree, `Tree.as_bytes`: a JSON list sorted by relative path.
    """
    rows = [{"md5": md5_file(folder / name), "relpath": name} for name in _names(folder)]
    text = json.dumps(rows, sort_keys=True).encode()
    return hashlib.md5(text, usedforsecurity=False).hexdigest() + DIR


def set_aside(one: Damaged, folder: Path) -> None:
    """Move a damaged object out of the cache, so that DVC no longer restores it."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.move(one.object, folder / one.md5)  # the cache may lie on another disk

"""States that DVC neither explains nor mends: each is found, said in words, and mended on request.

Invariant: looking changes nothing; what a repair takes away that could be wanted is kept beside.
"""

import fcntl
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from titer import files
from titer.errors import FormatError
from titer.repair import processes

LOCK = "dvc.lock"
MADE_HERE = ("results", "reports", "models", "data/papers", ".cache", ".checkpoints", "exports")
"""Folders that only Titer writes, each file first under a temporary name."""
TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}")
"""As `titer.files` names a file that is not whole yet."""
DEEPEST = 100
"""Levels of nesting in dvc.lock."""
LONGEST_NAME = 255
"""Of a file, on every system that is in use."""
MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
OF_DVC = re.compile(r"\.[A-Za-z0-9_-]{22}\.tmp")
"""As DVC names an object of its cache that is not whole yet."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    where: str
    """Path below the project, or a process."""
    what: str
    """What is wrong, and what comes of it."""
    remedy: str
    """What mending does."""
    mend: Callable[[], None]


def all_of(root: Path, marks: Callable[[], Mapping[str, str]]) -> list[Finding]:
    """Everything that is wrong in a project.

    Args:
        marks: gives stage -> name of its checkpoints with the present settings and inputs; asked
            only where dvc.lock can be read and there are checkpoints.
    """
    broken = list(damaged_lock(root))
    found = [*orphans(root), *empty_locks(root), *broken, *half_written(root)]
    return found if broken else [*found, *stale_checkpoints(root, marks)]


def orphans(root: Path) -> Iterator[Finding]:
    """Stages that go on although their DVC has died."""
    for one in processes.orphans(root):
        job = processes.JOB.search(one.words)
        yield Finding(
            f"process {one.pid}",
            f"{job[1] if job else one.words} goes on, but the dvc that started it is gone: what it "
            "makes is recorded nowhere, and it stands in the way of a new run",
            "tell it to stop; a training saves a checkpoint first",
            partial(processes.end, one.pid),
        )


def empty_locks(root: Path) -> Iterator[Finding]:
    """A list of locks that is no JSON: DVC refuses every command until it is gone."""
    path = root / ".dvc" / "tmp" / "rwlock"
    if not path.is_file() or _is_object(path) or is_in_use(root):
        return
    size = path.stat().st_size
    yield Finding(
        _name(path, root),
        f"{'empty' if size == 0 else f'{size} bytes that are no JSON object'}: a dvc was killed "
        "while it wrote its list of locks, and every later dvc refuses to start",
        "remove it; no process holds it, and dvc writes a new one",
        path.unlink,
    )


def _is_object(path: Path) -> bool:
    try:
        return isinstance(files.parse_json(path.read_bytes()), dict)
    except ValueError:
        return False


def is_in_use(root: Path) -> bool:
    """Whether a process works in the project: one that holds a lock of DVC's, DVC, or a stage."""
    held = any(is_held(root / ".dvc" / "tmp" / name) for name in ("lock", "rwlock.lock"))
    return held or bool(processes.of_project(root, processes.everyone()))


def is_held(lock: Path) -> bool:
    """Whether another process holds a lock file; an absent file is held by nobody."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def damaged_lock(root: Path) -> Iterator[Finding]:
    """A dvc.lock that DVC cannot read."""
    path = root / LOCK
    if not path.is_file():
        return
    content = path.read_bytes()
    why = unreadable(content)
    if why is None:
        return
    kept = root / ".dvc" / "tmp" / f"{LOCK}.damaged-{files.sha256_bytes(content)[:8]}"
    committed = _committed(root)
    to = "restore the one of the last commit" if committed else "take it away (no commit holds one)"
    yield Finding(
        LOCK,
        f"{why}: dvc refuses to start, and no longer knows what was made from what",
        f"{to}; the damaged one is kept as {_name(kept, root)}",
        partial(_restore, path, kept, content, committed),
    )


def _restore(path: Path, kept: Path, content: bytes, committed: bytes | None) -> None:
    files.write_bytes(kept, content)
    if committed is None:
        path.unlink()
    else:
        files.write_bytes(path, committed)


def _committed(root: Path) -> bytes | None:
    """dvc.lock of the last commit; null where there is none or that one cannot be read either."""
    done = subprocess.run(["git", "show", f"HEAD:./{LOCK}"], cwd=root, capture_output=True)
    return done.stdout if done.returncode == 0 and unreadable(done.stdout) is None else None


def unreadable(content: bytes) -> str | None:
    """Why DVC cannot read this as a dvc.lock; null where it can."""
    try:
        stages_in(content)
    except FormatError as error:
        return str(error)
    return None


def stages_in(content: bytes) -> dict[str, Any]:
    """The stages of a dvc.lock.

    Raises:
        FormatError: why DVC cannot read it, in a few words.
    """
    if not content.strip(b"\0 \n"):
        raise FormatError("empty")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        if _is_deep(yaml.parse(content, loader)):
            raise FormatError("nested deeper than any dvc.lock")
        value = yaml.load(content, loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise FormatError("no YAML") from None
    if not isinstance(value, dict) or "schema" not in value:
        raise FormatError("without its schema")
    found: Any = value.get("stages", {})
    if not isinstance(found, dict) or not all(map(_is_stage, found.values())):
        raise FormatError("cut within a stage")
    return found


def stages(root: Path) -> dict[str, Any]:
    """The stages of dvc.lock; none where it is absent or damaged, which is a finding of its own."""
    path = root / LOCK
    try:
        return stages_in(path.read_bytes()) if path.is_file() else {}
    except FormatError:
        return {}


def _is_deep(events: Iterable[Any]) -> bool:
    """Whether to compose a YAML text would end the process: libyaml only reads events in a loop."""
    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            return True
    return False


def _is_stage(body: Any) -> bool:
    if not isinstance(body, dict) or "cmd" not in body:
        return False
    lists = [body.get(key) or [] for key in ("deps", "outs")]
    return all(isinstance(one, list) and all(map(_is_entry, one)) for one in lists)


def _is_entry(entry: Any) -> bool:
    """A path, and its hash where there is one, which names a file of the cache and no other."""
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        return False
    md5 = entry.get("md5", "")
    is_hash = isinstance(md5, str) and (not md5 or MD5.fullmatch(md5) is not None)
    return is_hash and max(map(len, entry["path"].split("/"))) <= LONGEST_NAME


def half_written(root: Path) -> Iterator[Finding]:
    """Temporary files whose writer was killed; none is looked for while one may still write."""
    if is_in_use(root):
        return
    ours = [path for name in MADE_HERE for path in (root / name).rglob(".*.*")]
    theirs = (root / ".dvc" / "cache").rglob(".*.tmp")
    found = [path for path in ours if TEMPORARY.fullmatch(path.name)]
    found += [path for path in theirs if OF_DVC.fullmatch(path.name)]
    for path in sorted(path for path in found if path.is_file()):
        yield Finding(
            _name(path, root),
            f"half written, {path.stat().st_size} bytes: its writer was killed. Nothing reads it",
            "remove it",
            path.unlink,
        )


def stale_checkpoints(root: Path, marks: Callable[[], Mapping[str, str]]) -> Iterator[Finding]:
    """Checkpoints that no run goes on from: of other settings or inputs than the present ones.

    Args:
        marks: as in `all_of`; a stage that it does not name is left alone.
    """
    held = {path.stem for path in (root / ".checkpoints").glob("*/*.lock") if is_held(path)}
    folders = [path for path in sorted((root / ".checkpoints").glob("*/*")) if path.is_dir()]
    present = marks() if folders else {}
    for path in folders:
        mark = path.stem  # a training on several processes has <mark>.job besides
        if mark in held or present.get(path.parent.name, mark) == mark:
            continue
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        yield Finding(
            _name(path, root),
            f"{size / 2**20:.1f} MiB of an unfinished {path.parent.name} with other settings or "
            "inputs than the present ones: only a return to those would go on from it",
            "remove it",
            partial(_remove, path, path.with_name(f"{mark}.lock")),
        )


def _remove(folder: Path, lock: Path) -> None:
    shutil.rmtree(folder)
    lock.unlink(missing_ok=True)


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()

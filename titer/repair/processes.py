"""Processes of a project, and those among them whose DVC is gone. Linux only: reads /proc."""

import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
JOB = re.compile(r"-m (stages\.\w+|titer\.training\.rank)\b")
"""The command line of a stage, and of one process of a training on several."""
PATIENCE_S = 15.0
"""How long a told process may save before it is killed."""


@dataclass(frozen=True)
class Process:
    """A process as /proc describes it."""

    pid: int
    parent: int
    argv: tuple[str, ...]
    """Command line; an element may hold blanks, as the path of an environment does."""
    folder: Path
    """Where it works."""
    by_dvc_of: Path | None
    """The project whose DVC started it; null where none did."""

    @property
    def words(self) -> str:
        """Command line, joined by blanks."""
        return " ".join(self.argv)


def everyone() -> dict[int, Process]:
    """Every process that this user may look into, by number; none where there is no /proc."""
    listed = (read(int(path.name)) for path in PROC.glob("[0-9]*"))
    return {one.pid: one for one in listed if one is not None}


def read(pid: int) -> Process | None:
    """One process; null where it has ended or belongs to someone else."""
    folder = PROC / str(pid)
    try:
        line = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
        where = (folder / "cwd").readlink()
        parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        pairs = (folder / "environ").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return None
    given = dict(pair.split(b"=", 1) for pair in pairs if b"=" in pair)
    root = given.get(b"DVC_ROOT") if b"DVC_STAGE" in given else None
    argv = tuple(line.rstrip("\0").split("\0"))
    return Process(pid, parent, argv, where, Path(os.fsdecode(root)) if root else None)


def of_project(root: Path, found: dict[int, Process]) -> list[Process]:
    """Those that run DVC or a stage in this folder, or were started by its DVC."""
    return [
        one for one in found.values()
        if (one.folder == root or one.by_dvc_of == root) and one.pid != os.getpid()
        and (is_dvc(one) or JOB.search(one.words))
    ]  # fmt: skip


def is_dvc(process: Process) -> bool:
    """Whether it is the command dvc, whichever way it was called."""
    return any(Path(word).name == "dvc" for word in process.argv[:3])


def orphans(root: Path) -> list[Process]:
    """Stages that this project's DVC started and that no DVC waits for."""
    found = everyone()
    return [
        one for one in of_project(root, found)
        if one.by_dvc_of and JOB.search(one.words)
        and not any(is_dvc(parent) for parent in ancestors(one, found))
    ]  # fmt: skip


def ancestors(process: Process, found: dict[int, Process]) -> Iterator[Process]:
    """The processes above one, nearest first."""
    while (parent := found.get(process.parent)) is not None:
        yield parent
        process = parent


def end(pid: int) -> None:
    """Tell a process to stop, and kill it where it does not; SIGTERM lets a training save."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if _has_ended(pid):
                return
            time.sleep(0.05)


def _has_ended(pid: int) -> bool:
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True

"""Kills every stage inside DVC at random moments; a plain `dvc repro` must end as without a kill.

python -m tests.reliability.kill_matrix <folder> <kills of each stage> [stage ...]

Each trial starts from a copy of one finished run in which the stage never ran: its outs, its entry
in dvc.lock and DVC's run cache are taken away, so that `dvc repro` has to run it, and it alone.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests import trees
from tests.pipeline.conftest import Clone, clone_of_the_working_tree, commit, make_tiny
from tests.pipeline.kills import HOW, WAIT_S, Case, command, go_on, start

STAGES = ("download_model", "benchmark_base", "fetch_papers", "train_qlora", "benchmark_qlora",
          "train_full", "benchmark_full", "score")  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """What one trial found."""

    stage: str
    how: str
    at_s: float
    """Seconds from the start of the stage's process to the signal."""
    was_killed: bool
    """False where the stage had ended before its moment came: no trial."""
    recovered: bool
    differences: tuple[str, ...]


def finished_run(folder: Path) -> Path:
    """A clone in which the tiny pipeline ran once, undisturbed."""
    clone = clone_of_the_working_tree(folder)
    make_tiny(clone)
    clone.run("dvc", "config", "core.analytics", "false")
    clone.repro()
    commit(clone)
    return folder


def without_stage(finished: Path, stage: str, to: Path) -> Clone:
    """A copy of a finished run as if one stage had never run."""
    shutil.rmtree(to, ignore_errors=True)
    subprocess.run(["cp", "-a", "--reflink=auto", finished, to], check=True)
    lock = yaml.safe_load((to / "dvc.lock").read_text())
    for out in lock["stages"].pop(stage)["outs"]:
        path = to / out["path"]
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (to / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
    shutil.rmtree(to / ".dvc/cache/runs")
    return Clone(to)


def outs(clone: Path, stage: str) -> list[str]:
    lock = yaml.safe_load((clone / "dvc.lock").read_text())
    return [out["path"] for out in lock["stages"][stage]["outs"]]


def differences(finished: Path, clone: Path, stage: str) -> tuple[str, ...]:
    """Outs of a stage that differ from the undisturbed run's, times left out (decision 12)."""
    found: list[str] = []
    for name in outs(finished, stage):
        one, other = finished / name, clone / name
        if one.is_dir():
            found += [f"{name}/{path}" for path in trees.differences(one, other)]
        elif not other.is_file() or content(one) != content(other):
            found.append(name)
    return tuple(found)


def content(path: Path) -> Any:
    if path.suffix == ".json":
        return trees.without_times(json.loads(path.read_text()))
    return path.read_bytes()


def process_of(clone: Path, stage: str) -> int | None:
    """The process of a stage that runs in a clone; null where there is none."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if words[1:3] == [b"-m", f"stages.{stage}".encode()] and (
                (folder / "cwd").resolve() == clone.resolve()
            ):
                return int(folder.name)
        except OSError:
            continue  # it ended, or is not ours
    return None


def run_until_stage(clone: Clone, stage: str) -> subprocess.Popen[bytes]:
    """`dvc repro`, from the moment at which the stage's own process is there."""
    process = start(clone, command(Case(stage, True, "plain", ""), ""))
    deadline = time.monotonic() + WAIT_S
    while process_of(clone.path, stage) is None:
        assert process.poll() is None, f"{stage} was not run"
        assert time.monotonic() < deadline, f"{stage} did not start"
        time.sleep(0.02)
    return process


def duration_s(clone: Clone, stage: str) -> float:
    """Seconds that the stage's process lives when nothing disturbs it."""
    process = run_until_stage(clone, stage)
    began = time.monotonic()
    while process_of(clone.path, stage) is not None:
        time.sleep(0.02)
    ended = time.monotonic()
    assert process.wait() == 0
    return ended - began


def kill(clone: Clone, stage: str, how: str, after_s: float) -> bool:
    """Send the signal some seconds after the stage began; whether the stage still ran."""
    process = run_until_stage(clone, stage)
    time.sleep(after_s)
    was_running = process_of(clone.path, stage) is not None and process.poll() is None
    number, group = HOW[how]
    if process.poll() is None:
        (os.killpg if group else os.kill)(
            process.pid, signal.SIGKILL if not was_running else number
        )
    process.wait()
    return was_running


def trial(finished: Path, work: Path, stage: str, how: str, after_s: float) -> Trial:
    clone = without_stage(finished, stage, work)
    if not kill(clone, stage, how, after_s):
        return Trial(stage, how, after_s, False, False, ())
    go_on(clone, Case(stage, True, "plain", how), "")
    found = differences(finished, work, stage)
    kept = (work / ".checkpoints" / stage).glob("*")
    leftovers = [path.relative_to(work).as_posix() for path in kept]
    return Trial(stage, how, after_s, True, True, (*found, *leftovers))


def trials(finished: Path, work: Path, stage: str, n: int, seed: int) -> list[Trial]:
    """As many trials as it takes for n kills that hit, the ways to kill in turn."""
    moments = random.Random(f"{seed} {stage}")
    length = duration_s(without_stage(finished, stage, work), stage)
    ways, done = list(HOW), list[Trial]()
    while sum(one.was_killed for one in done) < n:
        n_hit = sum(one.was_killed for one in done)
        how = ways[n_hit % len(ways)]
        done.append(trial(finished, work, stage, how, moments.uniform(0.0, length)))
        print(json.dumps(done[-1].__dict__), flush=True)
    return done


def summary(done: Sequence[Trial]) -> str:
    """One line: killed of tried, recovered, identical."""
    hit = [one for one in done if one.was_killed]
    return (f"{done[0].stage}: {len(hit)} killed of {len(done)} tried, "
            f"{sum(one.recovered for one in hit)} recovered, "
            f"{sum(not one.differences for one in hit)} identical")  # fmt: skip


def main(folder: Path, n: int, stages: Sequence[str]) -> None:
    finished = folder / "finished"
    if not (finished / "dvc.lock").exists():
        finished_run(finished)
    for stage in stages or STAGES:
        print(summary(trials(finished, folder / "work", stage, n, seed=2026)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])

"""Kills a training stage inside DVC and runs the same command again.

python -m tests.pipeline.kills <folder> <kills of each kind>
"""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import trees
from tests.pipeline.conftest import Clone, clone_of_the_working_tree, commit, make_tiny
from titer import files

STAGES = {"train_qlora": "models/qlora", "train_full": "models/full"}
HOW = {"kill -9, group": (signal.SIGKILL, True), "kill -9, dvc alone": (signal.SIGKILL, False),
       "SIGTERM, group": (signal.SIGTERM, True),
       "SIGTERM, dvc alone": (signal.SIGTERM, False),
       "Ctrl-C": (signal.SIGINT, True)}  # fmt: skip
WAIT_S = 300
BUSY = "another process runs"


@dataclass(frozen=True)
class Case:
    """One row of the matrix."""

    stage: str
    packing: bool
    inside: str
    """repro, exp: dvc exp run --temp, or plain: dvc repro without any flag."""
    how: str


def prepare(folder: Path) -> Clone:
    """A tiny pipeline up to its training stages, which take a few dozen steps."""
    clone = clone_of_the_working_tree(folder)
    make_tiny(clone)
    clone.edit("params.yaml", lambda t: t.replace("epochs: 0.1\n", "epochs: 0.6\n")
               .replace("evals: 2\n", "evals: 6\n"))  # fmt: skip
    clone.repro("train_qlora", "train_full")
    commit(clone)
    return clone


def set_packing(clone: Clone, packing: bool) -> None:
    path = clone.path / "conf/hardware/cpu.yaml"
    text = path.read_text()
    wanted = str(packing).lower()
    path.write_text(text.replace("packing: true", f"packing: {wanted}")
                    .replace("packing: false", f"packing: {wanted}"))  # fmt: skip


def command(case: Case, name: str) -> list[str]:
    if case.inside == "exp":
        return ["dvc", "exp", "run", "--temp", "-n", name, "-f", "-s", case.stage]
    if case.inside == "plain":
        return ["dvc", "repro", case.stage]
    return ["dvc", "repro", "-f", "-s", case.stage]


def outcome(clone: Clone, case: Case, name: str) -> dict[str, Any]:
    """What the stage made, by content, run record without its times."""
    if case.inside == "repro":
        lock = clone.read("dvc.lock")
    else:
        listed = clone.run("git", "for-each-ref", "--format=%(refname)", "refs/exps").stdout.split()
        (ref,) = (line for line in listed if line.endswith(f"/{name}"))
        import yaml

        lock = yaml.safe_load(clone.run("git", "show", f"{ref}:dvc.lock").stdout)
    made = {out["path"]: out["md5"] for out in lock["stages"][case.stage]["outs"]}
    record = f"results/{case.stage}/run.json"
    md5 = made.pop(record)
    kept = clone.path / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    return {**made, record: trees.without_times(files.read_json(kept))}


def start(clone: Clone, words: list[str]) -> subprocess.Popen[bytes]:
    bin_folder = Path(sys.executable).parent
    env = {k: v for k, v in os.environ.items() if not k.startswith("DVC_")}
    env |= {"PATH": f"{bin_folder}{os.pathsep}{env['PATH']}", "PYTHONPATH": str(clone.path),
            "OMP_NUM_THREADS": "1"}  # fmt: skip
    return subprocess.Popen(words, cwd=clone.path, env=env, start_new_session=True,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip


def has_checkpoint(clone: Clone, stage: str) -> bool:
    return bool(list(clone.path.glob(f".checkpoints/{stage}/*/checkpoint-*/trainer_state.json")))


def kill_once(clone: Clone, case: Case, name: str, wait_s: float) -> bool:
    """Kill the command some seconds after its first checkpoint; whether it was still running."""
    process = start(clone, command(case, name))
    deadline = time.monotonic() + WAIT_S
    while process.poll() is None and not has_checkpoint(clone, case.stage):
        assert time.monotonic() < deadline, "no checkpoint"
        time.sleep(0.005)
    time.sleep(wait_s)
    was_running = process.poll() is None
    number, group = HOW[case.how]
    if was_running:
        (os.killpg if group else os.kill)(process.pid, number)
    process.wait()
    return was_running


def go_on(clone: Clone, case: Case, name: str) -> str:
    """The same command until no process of before is in its way; its output."""
    deadline = time.monotonic() + WAIT_S
    while True:
        done = clone.run(*command(case, name), check=False)
        text = str(done.stdout + done.stderr)
        if done.returncode == 0:
            return text
        assert BUSY in text, text[-3000:]
        assert time.monotonic() < deadline, "the process of before does not end"
        time.sleep(0.5)


def trial(clone: Clone, case: Case, expected: dict[str, Any], number: int,
          moments: random.Random) -> tuple[bool, bool, bool]:  # fmt: skip
    """Whether the kill hit, the next run resumed, and all is as without a kill."""
    name = f"{case.stage.replace('_', '-')}-{number}-{random.randrange(10**8)}"
    hit = kill_once(clone, case, name, moments.uniform(0.0, 2.0))
    text = go_on(clone, case, name)
    found = outcome(clone, case, name)
    assert not has_checkpoint(clone, case.stage)
    return hit, "resuming after step" in text, found == expected


def main(folder: Path, n: int) -> None:
    clone = prepare(folder)
    tried: Counter[tuple[str, ...]] = Counter()
    moments = random.Random(2026)
    for stage, packing in itertools.product(STAGES, (True, False)):
        set_packing(clone, packing)
        clone.run("dvc", "repro", "-f", "-s", stage)
        commit(clone)
        for inside, how in itertools.product(("repro", "exp"), HOW):
            case = Case(stage, packing, inside, how)
            expected = outcome(clone, Case(stage, packing, "repro", how), "")
            for number in range(n):
                hit, resumed, equal = trial(clone, case, expected, number, moments)
                key = (stage, "packed" if packing else "padded", inside, how)
                tried[*key, "kills"] += hit
                tried[*key, "resumed"] += hit and resumed
                tried[*key, "identical"] += hit and equal
                print(*key, f"kill {number}: hit={hit} resumed={resumed} identical={equal}",
                      flush=True)  # fmt: skip
    totals: Counter[str] = Counter()
    for (*_, word), count in tried.items():
        totals[word] += count
    print(dict(totals))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

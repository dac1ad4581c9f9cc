"""Sweeps run for real on a tiny pipeline: every search, every launcher, a killed study."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import Clone, clone_of_the_working_tree, commit, make_tiny
from tests.pipeline.kills import start

pytestmark = pytest.mark.slow
QLORA = ("python", "-m", "stages.train_qlora", "--multirun")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = clone_of_the_working_tree(tmp_path_factory.mktemp("sweeps"))
    make_tiny(clone)
    clone.repro("train_qlora")
    commit(clone)
    return clone


def results(folder: Path) -> list[dict[str, Any]]:
    """What the finished jobs left, by number."""
    paths = sorted(folder.glob("*/result.json"), key=lambda path: int(path.parent.name))
    return [json.loads(path.read_text()) for path in paths]


def sweep(clone: Clone, folder: str, *words: str) -> list[dict[str, Any]]:
    """Run a sweep to its end; the pipeline must not have moved."""
    clone.run(*QLORA, f"hydra.sweep.dir={folder}", *words)
    assert clone.run("git", "status", "--porcelain").stdout == ""
    return results(clone.path / folder)


def test_a_grid_tries_every_combination_and_the_winner_comes_back(trained: Clone) -> None:
    rows = sweep(trained, "runs/grid", "sweep=qlora_grid")
    tried = {tuple(row["overrides"][:2]) for row in rows}
    assert len(rows) == len(tried) == 6
    shown = trained.run("titer", "sweep", "show", "runs/grid").stdout
    assert "6 trials: 6 finished" in shown
    assert (trained.path / "runs/grid/sweep.svg").is_file()
    best = trained.run("titer", "sweep", "best", "runs/grid").stdout.splitlines()
    assert best[-1].startswith("dvc exp run -S qlora.learning_rate=")
    assert best[-1].endswith(" -S score.trials.qlora=6")


@pytest.mark.parametrize(
    "launcher",
    [("joblib", "hydra.launcher.n_jobs=2"), ("submitit_local", "hydra.launcher.timeout_min=10")],
    ids=["joblib", "submitit_local"],
)
def test_seeds_run_in_processes_of_their_own_as_in_one(
    trained: Clone, launcher: tuple[str, str]
) -> None:
    name, option = launcher
    # the second time these jobs have finished before
    alone = sweep(trained, "runs/seeds_alone", "seed=41,42")
    rows = sweep(trained, f"runs/seeds_{name}", "seed=41,42", f"hydra/launcher={name}", option)
    assert [row["overrides"] for row in rows] == [["seed=41"], ["seed=42"]]
    assert [row["objective"] for row in rows] == [row["objective"] for row in alone]
    refused = trained.run("titer", "sweep", "best", f"runs/seeds_{name}", check=False)
    assert "the jobs differ by their seed alone" in refused.stderr


def test_a_killed_study_goes_on_and_tries_what_an_undisturbed_one_tries(trained: Clone) -> None:
    words = ("sweep=qlora_lr", "hydra.sweeper.n_trials=4")
    whole = sweep(trained, "runs/whole", *words)
    assert len(whole) == 4
    folder = trained.path / "runs/cut"
    process = start(trained, [*QLORA, "hydra.sweep.dir=runs/cut", *words])
    deadline = time.monotonic() + 300
    while len(results(folder)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    left = {path: path.stat().st_mtime_ns for path in folder.glob("*/result.json")}
    assert 2 <= len(left) < 4
    shown = trained.run("titer", "sweep", "show", "runs/cut").stdout
    assert f"{len(left)} finished" in shown
    assert sweep(trained, "runs/cut", *words) == whole
    assert {path: path.stat().st_mtime_ns for path in left} == left


def test_a_trial_that_fails_is_counted_and_the_others_go_on(trained: Clone) -> None:
    words = ("qlora.target_modules=q_proj,nothing", "hydra/launcher=joblib")
    done = trained.run(*QLORA, "hydra.sweep.dir=runs/failing", *words, check=False)
    assert done.returncode != 0
    assert "error: qlora.target_modules = ['nothing']: the model has no module" in done.stderr
    assert "Traceback" not in done.stderr
    shown = trained.run("titer", "sweep", "show", "runs/failing").stdout
    assert "2 trials: 1 finished, 1 failed" in shown


def test_a_study_goes_on_after_a_trial_that_fails(trained: Clone) -> None:
    words = ("sweep=qlora_lr", "hydra.sweeper.n_trials=4", "qlora.target_modules=nothing,q_proj")
    rows = sweep(trained, "runs/study", *words)
    shown = trained.run("titer", "sweep", "show", "runs/study").stdout
    assert 0 < len(rows) < 4
    assert f"4 trials: {len(rows)} finished, {4 - len(rows)} failed" in shown

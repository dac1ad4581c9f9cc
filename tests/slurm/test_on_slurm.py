"""A real SLURM on this machine, two nodes: a sweep through submitit, a training over machines."""

import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.conftest import Clone, clone_of_the_working_tree, commit, make_tiny

SCRIPT = Path(__file__).with_name("slurm.sh")
PROGRAMS = ("slurmctld", "slurmd", "munged", "runuser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)),
        reason="needs root and Debian's slurm-wlm and munge",
    ),
]


@pytest.fixture(scope="module")
def slurm() -> Iterator[Path]:
    """Its configuration; the folder is one that the user munge can enter."""
    folder = Path(f"/tmp/titer-slurm-{os.getpid()}")
    port = str(random.randrange(20_000, 60_000))
    started = subprocess.run(
        ["sh", str(SCRIPT), "start", str(folder), port, "2"], capture_output=True, text=True
    )
    try:
        if started.returncode:
            pytest.skip(f"SLURM does not start here: {started.stderr.strip()}")
        yield folder / "slurm.conf"
    finally:
        subprocess.run(["sh", str(SCRIPT), "stop", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = clone_of_the_working_tree(tmp_path_factory.mktemp("slurm"))
    make_tiny(clone)
    clone.repro("train_qlora")
    commit(clone)
    return clone


def objectives(folder: Path) -> list[float]:
    paths = sorted(folder.glob("*/result.json"), key=lambda path: int(path.parent.name))
    return [json.loads(path.read_text())["objective"] for path in paths]


def test_a_sweep_through_slurm_gives_the_objectives_of_one_without(
    slurm: Path, trained: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CONF", str(slurm))
    rates = "qlora.learning_rate=1e-3,3e-3"
    words = ("python", "-m", "stages.train_qlora", "--multirun", rates)
    trained.run(*words, "hydra.sweep.dir=runs/alone")
    launcher = "hydra.launcher."
    trained.run(
        *words, "hydra.sweep.dir=runs/slurm", "hydra/launcher=submitit_slurm",
        f"{launcher}partition=main", f"{launcher}timeout_min=10", f"{launcher}mem_gb=2",
        f"{launcher}cpus_per_task=1",
    )  # fmt: skip
    assert len(list((trained.path / "runs/slurm/.submitit").glob("*_[01]"))) == 2
    found = objectives(trained.path / "runs/slurm")
    assert found == objectives(trained.path / "runs/alone")
    assert len(found) == 2


def test_a_training_over_two_machines_gives_the_loss_of_one_process(
    slurm: Path, trained: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CONF", str(slurm))
    stage = ("python", "-m", "stages.train_qlora")
    trained.run(*stage, "hydra.run.dir=runs/one")
    trained.run(
        "salloc", "--nodes=2", "--ntasks-per-node=1", *stage, "hydra.run.dir=runs/two",
        "hardware.machines=2",
    )  # fmt: skip
    one, two = (
        json.loads((trained.path / f"runs/{name}/result.json").read_text())["objective"]
        for name in ("one", "two")
    )
    assert two == pytest.approx(one, abs=1e-4)
    record = trained.path / "runs/two/results/train_qlora/run.json"
    assert json.loads(record.read_text())["settings"]["machines"] == 2

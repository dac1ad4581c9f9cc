"""Two runs from nothing are equal, and a killed training ends where an undisturbed one would."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import trees
from tests.pipeline.conftest import Clone, clone_of_the_working_tree, make_tiny

PARTS = ("models", "data/papers", "results")


@pytest.mark.slow
def test_two_runs_from_nothing_are_equal(tiny: Clone, tmp_path: Path) -> None:
    other = clone_of_the_working_tree(tmp_path)
    make_tiny(other)
    other.repro()
    for part in PARTS:
        assert trees.differences(tiny.path / part, other.path / part) == []
    reports = [(clone.path / "reports/report.md").read_text() for clone in (tiny, other)]
    one, two = (re.sub(r"## Cost and time.*?(?=## )", "", r, flags=re.DOTALL) for r in reports)
    assert one == two


@pytest.mark.slow  # inside DVC; tests/training kills and resumes the training itself
def test_a_killed_training_resumes_to_the_same_bytes(tiny: Clone) -> None:
    expected = {
        path.name: path.read_bytes() for path in (tiny.path / "models/qlora").glob("*.safetensors")
    }
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "dvc"), "repro", "-f", "-s", "train_qlora"],
        cwd=tiny.path, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
             "PYTHONPATH": str(tiny.path), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    checkpoints = tiny.path / ".checkpoints" / "train_qlora"
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("*/checkpoint-*/trainer_state.json")):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail("the training ended before its first checkpoint was seen")
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for lock in (tiny.path / ".dvc/tmp").glob("*lock*"):
        if lock.is_file() and lock.stat().st_size == 0:
            lock.unlink()
    done = tiny.run("dvc", "repro", "-f", "-s", "train_qlora")
    assert "resuming after step" in done.stdout + done.stderr
    found = {
        path.name: path.read_bytes() for path in (tiny.path / "models/qlora").glob("*.safetensors")
    }
    assert found == expected
    assert not list(checkpoints.glob("*/checkpoint-*"))
    shutil.rmtree(checkpoints, ignore_errors=True)

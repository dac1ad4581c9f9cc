"""Training stages killed inside DVC: the same command ends with the same bytes."""

import random
import time
from pathlib import Path

import pytest

from tests.pipeline.conftest import Clone, commit
from tests.pipeline.kills import (
    BUSY,
    HOW,
    STAGES,
    Case,
    command,
    has_checkpoint,
    outcome,
    prepare,
    set_packing,
    start,
    trial,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return prepare(tmp_path_factory.mktemp("kills"))


@pytest.mark.parametrize("inside", ["repro", "exp"])
@pytest.mark.parametrize("packing", [True, False], ids=["packed", "padded"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_stage_ends_with_the_bytes_of_an_undisturbed_one(
    trained: Clone, stage: str, packing: bool, inside: str
) -> None:
    set_packing(trained, packing)
    trained.run("dvc", "repro", "-f", "-s", stage)
    commit(trained)
    expected = outcome(trained, Case(stage, packing, "repro", ""), "")
    for number, how in enumerate(HOW):
        case = Case(stage, packing, inside, how)
        _, _, is_equal = trial(trained, case, expected, number, random.Random(number))
        assert is_equal, how


def test_a_changed_setting_begins_anew(trained: Clone) -> None:
    case = Case("train_qlora", True, "repro", "kill -9, group")
    process = start(trained, command(case, ""))
    wait_for_checkpoint(trained, case.stage)
    process.kill()
    process.wait()
    trained.edit(
        "params.yaml", lambda text: text.replace("weight_decay: 0.0\n", "weight_decay: 0.1\n")
    )
    done = trained.run("dvc", "repro", "-f", "-s", case.stage)
    assert "resuming after step" not in done.stdout + done.stderr
    trained.run("git", "checkout", "--", "params.yaml")


def test_a_second_training_at_once_is_refused_in_one_line(trained: Clone) -> None:
    """Of an experiment in a temporary tree, while the pipeline itself trains the same."""
    process = start(trained, command(Case("train_qlora", True, "repro", ""), ""))
    wait_for_checkpoint(trained, "train_qlora")
    second = trained.run(*command(Case("train_qlora", True, "exp", ""), "second"), check=False)
    assert second.returncode != 0
    (line,) = {line for line in second.stderr.splitlines() if line.startswith("error: ")}
    assert line.startswith(f"error: {BUSY} train_qlora with the same settings and inputs")
    assert "Traceback" not in second.stderr
    assert process.wait() == 0


def test_a_stage_whose_dvc_died_saves_and_ends(trained: Clone) -> None:
    process = start(trained, command(Case("train_full", True, "repro", ""), ""))
    wait_for_checkpoint(trained, "train_full")
    process.kill()
    process.wait()
    locks = list(trained.path.glob(".checkpoints/train_full/*.lock"))
    deadline = time.monotonic() + 60
    while any(is_held(path) for path in locks):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert has_checkpoint(trained, "train_full")


def wait_for_checkpoint(clone: Clone, stage: str) -> None:
    deadline = time.monotonic() + 120
    while not has_checkpoint(clone, stage):
        assert time.monotonic() < deadline, "no checkpoint"
        time.sleep(0.01)


def is_held(lock: Path) -> bool:
    import fcntl

    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

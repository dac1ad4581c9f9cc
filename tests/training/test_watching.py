"""What a person can watch: the bar, and the files of each tracker, kept below the run's folder."""

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.training.test_resume import CHILD
from tests.training.test_sft import FULL, data
from titer.training import handover
from titer.training.callbacks import StageProgress, StopEarly

TRACKERS = ("dvclive", "mlflow", "tensorboard", "wandb")


def test_the_bar_tells_losses_real_tokens_per_second_and_memory() -> None:
    progress = StageProgress(FULL, tokens_per_step=100.0)
    state = SimpleNamespace(max_steps=8, global_step=0, is_world_process_zero=True)
    progress.on_train_begin(None, state, None)
    progress.on_step_begin(None, state, None)
    progress.step_started -= 2.0
    state.global_step = 1
    progress.on_step_end(None, state, None)
    progress.on_log(None, state, None, logs={"loss": 1.25})
    progress.on_log(None, state, None, logs={"eval_loss": 1.5})
    assert progress.bar.n == 1
    progress.on_train_end(None, state, None)
    assert progress.tokens_per_second() == pytest.approx(50.0, rel=0.01)
    assert progress.shown["loss"] == "1.2500"
    assert progress.shown["validation_loss"] == "1.5000"
    assert {"tokens/s", "GiB"} < set(progress.shown)


@pytest.mark.parametrize(
    ("losses", "stops"),
    [([], False), ([3, 2], False), ([2, 3], False), ([2, 3, 2], True), ([2, 3, 1], False)],
)
def test_patience_counts_evaluations_since_the_lowest_loss(
    losses: list[float], stops: bool
) -> None:
    state = SimpleNamespace(log_history=[{"eval_loss": loss} for loss in losses])
    control = SimpleNamespace(should_training_stop=False)
    StopEarly(2).on_evaluate(None, state, control)
    assert control.should_training_stop == stops


@pytest.mark.slow
@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_keeps_its_files_in_the_folder_of_the_run(
    tiny_model: Path, tmp_path: Path, name: str
) -> None:
    """In a process of its own, in an empty working directory that must stay empty."""
    pytest.importorskip("torch.utils.tensorboard" if name == "tensorboard" else name)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    logs = tmp_path / "logs"
    job = handover.Job(
        replace(FULL, report_to=[name]), tiny_model, data(), tmp_path / "out", tmp_path / "ck", logs
    )
    handover.write_job(tmp_path, job)
    root = Path(__file__).parents[2]
    paths = [str(root), *(path for path in os.environ.get("PYTHONPATH", "").split(":") if path)]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)], cwd=elsewhere, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": ":".join(paths), "WANDB_MODE": "offline"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert list(elsewhere.iterdir()) == []
    assert list(tmp_path.rglob("dvc.yaml")) == []
    if name == "wandb":  # its format has no public reader
        (path,) = logs.rglob("*.wandb")
        assert b"eval/loss" in path.read_bytes()
        return
    run = handover.read_run(tmp_path)
    assert losses_seen(name, logs) == pytest.approx(
        [row["validation_loss"] for row in run.losses], rel=1e-5
    )


def losses_seen(name: str, logs: Path) -> list[float]:
    """The validation losses that a tracker kept."""
    if name == "dvclive":
        (table,) = logs.rglob("plots/metrics/eval/loss.tsv")
        with table.open() as file:
            return [float(row["loss"]) for row in csv.DictReader(file, delimiter="\t")]
    if name == "mlflow":
        (table,) = logs.rglob("metrics/eval_loss")
        return [float(line.split()[1]) for line in table.read_text().splitlines()]
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(logs))
    found.Reload()
    return [scalar.value for scalar in found.Scalars("eval/loss")]

"""What a person sees while training, and what a signal does to it."""

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from titer import signals
from titer.config import SftSettings
from titer.modeling import loading
from titer.training import spread

TO_FILES = ("tensorboard", "dvclive")
"""Trackers whose callbacks we make, since transformers' own would write elsewhere than runs/."""


class StageProgress(TrainerCallback):  # type: ignore[misc]
    """A tqdm bar over optimiser steps; the Trainer's own bar repeats itself in log files.

    Shows time left, loss, validation loss, real tokens per second and peak memory.
    """

    def __init__(self, settings: SftSettings, tokens_per_step: float) -> None:
        """Take how many real tokens a step holds on average: padding is not counted."""
        self.device = settings.device
        self.tokens_per_step = tokens_per_step
        self.bar: Any = None
        self.shown: dict[str, str] = {}
        self.training_s = 0.0
        self.step_started = 0.0
        self.n_steps = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Open the bar at the step that a resumed run begins with."""
        from tqdm.auto import tqdm

        self.bar = tqdm(
            total=state.max_steps, initial=state.global_step, desc="training", unit="step",
            mininterval=1.0, disable=not state.is_world_process_zero,
        )  # fmt: skip

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock: evaluation and saving are not training."""
        self.step_started = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move on by one step."""
        self.training_s += time.monotonic() - self.step_started
        self.n_steps += 1
        self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Show the newest losses, speed and memory."""
        logs = kwargs.get("logs") or {}
        for key, name in (("loss", "loss"), ("eval_loss", "validation_loss")):
            if key in logs:
                self.shown[name] = f"{float(logs[key]):.4f}"
        if self.training_s:
            self.shown["tokens/s"] = f"{self.tokens_per_second():,.0f}"
        self.shown["GiB"] = f"{loading.peak_memory_mib(self.device) / 1024:.1f}"
        self.bar.set_postfix(self.shown, refresh=False)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close the bar."""
        self.bar.close()

    def tokens_per_second(self) -> float:
        """Real tokens of all processes per second of the steps run here."""
        return self.tokens_per_step * self.n_steps / self.training_s if self.training_s else 0.0


class SaveOnSignal(TrainerCallback):  # type: ignore[misc]
    """SIGTERM or Ctrl-C lets the step end, saves a checkpoint and stops."""

    def __init__(self, settings: SftSettings) -> None:
        """Take what the weights must look like once training begins."""
        self.settings = settings
        self.told = False
        self.stopped = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Note the signal instead of dying, for the time of the training loop; a second is one."""
        with signals.handled_by(self._note):
            yield

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """See that the weights are spread as asked."""
        spread.check_sharding(kwargs["model"], self.settings)

    def _note(self, number: int, frame: Any) -> None:
        self.told = True

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Save and stop where any process was told to."""
        if spread.any_process(self.told) and state.global_step < state.max_steps:
            control.should_save = control.should_training_stop = self.stopped = True


class StopEarly(TrainerCallback):  # type: ignore[misc]
    """Stops after so many evaluations without a lower loss.

    It counts in the history, which every checkpoint holds: transformers' own callback begins to
    count anew in a resumed run.
    """

    def __init__(self, patience: int) -> None:
        """Take the number of evaluations."""
        self.patience = patience

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stay stopped where a killed run had stopped."""
        control.should_training_stop = self._is_over(state)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop where patience is at its end."""
        if self._is_over(state):
            control.should_training_stop = True

    def _is_over(self, state: Any) -> bool:
        losses = [row["eval_loss"] for row in state.log_history if "eval_loss" in row]
        return bool(losses) and len(losses) - 1 - losses.index(min(losses)) >= self.patience


def trackers(names: Sequence[str], folder: Path, *, resumed: bool = False) -> list[Any]:
    """Callbacks of the trackers that we make, given the folder where their files are kept.

    transformers' own way would write TensorBoard's below the checkpoints, which end with the run,
    and DVCLive's with a dvc.yaml over the project's own. MLflow without a server of the user's, and
    W&B, would write into the working directory.
    """
    found: list[Any] = []
    if "tensorboard" in names:
        from torch.utils.tensorboard import SummaryWriter
        from transformers.integrations import TensorBoardCallback

        found.append(TensorBoardCallback(SummaryWriter(str(folder))))
    if "dvclive" in names:
        from dvclive import Live
        from transformers.integrations import DVCLiveCallback

        live = Live(str(folder), resume=resumed, save_dvc_exp=False, dvcyaml=None)
        found.append(DVCLiveCallback(live))
    if "mlflow" in names:
        import mlflow

        if not mlflow.is_tracking_uri_set():
            # from mlflow 3.17 on its store of plain files has to be allowed
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            mlflow.set_tracking_uri((folder / "mlruns").absolute().as_uri())
    if "wandb" in names:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        wandb.init(project="titer", dir=str(folder))
    return found

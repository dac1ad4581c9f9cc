"""What a person sees while training: one bar with loss, held-out loss, speed and time left."""

from typing import Any

from transformers import TrainerCallback


class StageProgress(TrainerCallback):  # type: ignore[misc]
    """A tqdm bar over optimiser steps; the Trainer's own bar repeats itself in log files."""

    def __init__(self) -> None:
        """Make a bar when training begins."""
        self.bar: Any = None
        self.shown: dict[str, str] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Open the bar at the step that a resumed run begins with."""
        from tqdm.auto import tqdm

        self.bar = tqdm(
            total=state.max_steps, initial=state.global_step, desc="training", unit="step",
            mininterval=1.0,
        )  # fmt: skip

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move on by one step."""
        self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Show the newest losses."""
        logs = kwargs.get("logs") or {}
        for key, name in (("loss", "loss"), ("eval_loss", "validation_loss")):
            if key in logs:
                self.shown[name] = f"{float(logs[key]):.4f}"
        self.bar.set_postfix(self.shown)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close the bar."""
        self.bar.close()

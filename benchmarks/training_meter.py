"""Counts what any trainer built on transformers' Trainer does, the same way for every tool.

Invariant: real tokens, padding left out, and the CPU seconds of the training loop, from its first
batch to its last step; evaluation and checkpoints are left out. Needs transformers and nothing of
this project, for it also runs inside another tool's environment.
"""

import functools
import resource
import time
from collections.abc import Callable
from typing import Any

PADDING = 0
"""Id of the padding token; no row's text holds it."""
MATRIX_S = 0.2
"""CPU seconds over which the core's matrix rate is measured."""


class Meter:
    """Readings of one training run."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.n_tokens = self.n_places = self.n_steps = 0
        self.cpu_s = self.wall_s = 0.0
        self.losses: list[float] = []

    def readings(self) -> dict[str, Any]:
        """Rate and what it is made of; `kept` is the share of places that hold a real token."""
        return {
            "tokens": self.n_tokens,
            "kept": self.n_tokens / self.n_places,
            "micro_batches": self.n_steps,
            "loop_cpu_s": self.cpu_s,
            "loop_wall_s": self.wall_s,
            "tokens_per_cpu_s": self.n_tokens / self.cpu_s,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def attach(meter: Meter) -> None:
    """Let the Trainer of this process report to a meter; a second call replaces the first."""
    from transformers import Trainer

    for name, sign in (("train", 1), ("evaluate", -1), ("_save_checkpoint", -1)):
        setattr(Trainer, name, _timed(_original(Trainer, name), meter, sign))
    step = _original(Trainer, "training_step")

    @functools.wraps(step)
    def counted(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        ids = inputs["input_ids"]
        meter.n_tokens += int((ids != PADDING).sum())
        meter.n_places += ids.numel()
        meter.n_steps += 1
        return step(self, model, inputs, *args, **kwargs)

    Trainer.training_step = counted


def matrix_rate(precision: str) -> float:
    """Products of this core in GFLOP per CPU second, of a shape that the rows' model has."""
    import torch

    rows = torch.randn(1360, 256, dtype=getattr(torch, precision))
    weights = torch.randn(768, 256, dtype=getattr(torch, precision))
    n, began = 0, time.process_time()
    while time.process_time() - began < MATRIX_S:
        torch.nn.functional.linear(rows, weights)
        n += 1
    return 2e-9 * n * rows.numel() * len(weights) / (time.process_time() - began)


def _original(owner: Any, name: str) -> Callable[..., Any]:
    """A method as it was before any meter."""
    method = getattr(owner, name)
    return getattr(method, "__wrapped__", method)


def _timed(method: Callable[..., Any], meter: Meter, sign: int) -> Callable[..., Any]:
    @functools.wraps(method)
    def timed(*args: Any, **kwargs: Any) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            return method(*args, **kwargs)
        finally:
            meter.wall_s += sign * (time.perf_counter() - wall)
            meter.cpu_s += sign * (time.process_time() - cpu)

    return timed

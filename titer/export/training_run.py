"""One fine-tune as other trainers are told of it, and the rows that go with it."""

from dataclasses import dataclass

from titer.config import SftSettings

TRAIN, VALIDATION = "titer_train", "titer_validation"
"""Names of the two data sets."""
FILES = {TRAIN: "train.jsonl", VALIDATION: "validation.jsonl"}
ROOM = 8
"""Tokens above max_length at which the others cut: their end of an answer may be longer."""


@dataclass(frozen=True)
class Run:
    """One fine-tune, with what follows from the number of its rows."""

    settings: SftSettings
    n_steps: int
    micro_batch_rows: int
    """Rows per forward pass."""

    @property
    def n_between_evaluations(self) -> int:
        """Optimiser steps from one evaluation, and checkpoint, to the next."""
        return self.n_steps // self.settings.evals

    @property
    def n_accumulated(self) -> int:
        """Forward passes of one optimiser step, in one process."""
        return self.settings.batch_size // self.micro_batch_rows

    @property
    def warmup_steps(self) -> int:
        """Optimiser steps until the full learning rate."""
        return round(self.settings.warmup_share * self.n_steps)

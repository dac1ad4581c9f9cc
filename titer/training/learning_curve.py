"""Held-out loss by the amount of training data: would more of it help?

Invariant: the amount of data is the only difference. Each run takes the same number of optimiser
steps on a nested part of the same rows, chosen by a seeded hash, and is measured on the same
validation rows; its best evaluation counts, as it would with early stopping.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from titer.config import SftSettings
from titer.errors import DataError
from titer.records import Example
from titer.training import sft
from titer.training.arguments import n_steps

MIN_ROWS = 8
"""Of the smallest part."""
WORTH = 0.02
"""Share of the loss that the last enlargement must take away for more data to be called worth
it; one seed of training moves a loss by about as much."""


@dataclass(frozen=True)
class Point:
    """One run."""

    share: float
    n_rows: int
    loss: float
    """Best validation loss, nats per token of the answers."""
    step: int
    """At which it was measured."""
    last_loss: float


@dataclass(frozen=True)
class Curve:
    """All runs, smallest part first."""

    points: list[Point]
    n_validation: int
    n_steps: int

    @property
    def gain(self) -> float:
        """Share of the loss that the last enlargement took away."""
        before, after = self.points[-2].loss, self.points[-1].loss
        return (before - after) / before

    def sentence(self) -> str:
        """Whether more data would help, in words, with what it rests on."""
        one, other = self.points[-2:]
        grown = other.n_rows / one.n_rows
        seen = (
            f"{grown:.1f} times the rows ({one.n_rows:,} to {other.n_rows:,}) changed the held-out "
            f"loss by {-100 * self.gain:+.1f} % ({one.loss:.4f} to {other.loss:.4f})"
        )
        if self.gain >= WORTH:
            said = "More data would help: the curve still falls"
        elif self.gain > -WORTH:
            said = "More of the same data would hardly help: the curve is flat"
        else:
            said = "More data made it worse: look at the rows (titer data validate)"
        return f"{said}. {seen}; one seed, {self.n_validation:,} validation rows"

    def to_json(self) -> dict[str, Any]:
        """Points and verdict as plain values."""
        return {**asdict(self), "gain": self.gain, "sentence": self.sentence()}


def part(rows: Sequence[Example], share: float, seed: int) -> list[Example]:
    """A share of the rows, in their order; a smaller share is a part of a larger one."""
    order = sorted(rows, key=lambda row: hashlib.sha256(f"{seed}|{row.id}".encode()).digest())
    kept = {row.id for row in order[: max(1, round(share * len(rows)))]}
    return [row for row in rows if row.id in kept]


def draw(settings: SftSettings, *, base: Path, data: sft.Data, shares: Sequence[float]) -> Curve:
    """Train once per share and throw the weights away.

    Args:
        settings: of a fine-tune on all rows; `epochs` counts over all of them.
        base: folder of the base model.
        data: all rows.
        shares: of the training rows, in (0, 1].

    Raises:
        DataError: the smallest part has too few rows, or the examples cannot be trained on.
    """
    smallest = round(min(shares) * len(data.train))
    if smallest < MIN_ROWS:
        raise DataError(
            f"{len(data.train)} training rows: a share of {min(shares)} is {smallest}, at least "
            f"{MIN_ROWS} are needed. Add rows, or take larger --shares"
        )
    steps = n_steps(settings, len(data.train))
    points = []
    for share in sorted(shares):
        rows = part(data.train, share, settings.seed)
        per_epoch = -(-len(rows) // settings.batch_size)
        with tempfile.TemporaryDirectory() as name:
            run = sft.train(
                replace(settings, epochs=steps / per_epoch),
                base=base,
                data=replace(data, train=rows, heldout=[]),
                out=Path(name) / "model",
                checkpoints=Path(name) / "checkpoints",
                logs=Path(name) / "logs",
            )
        best = min(run.losses, key=lambda row: float(row["validation_loss"]))
        points.append(
            Point(share, len(rows), best["validation_loss"], best["step"], run.validation_loss)
        )
    return Curve(points, len(data.validation), steps)

"""Held-out loss by the amount of training data: would more of it help?

Invariant: within a seed the amount of data is the only difference. Each run takes the same number
of optimiser steps on a nested part of the same rows, chosen by a seeded hash, and is measured on
the same validation rows, none of them too long; its best evaluation counts, as it would with early
stopping. A seed decides both the parts and the training, so that gains are paired by seed.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from titer.config import SftSettings
from titer.errors import DataError, Stopped
from titer.modeling import loading
from titer.records import Example
from titer.training import preflight, sft
from titer.training.arguments import n_steps

MIN_ROWS = 8
"""Of the smallest part."""
WORTH = 0.02
"""Share of the loss that the last enlargement must take away for more data to be called worth
it."""
LEVEL = 0.95
"""Of the interval over seeds."""


@dataclass(frozen=True)
class Point:
    """The runs on one share of the rows, one per seed."""

    share: float
    n_rows: int
    losses: tuple[float, ...]
    """Best validation loss of each seed, nats per token of the answers."""
    steps: tuple[int, ...]
    """At which they were measured."""
    last_losses: tuple[float, ...]

    @property
    def loss(self) -> float:
        """Mean of the best losses."""
        return fmean(self.losses)


@dataclass(frozen=True)
class Curve:
    """All runs, smallest part first."""

    points: list[Point]
    n_validation: int
    n_steps: int
    n_too_long: tuple[int, int] = (0, 0)
    """Training and validation rows that were left out, beyond `model.max_length`."""

    @property
    def gains(self) -> list[float]:
        """Share of the loss that the last enlargement took away, seed by seed."""
        before, after = (point.losses for point in self.points[-2:])
        return [(one - other) / one for one, other in zip(before, after, strict=True)]

    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the mean gain by Student's t over the seeds; null of one seed."""
        gains = self.gains
        if len(gains) < 2:
            return None
        from scipy.stats import t

        half = float(t.ppf((1 + LEVEL) / 2, len(gains) - 1)) * stdev(gains) / len(gains) ** 0.5
        return fmean(gains) - half, fmean(gains) + half

    def sentence(self) -> str:
        """Whether more data would help, in words, with what it rests on."""
        one, other = self.points[-2:]
        grown = other.n_rows / one.n_rows
        seen = (
            f"{grown:.1f} times the rows ({one.n_rows:,} to {other.n_rows:,}) changed the held-out "
            f"loss by {_change(fmean(self.gains))} % ({one.loss:.4f} to {other.loss:.4f})"
        )
        return f"{self._said()}. {seen}; {self._spread()}{self._left_out()}"

    def _said(self) -> str:
        gain, ends = fmean(self.gains), self.interval()
        # of one seed nothing is known but the change itself
        low, high = ends or (gain, gain)
        if gain >= WORTH and low > 0:
            return "More data would help: the curve still falls"
        if low > -WORTH and high < WORTH:
            return "More of the same data would hardly help: the curve is flat"
        if gain <= -WORTH and high < 0:
            return "More data made it worse: look at the rows (titer data validate)"
        return (
            "Cannot tell whether more data would help: the seeds differ by more than the rows do. "
            "Take more --seeds"
        )

    def _spread(self) -> str:
        ends, rows = self.interval(), f"{self.n_validation:,} validation rows"
        if ends is None:
            return f"one seed, so that chance is not ruled out (--seeds 3 measures it), {rows}"
        each = ", ".join(_change(gain) for gain in self.gains)
        return (
            f"95 % interval {_change(ends[1])} to {_change(ends[0])} % over {len(self.gains)} "
            f"seeds ({each}), the same {rows}"
        )

    def _left_out(self) -> str:
        if not any(self.n_too_long):
            return ""
        train, validation = self.n_too_long
        return (
            f"; {train:,} training and {validation:,} validation rows were left out, longer than "
            "model.max_length"
        )

    def to_json(self) -> dict[str, Any]:
        """Points and verdict as plain values."""
        return {
            **asdict(self),
            "gains": self.gains,
            "interval": self.interval(),
            "sentence": self.sentence(),
        }


def _change(gain: float) -> str:
    """A gain as a change of the loss in per cent."""
    return f"{-100 * gain:+.1f}"


def part(rows: Sequence[Example], share: float, seed: int) -> list[Example]:
    """A share of the rows, in their order; a smaller share is a part of a larger one."""
    order = sorted(rows, key=lambda row: hashlib.sha256(f"{seed}|{row.id}".encode()).digest())
    kept = {row.id for row in order[: max(1, round(share * len(rows)))]}
    return [row for row in rows if row.id in kept]


def draw(
    settings: SftSettings,
    *,
    base: Path,
    data: sft.Data,
    shares: Sequence[float],
    n_seeds: int = 1,
) -> Curve:
    """Train once per share and seed, and throw the weights away.

    Rows that are too long for the model are left out before any are counted or drawn.

    Args:
        settings: of a fine-tune on all rows; `epochs` counts over all of them, `seed` is the first.
        base: folder of the base model.
        data: all rows.
        shares: of the training rows, in (0, 1].
        n_seeds: trainings per share, with `seed`, `seed + 1` and so on.

    Raises:
        DataError: the smallest part has too few rows, or the examples cannot be trained on.
        KeyboardInterrupt: told to stop by a signal.
    """
    given, data = data, _fitting(data, settings, base)
    long = (len(given.train) - len(data.train), len(given.validation) - len(data.validation))
    smallest = round(min(shares) * len(data.train))
    if smallest < MIN_ROWS:
        raise DataError(
            f"{len(data.train)} training rows that fit into model.max_length="
            f"{settings.max_length}: a share of {min(shares)} is {smallest}, at least {MIN_ROWS} "
            "are needed. Add rows, or take larger --shares"
        )
    steps = n_steps(settings, len(data.train))
    seeded = [replace(settings, seed=settings.seed + number) for number in range(n_seeds)]
    points = []
    for share in sorted(shares):
        runs = [_train(one, share, steps, base=base, data=data) for one in seeded]
        n_rows = len(part(data.train, share, settings.seed))
        points.append(Point(share, n_rows, *map(tuple, zip(*runs, strict=True))))
    return Curve(points, len(data.validation), steps, long)


def _fitting(data: sft.Data, settings: SftSettings, base: Path) -> sft.Data:
    """The rows that a training does not leave out, and no held-out papers."""
    tokenizer = loading.load_tokenizer(base)

    def kept(examples: list[Example], name: str) -> list[Example]:
        rows = preflight.encode_examples(tokenizer, examples, settings, name=name)
        dropped = {row["id"] for row in rows.dropped}
        return [example for example in examples if example.id not in dropped]

    return sft.Data(kept(data.train, "train"), kept(data.validation, "validation"), [])


def _train(
    settings: SftSettings, share: float, steps: int, *, base: Path, data: sft.Data
) -> tuple[float, int, float]:
    """Best validation loss, the step at which it was measured, and the last one.

    Raises:
        DataError: other steps were taken than the runs are to be compared by.
        KeyboardInterrupt: told to stop; the checkpoint that was saved goes with its folder.
    """
    rows = part(data.train, share, settings.seed)
    per_epoch = -(-len(rows) // settings.batch_size)
    with tempfile.TemporaryDirectory() as name:
        try:
            run = sft.train(
                # to the last step: the best evaluation is found among all
                replace(settings, epochs=steps / per_epoch, patience=0),
                base=base,
                data=replace(data, train=rows),
                out=Path(name) / "model",
                checkpoints=Path(name) / "checkpoints",
                logs=Path(name) / "logs",
            )
        except Stopped:
            raise KeyboardInterrupt from None
    taken = run.metrics["n_steps"]
    if taken != steps:
        raise DataError(
            f"share {share:g}, seed {settings.seed}: {taken} optimiser steps were taken, not the "
            f"{steps} of every run, so that the curve would say nothing. Report it with params.yaml"
        )
    best = min(run.losses, key=lambda row: float(row["validation_loss"]))
    return float(best["validation_loss"]), int(best["step"]), run.validation_loss

"""Figures over time: before and after, and the losses of training.

Invariant: every figure has an alternative text with its first and last values.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from titer.evaluation.arms import FINE_TUNES
from titer.report import tables, words
from titer.report.drawing import ARM_COLOURS, ARM_MARKERS, GRID, Picture, draw, finish
from titer.report.words import Data, pick

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def retention(stats: Data) -> Picture | None:
    """Lines from before to after: general accuracy, and bits per byte of general texts."""
    panels = []
    for key, name, scale in (
        ("general", "General questions (%)", 100),
        ("bpb_ood", "Bits per byte, general texts", 1),
    ):
        ends = {
            arm: (scale * block["base"], scale * block["arm"])
            for arm in tables.compared(stats)
            if (block := pick(stats, "comparisons", arm, key))
            and all(words.is_number(block.get(end)) for end in ("base", "arm"))
        }
        if ends:
            panels.append((name, ends))
    if not panels:
        return None

    def paint(figure: "Figure") -> None:
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        for rank, (axes, (name, ends)) in enumerate(zip(grid, panels, strict=True)):
            _slope(axes, name, ends, with_labels=rank == 0)
        figure.legend(loc="outside upper center", ncols=2)

    described = [
        f"{name}, {words.ARM_NAMES[arm]}: {words.number(before, 2)} before, "
        f"{words.number(after, 2)} after"
        for name, ends in panels
        for arm, (before, after) in ends.items()
    ]
    svg = draw("retention", 3.2, paint)
    return finish(svg, "; ".join(described) + ".", "retention", "Retention, before and after")


def _slope(
    axes: "Axes", name: str, ends: dict[str, tuple[float, float]], *, with_labels: bool
) -> None:
    for arm, pair in ends.items():
        shown = words.ARM_NAMES[arm] if with_labels else None
        colour = ARM_COLOURS[arm]
        axes.plot([0, 1], pair, ARM_MARKERS[arm], ls="-", color=colour, lw=2, ms=7, label=shown)
    axes.set_xticks([0, 1], ["before", "after"])
    axes.set_xlim(-0.3, 1.3)
    top = max(max(pair) for pair in ends.values())
    axes.set_ylim(0, top * 1.15 or 1)
    axes.set_title(name, fontsize=11)


def losses(context: Data) -> Picture | None:
    """Training and validation loss by step."""
    curves = {arm: rows for arm in FINE_TUNES if (rows := pick(context, "training", arm, "loss"))}
    if not any(_curve(rows, "train_loss")[0] for rows in curves.values()):
        return None

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for arm, rows in curves.items():
            colour, name = ARM_COLOURS[arm], words.ARM_NAMES[arm]
            axes.plot(*_curve(rows, "train_loss"), color=colour, lw=1.5, label=f"{name}, training")
            xs, ys = _curve(rows, "validation_loss")
            marker = ARM_MARKERS[arm]
            axes.plot(xs, ys, marker, ls="--", color=colour, ms=6, label=f"{name}, validation")
        axes.set_xlabel("Optimiser step")
        axes.set_ylabel("Loss (nats per token)")
        axes.grid(axis="y", color=GRID, lw=0.6)
        figure.legend(loc="outside upper center", ncols=2)

    described = []
    for arm, rows in curves.items():
        for key in ("train_loss", "validation_loss"):
            _, ys = _curve(rows, key)
            if ys:
                name = f"{words.ARM_NAMES[arm]}, {words.label(key)}"
                described.append(f"{name}: {words.number(ys[0])} to {words.number(ys[-1])}")
    alt = f"Loss by step. {'; '.join(described)}."
    return finish(draw("losses", 3.4, paint), alt, "losses", "Loss during training")


def _curve(rows: Sequence[Data], key: str) -> tuple[list[float], list[float]]:
    known = [row for row in rows if all(words.is_number(row.get(name)) for name in ("step", key))]
    return [float(row["step"]) for row in known], [float(row[key]) for row in known]

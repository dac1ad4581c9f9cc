"""What each figure of the report shows; one without data is None.

Invariant: every figure has an alternative text with the numbers it shows or where they stand.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from titer.report import curves, heatmap, items, paper_figures, tables, words
from titer.report.drawing import (
    ARM_COLOURS,
    ARM_MARKERS,
    BAND,
    DOWN,
    GRID,
    INK,
    SAME_RIGHT,
    SAME_WRONG,
    UP,
    Picture,
    draw,
    finish,
)
from titer.report.words import Data, pick

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def all_of(stats: Data, context: Data) -> dict[str, Picture]:
    """Every figure that the data allow, by name; one without data is left out."""
    makers: dict[str, Callable[[], Picture | None]] = {
        "forest": lambda: forest(stats),
        "relations": lambda: relations(stats),
        "dose": lambda: dose(stats),
        "strip": lambda: strip(stats),
        "keypoints": lambda: heatmap.picture(stats),
        "retention": lambda: curves.retention(stats),
        "losses": lambda: curves.losses(context),
    }
    drawn = {name: make() for name, make in makers.items()}
    known = {name: picture for name, picture in drawn.items() if picture}
    return known | paper_figures.all_of(context)


FOREST_ROWS = (
    ("primary", "all facts"),
    ("seen", "seen facts"),
    ("unseen", "unseen facts"),
    ("blind", "name hidden"),
    ("general", "general"),
)


def forest(stats: Data) -> Picture | None:
    """Paired differences with intervals around zero and the margin."""
    rows = [
        (
            arm,
            f"{words.ARM_NAMES[arm]}, {_named(stats, key, name)} "
            f"(n = {words.count(block.get('n'))})",
            block,
        )
        for arm in tables.compared(stats)
        for key, name in FOREST_ROWS
        if _in_points(stats, key) and _has_interval(block := pick(stats, "comparisons", arm, key))
    ]
    if not rows:
        return None
    margin = pick(stats, "plan", "margin_points")

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        if words.is_number(margin):
            axes.axvspan(-margin, margin, color=BAND, lw=0)
        axes.axvline(0, color=INK, lw=1)
        for y, (arm, _, block) in enumerate(rows):
            _whisker(axes, y, block, arm)
        axes.set_yticks(range(len(rows)), [name for _, name, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("Difference after - before (points)")

    described = [
        f"{name}: {words.points(block['delta'])} points, "
        f"{words.interval('closed_acc', block['low'], block['high'])}"
        for _, name, block in rows
    ]
    band = f" Grey band: plus or minus {words.text(margin)} points." if margin else ""
    alt = f"Differences after minus before with intervals. {'; '.join(described)}.{band}"
    title = f"Differences with {words.level(stats)} intervals"
    if band:
        title += "; the grey band is the margin of the plan"
    return finish(draw("forest", 0.9 + 0.32 * len(rows), paint), alt, "forest", title)


def _named(stats: Data, key: str, name: str) -> str:
    if key == "primary" and tables.endpoint(stats) == "keypoint_recall":
        return "key points stated"
    return name


def _in_points(stats: Data, key: str) -> bool:
    return key != "primary" or words.is_share(tables.endpoint(stats))


def _has_interval(block: Any) -> bool:
    return all(words.is_number(pick(block, key)) for key in ("delta", "low", "high"))


def _whisker(axes: "Axes", y: float, block: Data, arm: str) -> None:
    colour = ARM_COLOURS[arm]
    axes.plot([100 * block["low"], 100 * block["high"]], [y, y], color=colour, lw=2)
    axes.plot([100 * block["delta"]], [y], ARM_MARKERS[arm], color=colour, ms=7)


def relations(stats: Data) -> Picture | None:
    """Accuracy by relation: a dot per arm with its Wilson interval."""
    arms = [arm for arm in words.ARMS if pick(stats, "arms", arm, "by_relation")]
    names = sorted({name for arm in arms for name in stats["arms"][arm]["by_relation"]})
    if not names:
        return None

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for rank, arm in enumerate(arms):
            offset = (rank - (len(arms) - 1) / 2) * 0.18
            for y, name in enumerate(names):
                cell = pick(stats, "arms", arm, "by_relation", name) or {}
                _wilson(axes, y + offset, cell, arm=arm, level=words.confidence(stats))
            axes.plot([], [], ARM_MARKERS[arm], color=ARM_COLOURS[arm], label=words.ARM_NAMES[arm])
        axes.set_yticks(range(len(names)), [_relation_label(stats, arms, name) for name in names])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(0, 100)
        axes.set_xlabel(f"Accuracy (%), Wilson {words.level(stats)} intervals")
        axes.grid(axis="x", color=GRID, lw=0.6)
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper center", ncols=2)

    alt = "Accuracy by relation and arm with Wilson intervals; the numbers are in the table below."
    svg = draw("relations", 1.3 + 0.62 * len(names), paint)
    return finish(svg, alt, "relations", "Accuracy by relation")


def _relation_label(stats: Data, arms: Sequence[str], name: str) -> str:
    n = next((pick(stats, "arms", arm, "by_relation", name, "n") for arm in arms), None)
    return f"{words.label(name)} (n = {words.count(n)})"


def _wilson(axes: "Axes", y: float, cell: Data, *, arm: str, level: float) -> None:
    n, accuracy = cell.get("n"), cell.get("acc")
    if not (words.is_number(n) and words.is_number(accuracy) and n):
        return
    from titer.evaluation.statistics import wilson_interval

    ends = wilson_interval(round(accuracy * n), int(n), level=level)
    colour = ARM_COLOURS[arm]
    axes.plot([100 * ends.low, 100 * ends.high], [y, y], color=colour, lw=1.5)
    axes.plot([100 * accuracy], [y], ARM_MARKERS[arm], color=colour, ms=5)


def dose(stats: Data) -> Picture | None:
    """Gain by the number of training documents that state the fact."""
    series = {
        arm: [b for b in pick(stats, "comparisons", arm, "dose") or [] if _has_interval(b)]
        for arm in tables.compared(stats)
    }
    series = {arm: blocks for arm, blocks in series.items() if blocks}
    if not series:
        return None
    bins = list(dict.fromkeys(str(b.get("bin")) for blocks in series.values() for b in blocks))

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.axhline(0, color=INK, lw=1)
        for rank, (arm, blocks) in enumerate(series.items()):
            offset = (rank - (len(series) - 1) / 2) * 0.16
            _dose_line(axes, arm, blocks, [bins.index(str(b.get("bin"))) + offset for b in blocks])
        axes.set_xticks(range(len(bins)), bins)
        axes.set_xlabel("Training documents that state the fact")
        axes.set_ylabel("Difference (points)")
        axes.grid(axis="y", color=GRID, lw=0.6)
        figure.legend(loc="outside upper center", ncols=2)

    described = [
        f"{words.ARM_NAMES[arm]}, {b.get('bin')} documents: {words.points(b['delta'])} points "
        f"(n = {words.count(b.get('n'))})"
        for arm, blocks in series.items()
        for b in blocks
    ]
    alt = f"Difference by number of documents stating the fact. {'; '.join(described)}."
    return finish(draw("dose", 3.2, paint), alt, "dose", "Gain by number of documents")


def _dose_line(axes: "Axes", arm: str, blocks: Sequence[Data], xs: Sequence[float]) -> None:
    colour = ARM_COLOURS[arm]
    for x, block in zip(xs, blocks, strict=True):
        axes.plot([x, x], [100 * block["low"], 100 * block["high"]], color=colour, lw=2)
    ys = [100 * block["delta"] for block in blocks]
    name = words.ARM_NAMES[arm]
    axes.plot(xs, ys, ARM_MARKERS[arm], color=colour, ms=7, ls=":", lw=1, label=name)


OUTCOMES = (
    ("got worse", DOWN, "//"),
    ("wrong in both", SAME_WRONG, ""),
    ("right in both", SAME_RIGHT, ""),
    ("improved", UP, ".."),
)


def strip(stats: Data) -> Picture | None:
    """How many items improved, got worse or stayed, one strip per fine-tune."""
    counts = {arm: outcome_counts(stats, arm) for arm in tables.compared(stats)}
    counts = {arm: row for arm, row in counts.items() if sum(row)}
    if not counts:
        return None

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for rank, (name, colour, hatch) in enumerate(OUTCOMES):
            widths = [row[rank] for row in counts.values()]
            lefts = [sum(row[:rank]) for row in counts.values()]
            axes.barh(
                range(len(counts)), widths, left=lefts, height=0.55, color=colour, hatch=hatch,
                edgecolor="white", label=name,
            )  # fmt: skip
        axes.set_yticks(range(len(counts)), [words.ARM_NAMES[arm] for arm in counts])
        axes.set_ylim(len(counts) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("Test items")
        figure.legend(loc="outside upper center", ncols=2)

    described = [f"{words.ARM_NAMES[arm]}: {_outcome_words(row)}" for arm, row in counts.items()]
    alt = "; ".join(described) + "."
    svg = draw("strip", 1.4 + 0.5 * len(counts), paint)
    return finish(svg, alt, "strip", "Items that changed")


def outcome_counts(stats: Data, arm: str) -> list[int]:
    """Numbers of test items in the order of OUTCOMES."""
    base = tables.base_of(stats, arm)
    row = [0, 0, 0, 0]
    for item in items.both_answered(stats, base, arm):
        before, after = bool(item["arms"][base]["correct"]), bool(item["arms"][arm]["correct"])
        row[{(1, 0): 0, (0, 0): 1, (1, 1): 2, (0, 1): 3}[before, after]] += 1
    return row


def _outcome_words(row: Sequence[int]) -> str:
    return ", ".join(f"{n} {name}" for n, (name, _, _) in zip(row, OUTCOMES, strict=True))

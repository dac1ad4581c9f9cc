"""Key points of the open questions: which model states how many of them, question by question.

Invariant: picture and table show the same shares; a question without key points is in neither.
"""

import textwrap
from typing import TYPE_CHECKING, Any

from titer.report import words
from titer.report.drawing import GRID, UP, Picture, draw, finish
from titer.report.tables import Table
from titer.report.words import Data, pick

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABEL_CHARS = 24
"""Of a row's label; more would squeeze the cells on a narrow screen."""
HEAD_CHARS = 9
"""Of a line of a column's head, so that heads do not meet."""
PALEST, DEEPEST = 0.12, 0.6
"""Opacity of a cell from the first key point to all of them: the number stays legible on each."""


def shares(stats: Data) -> tuple[list[str], list[tuple[Data, list[float | None]]]]:
    """The models that answered, and each question with the share of key points that each states.

    The share is a mean over samples, weighted by the points; null where there is no answer.
    """
    answers = [row for row in pick(stats, "answers") or [] if row.get("arms")]
    arms = [arm for arm in words.ARMS if any(arm in row["arms"] for row in answers)]
    rows = [(row, [pick(row, "arms", arm, "recall") for arm in arms]) for row in answers]
    return arms, [(row, found) for row, found in rows if any(map(words.is_number, found))]


def table(stats: Data) -> Table:
    """The numbers of the picture."""
    arms, found = shares(stats)
    head = ["Question", "Category", "Difficulty", *(words.ARM_NAMES[arm] for arm in arms)]
    rows = [
        [words.text(row.get(key)) for key in ("id", "category", "difficulty")]
        + [words.percent(share) for share in given]
        for row, given in found
    ]
    return Table("Key points stated, by question", head, rows, frozenset({0, 1, 2}))


def picture(stats: Data) -> Picture | None:
    """Questions down, models across; the deeper the colour, the more of the points."""
    arms, found = shares(stats)
    if not found:
        return None
    labels = [_label(row) for row, _ in found]
    heads = [_head(words.ARM_NAMES[arm]) for arm in arms]

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for y, (_, given) in enumerate(found):
            for x, share in enumerate(given):
                _cell(axes, x, y, share)
        axes.set_xticks(range(len(arms)), heads)
        axes.xaxis.tick_top()
        axes.set_yticks(range(len(labels)), labels)
        axes.set_xlim(-0.5, len(arms) - 0.5)
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)

    title = "Key points stated in each answer, per cent of the points; deeper colour: more"
    svg = draw("keypoints", 0.7 + 0.25 * len(found), paint)
    return finish(svg, _alt(arms, found), "keypoints", title)


def _head(name: str) -> str:
    lines = textwrap.wrap(name, HEAD_CHARS, break_on_hyphens=False, break_long_words=False)
    return "\n".join(lines)


def _label(row: Data) -> str:
    label = f"{words.text(row.get('id'))} {words.text(row.get('category'))}"
    return label if len(label) <= LABEL_CHARS else f"{label[: LABEL_CHARS - 1].rstrip()}\u2026"


def _cell(axes: "Axes", x: int, y: int, share: Any) -> None:
    if not words.is_number(share):
        axes.text(x, y, "\u2013", ha="center", va="center")
        return
    shape: Any = {"width": 0.94, "left": x - 0.47, "height": 0.88}
    axes.barh(y, **shape, facecolor="none", edgecolor=GRID, lw=0.6)
    if share > 0:
        opacity = PALEST + (DEEPEST - PALEST) * min(share, 1)
        axes.barh(y, **shape, color=UP, alpha=opacity, lw=0)
    axes.text(x, y, f"{100 * share:.0f}", ha="center", va="center")


def _alt(arms: list[str], found: list[tuple[Data, list[float | None]]]) -> str:
    said = []
    for column, arm in enumerate(arms):
        given = [row[column] for _, row in found]
        known = [share for share in given if share is not None]
        if known:
            none = sum(share == 0 for share in known)
            said.append(
                f"{words.ARM_NAMES[arm]}: {words.percent(sum(known) / len(known))} on average, no "
                f"key point in {none} of {len(known)} answers"
            )
    return f"Share of key points stated. {'; '.join(said)}. The numbers are in the table below."

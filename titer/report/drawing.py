"""How a matplotlib figure becomes an SVG element of the page.

Invariant: equal input gives equal bytes (fixed hash salt, no date), and colours are CSS variables
with a fallback, so that the page decides between light and dark.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, GRID, BAND = "#1f2328", "#d0d7df", "#e6eaef"
ARM_COLOURS = {
    "base": "#6b7280",
    "base_few_shot": "#2f7d5b",
    "base_4bit": "#9a6a00",
    "qlora": "#1f5fa8",
    "full": "#7a3f98",
}
ARM_MARKERS = {"base": "o", "base_few_shot": "v", "base_4bit": "s", "qlora": "D", "full": "^"}
UP, DOWN, SAME_RIGHT, SAME_WRONG = "#2b6cb0", "#c05621", "#9aa4af", "#d5dae0"
"""Blue and orange stay apart for colour-blind readers; neither praises nor warns."""

VARIABLES = {
    INK: "ink", GRID: "grid", BAND: "band", UP: "up", DOWN: "down",
    SAME_RIGHT: "same-right", SAME_WRONG: "same-wrong",
    **{colour: f"arm-{arm.replace('_', '-')}" for arm, colour in ARM_COLOURS.items()},
}  # fmt: skip
"""CSS variable of each colour."""

WIDTH_IN = 5.2
"""Inches at 72 units each; with 11-unit text still legible on a narrow screen."""

STYLE: Any = {
    "svg.hashsalt": "titer",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.parse_math": False,  # a name of a user's own with two $ is no formula
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "legend.frameon": False,
}
"""matplotlib settings while a figure is drawn; typed Any because it wants literal keys."""


@dataclass(frozen=True)
class Picture:
    """One figure: an SVG element to be placed inline, and what it shows in words."""

    name: str
    title: str
    svg: str
    alt: str


def draw(name: str, height_in: float, paint: Callable[["Figure"], None]) -> str:
    """The svg element that `paint` makes on an empty figure; `name` makes its ids unique."""
    import matplotlib
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
        paint(figure)
        figure.savefig(
            buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None}
        )
    return _inline(name, buffer.getvalue())


def _inline(name: str, svg: str) -> str:
    """The bare svg element, its ids made unique on the page, its colours made variables."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    svg = re.sub(r"<style.*?</style>\s*", "", svg, flags=re.S)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'<svg ([^>]*?)width="[\d.]+pt" ?', r"<svg \1", svg, count=1, flags=re.S)
    svg = re.sub(r'<svg ([^>]*?)height="[\d.]+pt" ?', r"<svg \1", svg, count=1, flags=re.S)
    svg = re.sub(r"'DejaVu Sans'(, [^;\"]+)?", "sans-serif", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable}, {colour})")
    return svg.strip()


def finish(svg: str, alt: str, name: str, title: str) -> Picture:
    """The drawn element together with the text that stands for it."""
    labelled = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1)
    return Picture(name, title, labelled, alt)

"""The chart of what became of every paper and every example, as an SVG element.

Invariant: boxes hold what is left, notes beside the arrows what is left out and why; every number
stands in the alternative text too. Drawn by hand because text must stay legible at 390 pixels.
"""

import textwrap
from collections.abc import Mapping, Sequence
from html import escape

from titer.report import words
from titer.report.drawing import GRID, INK, UP, Picture, finish
from titer.report.words import Data, pick

PANEL, QUIET = "#f5f6f8", "#57606a"

WIDTH, BOX_WIDTH, BOX_HEIGHT = 374, 166, 42
"""In the units of all figures: 374 of them fill the width of the page."""

NOTE_X, NOTE_CHARACTERS = BOX_WIDTH + 20, 31
LINE_HEIGHT, SHORT_ARROW = 15, 22
MAX_REASONS = 7
"""Most reasons of one note; the rest is summed up."""

CHAINS = (("papers", "Papers"), ("examples", "Examples"))


def chart(papers: Data) -> Picture | None:
    """Both chains of boxes, papers above examples; none where stats.json holds no flow."""
    chains = [(name, pick(papers, "flow", key)) for key, name in CHAINS]
    drawn = [(name, steps) for name, steps in chains if steps]
    if not drawn:
        return None
    parts: list[str] = []
    y = 0
    for name, steps in drawn:
        parts.append(_text(0, y + 14, name, weight=600, size=13))
        y = _chain(parts, steps, y + 24) + 26
    y = _splits(parts, pick(papers, "examples") or {}, y - 26)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 2}">'
        f"{''.join(parts)}</svg>"
    )
    return finish(svg, alternative(papers), "flow", "From papers found to rows used")


def alternative(papers: Data) -> str:
    """Both chains in words, with every number."""
    sentences = [
        f"{name}: {chain_words(steps)}."
        for key, name in CHAINS
        if (steps := pick(papers, "flow", key))
    ]
    splits = pick(papers, "examples") or {}
    if splits:
        sentences.append(
            "Rows: " + ", ".join(f"{words.count(splits[k])} {k}" for k in splits) + "."
        )
    return " ".join(sentences)


def chain_words(steps: Sequence[Data]) -> str:
    """One chain in words: `400 found, each once (left out: no abstract 8), then 392 ...`."""
    return ", then ".join(
        f"{words.count(step.get('n'))} {words.text(step.get('what'))}"
        + (f" (left out: {reasons_words(left_out)})" if (left_out := step.get("left_out")) else "")
        for step in steps
    )


def reasons_words(left_out: Mapping[str, int]) -> str:
    """Reasons with their numbers, the largest first."""
    return ", ".join(f"{words.label(name)} {words.count(n)}" for name, n in ordered(left_out))


def ordered(left_out: Mapping[str, int]) -> list[tuple[str, int]]:
    """Reasons with their numbers, the largest first, equal ones by name."""
    return sorted(left_out.items(), key=lambda item: (-item[1], item[0]))


def _chain(parts: list[str], steps: Sequence[Data], y: int) -> int:
    """Draw boxes and notes from y on; gives the y below the last box."""
    for place, step in enumerate(steps):
        is_last = place == len(steps) - 1
        parts.append(_box(0, y, BOX_WIDTH, step.get("n"), step.get("what"), strong=is_last))
        y += BOX_HEIGHT
        if not is_last:
            lines = _note_lines(step.get("left_out") or {})
            length = max(SHORT_ARROW, len(lines) * LINE_HEIGHT + 12)
            parts.append(_arrow(y, length))
            parts += _note(lines, y, length)
            y += length
    return y


def _note_lines(left_out: Mapping[str, int]) -> list[str]:
    if not left_out:
        return []
    reasons = ordered(left_out)
    if len(reasons) > MAX_REASONS:
        rest = sum(n for _, n in reasons[MAX_REASONS - 1 :])
        n_rest = len(reasons) - MAX_REASONS + 1
        reasons = [*reasons[: MAX_REASONS - 1], (f"{n_rest} further reasons", rest)]
    lines = [f"{words.count(sum(left_out.values()))} left out"]
    for name, n in reasons:
        shown = f"{words.label(name)} {words.count(n)}" if len(reasons) > 1 else words.label(name)
        lines += textwrap.wrap(shown, NOTE_CHARACTERS)
    return lines


def _note(lines: Sequence[str], y: int, length: int) -> list[str]:
    if not lines:
        return []
    middle = y + length / 2
    first = middle - len(lines) * LINE_HEIGHT / 2 + 11
    branch = _line(BOX_WIDTH / 2, middle, NOTE_X - 6, middle)
    return [branch] + [
        _text(NOTE_X, first + place * LINE_HEIGHT, line, weight=600 if place == 0 else 400,
              colour=("ink", INK) if place == 0 else ("quiet", QUIET))
        for place, line in enumerate(lines)
    ]  # fmt: skip


def _splits(parts: list[str], splits: Mapping[str, int], y: int) -> int:
    """Train and validation side by side below the last box; gives the y below them."""
    if not splits:
        return y
    width, gap, fork = (WIDTH - 20) / 2, 20, y + 10
    parts.append(_line(BOX_WIDTH / 2, y, BOX_WIDTH / 2, fork))
    parts.append(_line(BOX_WIDTH / 2, fork, width * 1.5 + gap, fork))
    for place, (name, n) in enumerate(sorted(splits.items())):
        x = place * (width + gap)
        parts.append(
            _arrow(fork, SHORT_ARROW - 6, x=BOX_WIDTH / 2 if place == 0 else x + width / 2)
        )
        parts.append(_box(x, fork + SHORT_ARROW - 6, width, n, name, strong=True))
    return fork + SHORT_ARROW - 6 + BOX_HEIGHT


def _box(x: float, y: float, width: float, n: object, what: object, *, strong: bool) -> str:
    edge = f"var(--up, {UP})" if strong else f"var(--grid, {GRID})"
    return (
        f'<rect x="{x + 1:g}" y="{y:g}" width="{width - 2:g}" height="{BOX_HEIGHT}" rx="5" '
        f'style="fill: var(--panel, {PANEL}); stroke: {edge}; stroke-width: 1.5"/>'
        + _text(x + 10, y + 18, words.count(n), weight=600, size=14)
        + _text(x + 10, y + 34, words.text(what))
    )


def _text(
    x: float, y: float, text: str, *, weight: int = 400, size: float = 11.5,
    colour: tuple[str, str] = ("ink", INK),
) -> str:  # fmt: skip
    style = f"fill: var(--{colour[0]}, {colour[1]}); font-size: {size}px; font-weight: {weight}"
    return f'<text x="{x:g}" y="{y:g}" style="{style}">{escape(text)}</text>'


def _arrow(y: float, length: float, *, x: float = BOX_WIDTH / 2) -> str:
    tip = y + length
    head = (
        f'<path d="M {x - 4:g} {tip - 6:g} L {x:g} {tip - 1:g} L {x + 4:g} {tip - 6:g}" {_STROKE}/>'
    )
    return _line(x, y, x, tip - 1) + head


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M {x1:g} {y1:g} L {x2:g} {y2:g}" {_STROKE}/>'


_STROKE = f'style="fill: none; stroke: var(--quiet, {QUIET}); stroke-width: 1.2"'

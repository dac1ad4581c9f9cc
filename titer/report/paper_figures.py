"""Figures of the papers and the examples: years, licences, recipes, lengths in tokens.

Invariant: every figure has an alternative text with the numbers it shows; what is not known has a
bar like everything else.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from titer.evaluation.arms import FINE_TUNES
from titer.report import flow, words
from titer.report.drawing import DOWN, GRID, INK, SAME_RIGHT, SAME_WRONG, UP, Picture, draw, finish
from titer.report.words import Data, pick

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FILLS = ((UP, ""), (DOWN, "//"), (SAME_RIGHT, "\\\\"), (SAME_WRONG, ""))
"""Colour and hatch of the parts of a stacked bar; further parts share the last."""

SPANS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
MAX_BARS = 24
"""Bars of years at most; with more, each holds several years."""

SPLITS = ("train", "validation")


def all_of(context: Data) -> dict[str, Picture]:
    """Every figure that the data allow, by name."""
    papers = pick(context, "papers") or {}
    drawn = {
        "flow": flow.chart(papers),
        "years": years(papers),
        "licences": licences(papers),
        "recipes": recipes(papers),
        "tokens": tokens(context),
    }
    return {name: picture for name, picture in drawn.items() if picture}


def years(papers: Data) -> Picture | None:
    """Papers per year of publication, stacked by source."""
    by_year = grouped_years(pick(papers, "papers_by_year") or {})
    if not by_year:
        return None
    totals = sources(by_year)

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        bottoms = dict.fromkeys(range(len(by_year)), 0)
        for rank, (source, total) in enumerate(totals.items()):
            colour, hatch = FILLS[min(rank, len(FILLS) - 1)]
            found = [one.get(source, 0) for one in by_year.values()]
            heights = {place: n for place, n in enumerate(found) if n}
            axes.bar(
                [*heights], [*heights.values()], bottom=[bottoms[place] for place in heights],
                width=0.75, color=colour, hatch=hatch, edgecolor="white", lw=0.5,
                label=f"{source} ({words.count(total)})",
            )  # fmt: skip
            for place, height in heights.items():
                bottoms[place] += height
        shown = [*by_year]
        places = range(0, len(shown), max(1, -(-len(shown) // (8 if len(shown[0]) == 4 else 5))))
        axes.set_xticks([*places], [shown[place] for place in places])
        axes.set_ylabel("Papers")
        _ground(axes)
        figure.legend(loc="outside upper center", ncols=2)

    described = [
        f"{year}: {flow.reasons_words(found) or 'none'}" for year, found in by_year.items()
    ]
    alt = f"Papers used per year of publication and source. {'; '.join(described)}."
    return finish(draw("years", 2.9, paint), alt, "years", "Papers used by year and source")


def grouped_years(by_year: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Every year between first and last, or equal spans of years, and then what has no year.

    Spans are the shortest of 1, 2, 5, 10, ... years that give at most MAX_BARS bars.
    """
    known = sorted(int(year) for year in by_year if year.isdigit())
    shown: dict[str, dict[str, int]] = {}
    if known:
        first, last = known[0], known[-1]
        width = next(w for w in SPANS if last // w - first // w < MAX_BARS)
        for start in range(first - first % width, last + 1, width):
            years = [f"{year:04d}" for year in range(start, start + width)]
            name = years[0] if width == 1 else f"{years[0]}\u2013{years[-1][-2:]}"
            shown[name] = joined([by_year[year] for year in years if year in by_year])
    unknown = [by_year[year] for year in by_year if not year.isdigit()]
    return {**shown, **({"not given": joined(unknown)} if unknown else {})}


def sources(by_year: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Papers per source, the largest first."""
    return dict(flow.ordered(joined([*by_year.values()])))


def joined(found: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The sums of several counts, by name."""
    names = sorted({name for one in found for name in one})
    return {name: sum(one.get(name, 0) for one in found) for name in names}


def licences(papers: Data) -> Picture | None:
    """Share of each licence, of the papers and of the rows."""
    both = {
        name: pick(papers, key) or {}
        for name, key in (("papers", "paper_licences"), ("rows", "licences"))
    }
    names = [name for name, _ in flow.ordered(both["papers"] or both["rows"])]
    names += sorted({*both["rows"], *both["papers"]} - {*names})
    if not names:
        return None

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for rank, (what, found) in enumerate(both.items()):
            total = sum(found.values()) or 1
            places = [place + 0.36 * rank for place in range(len(names))]
            shares = [100 * found.get(name, 0) / total for name in names]
            shown = [f"{share:.1f} % ({found.get(name, 0):,})"
                     for share, name in zip(shares, names, strict=True)]  # fmt: skip
            _bars(axes, places, shares, shown, rank=rank, label=what)
        _named_rows(axes, [place + 0.18 for place in range(len(names))], names)
        axes.set_xlim(0, 145)  # room for the numbers beside a full bar
        axes.set_xticks([0, 25, 50, 75, 100])
        axes.set_xlabel("Share (%)")
        figure.legend(loc="outside upper center", ncols=2)

    described = [f"{what}: {flow.reasons_words(found)}" for what, found in both.items() if found]
    svg = draw("licences", 1.3 + 0.62 * len(names), paint)
    return finish(svg, f"Licences. {'; '.join(described)}.", "licences", "Licences")


def recipes(papers: Data) -> Picture | None:
    """Rows per recipe, training and validation."""
    by_split = pick(papers, "recipes") or {}
    names = recipe_names(papers)
    if not names:
        return None
    rows = {split: [(by_split.get(split) or {}).get(name, 0) for name in names] for split in SPLITS}

    def paint(figure: "Figure") -> None:
        from matplotlib.ticker import MaxNLocator, StrMethodFormatter

        axes = figure.subplots()
        for rank, (split, found) in enumerate(rows.items()):
            places = [place + 0.36 * rank for place in range(len(names))]
            _bars(axes, places, found, [f"{n:,}" for n in found], rank=rank, label=split)
        _named_rows(
            axes, [place + 0.18 for place in range(len(names))], [words.label(n) for n in names]
        )
        axes.set_xlim(0, 1.2 * (max(max(found) for found in rows.values()) or 1))
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set_xlabel("Rows")
        figure.legend(loc="outside upper center", ncols=2)

    pairs = zip(names, *rows.values(), strict=True)
    described = [f"{words.label(name)}: {n:,} train, {m:,} validation" for name, n, m in pairs]
    svg = draw("recipes", 1.3 + 0.55 * len(names), paint)
    return finish(svg, f"Rows per recipe. {'; '.join(described)}.", "recipes", "Rows per recipe")


def recipe_names(papers: Data) -> list[str]:
    """Recipes that were chosen, in their order, then others that have rows."""
    by_split = pick(papers, "recipes") or {}
    made = {name for found in by_split.values() for name in found}
    chosen = pick(papers, "settings", "recipes") or []
    return [*chosen, *sorted(made - {*chosen})] if made else []


def _ground(axes: "Axes") -> None:
    axes.grid(axis="y", color=GRID, lw=0.6)
    axes.set_axisbelow(True)


def _bars(
    axes: "Axes", places: Sequence[float], widths: Sequence[float], shown: Sequence[str], *,
    rank: int, label: str,
) -> None:  # fmt: skip
    colour, hatch = FILLS[rank]
    drawn = axes.barh(
        places, widths, height=0.32, color=colour, hatch=hatch, edgecolor="white", label=label
    )
    axes.bar_label(drawn, shown, padding=4, fontsize=10, color=INK)


def _named_rows(axes: "Axes", places: Sequence[float], names: Sequence[str]) -> None:
    axes.set_yticks(places, names)
    axes.set_ylim(len(names) - 0.3, -0.35)
    axes.tick_params(axis="y", length=0)


def trained_tokens(context: Data) -> tuple[str, Data] | None:
    """The first fine-tune that recorded its row lengths, with its training rows' lengths."""
    for arm in FINE_TUNES:
        found = pick(context, "training", arm, "run", "tokens", "train")
        if found and found.get("counts"):
            return arm, found
    return None


def tokens(context: Data) -> Picture | None:
    """Histogram of the training rows' lengths in tokens."""
    found = trained_tokens(context)
    if not found:
        return None
    arm, lengths = found
    width, counts = lengths["bin_tokens"], lengths["counts"]
    limit = pick(context, "training", arm, "run", "settings", "max_length")

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        lefts = [width * place for place in range(len(counts))]
        axes.bar(lefts, counts, width=width, align="edge", color=UP, edgecolor="white", lw=0.5)
        if words.is_number(limit) and limit <= width * len(counts):
            axes.axvline(limit, color=INK, lw=1, ls="--", label="longest allowed")
            figure.legend(loc="outside upper center")
        axes.set_xlabel("Tokens per training row")
        axes.set_ylabel("Rows")
        axes.set_xlim(left=0)
        _ground(axes)

    alt = f"Lengths of training rows in tokens. {tokens_words(lengths, limit)}."
    return finish(draw("tokens", 2.7, paint), alt, "tokens", "Training rows by length in tokens")


def tokens_words(lengths: Data, limit: object) -> str:
    """Deciles of row lengths in words, with the limit and what it cost."""
    tenths = pick(lengths, "deciles") or []
    if len(tenths) != 11:
        return words.NOT_RECORDED
    allowed = f" (longest allowed: {words.count(limit)})" if words.is_number(limit) else ""
    return (
        f"{words.count(lengths.get('n'))} rows: shortest {words.count(tenths[0])}, "
        f"half below {words.count(tenths[5])}, nine tenths below {words.count(tenths[9])}, "
        f"longest {words.count(tenths[10])}{allowed}; "
        f"{words.count(lengths.get('n_dropped'))} dropped as too long"
    )

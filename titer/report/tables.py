"""The tables that report.html and report.md share, each cell already a text.

Invariant: a table holds only arms that ran; `not_run` says why the others are missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from titer.evaluation.arms import FINE_TUNES
from titer.report import words
from titer.report.words import Data, pick

CONTROLS = (
    ("seen", "closed_acc_seen", "Seen facts", "may rise: the papers state these facts"),
    ("unseen", "closed_acc_unseen", "Unseen facts", "should not rise: no paper states them"),
    ("blind", "closed_blind_acc", "Disease name hidden", "should not rise: cannot be known"),
)
"""Key in a comparison, metric, name, and what the control has to show."""


@dataclass
class Table:
    """A head and rows of texts of equal length."""

    caption: str
    head: Sequence[str]
    rows: list[list[str]]
    words_columns: frozenset[int] = field(default_factory=lambda: frozenset({0}))
    """Columns that hold words; all others hold numbers and are set to the right."""


def compared(stats: Data) -> list[str]:
    """The fine-tunes with a comparison that ran."""
    comparisons = pick(stats, "comparisons") or {}
    return [
        arm
        for arm in FINE_TUNES
        if arm in comparisons and pick(comparisons, arm, "status") in ("ok", None)
    ]


def base_of(stats: Data, arm: str) -> str:
    """The arm that a fine-tune is compared with: equal precision, so that training is judged."""
    fallback = "base_4bit" if arm == "qlora" else "base"
    return str(pick(stats, "comparisons", arm, "base") or fallback)


def not_run(stats: Data) -> list[str]:
    """One sentence for each arm that did not run."""
    sentences = []
    for arm in words.ARMS:
        for block in ("arms", "comparisons"):
            if pick(stats, block, arm, "status") == "not_run":
                reason = pick(stats, block, arm, "reason") or pick(
                    stats, "comparisons", arm, "reason"
                )
                sentences.append(f"{words.ARM_NAMES[arm]}: not run ({words.text(reason)}).")
                break
    return sentences


def primary(stats: Data) -> Table:
    """The primary endpoint of each fine-tune with interval and test."""
    metric = endpoint(stats)
    level = words.level(stats)
    head = ["Fine-tune", "Compared with", "n", "Before", "After"]
    head += [f"Difference ({words.unit(metric)})", f"{level} interval", "p", "p (Holm)"]
    rows = []
    for arm in compared(stats):
        block = pick(stats, "comparisons", arm, "primary") or {}
        rows.append(
            [
                words.ARM_NAMES[arm],
                words.ARM_NAMES[base_of(stats, arm)],
                *_paired_cells(metric, block),
                words.p_value(block.get("p")),
                words.p_value(block.get("p_holm")),
            ]
        )
    name = words.METRIC_NAMES.get(metric, words.label(metric))
    return Table(f"{name}; {words.paired_test(metric)} test", head, rows, frozenset({0, 1}))


def endpoint(stats: Data) -> str:
    """The metric that the plan declares primary."""
    for arm in compared(stats):
        found = pick(stats, "comparisons", arm, "primary", "endpoint")
        if found:
            return str(found)
    return str(pick(stats, "plan", "primary") or "closed_acc")


def _paired_cells(metric: str, block: Data) -> list[str]:
    return [
        words.count(block.get("n")),
        words.value(metric, block.get("base")),
        words.value(metric, block.get("arm")),
        words.delta(metric, block.get("delta")),
        words.interval(metric, block.get("low"), block.get("high")),
    ]


def behind_primary(stats: Data) -> Table:
    """The four counts behind each paired difference, and its error clustered by disease."""
    metric = endpoint(stats)
    head = ["Fine-tune", "n", "Right in both", "Only after", "Only before", "Right in neither"]
    head += ["Clustered standard error", "Detectable with 80 % power"]
    rows = []
    for arm in compared(stats):
        block = pick(stats, "comparisons", arm, "primary") or {}
        counts = ("n", "both", "only_new", "only_base", "neither")
        rows.append(
            [words.ARM_NAMES[arm]]
            + [words.count(block.get(key)) for key in counts]
            + [words.size(metric, block.get(key)) for key in ("clustered_se", "mde80")]
        )
    return Table("What the difference is made of", head, rows)


def controls(stats: Data) -> Table:
    """Seen, unseen and blind accuracy of each fine-tune, and the effect of 4-bit alone."""
    head = ["Comparison", "Control", "n", "Before", "After"]
    head += ["Difference (points)", f"{words.level(stats)} interval", "What it shows"]
    rows = []
    for arm in compared(stats):
        for key, metric, name, meaning in CONTROLS:
            block = pick(stats, "comparisons", arm, key)
            if block:
                cells = _paired_cells(metric, block)
                rows.append([words.ARM_NAMES[arm], name, *cells, meaning])
    quantisation = pick(stats, "quantisation")
    if quantisation and pick(quantisation, "status") in ("ok", None):
        metric = endpoint(stats)
        cells = _paired_cells(metric, quantisation)
        if not words.is_share(metric):
            cells[3] += f" {words.unit(metric)}"
        name = "All test facts" if metric == "closed_acc" else words.METRIC_NAMES[metric]
        rows.append(["4-bit against base", name, *cells, "the price of 4-bit alone"])
    return Table("Controls: intervals only, no tests", head, rows, frozenset({0, 1, 7}))


def dose(stats: Data) -> Table:
    """Gain by the number of training documents that state a fact."""
    head = ["Fine-tune", "Documents stating the fact", "n", "Before", "After"]
    head += ["Difference (points)", f"{words.level(stats)} interval"]
    rows = [
        [words.ARM_NAMES[arm], words.text(block.get("bin")), *_paired_cells("closed_acc", block)]
        for arm in compared(stats)
        for block in pick(stats, "comparisons", arm, "dose") or []
    ]
    return Table("Dose-response", head, rows, frozenset({0, 1}))


def by_relation(stats: Data) -> Table:
    """Accuracy of every arm by relation."""
    arms = [arm for arm in words.ARMS if pick(stats, "arms", arm, "by_relation")]
    relations = sorted({name for arm in arms for name in stats["arms"][arm]["by_relation"]})
    rows = []
    for name in relations:
        cells = [pick(stats, "arms", arm, "by_relation", name) or {} for arm in arms]
        n = next((cell["n"] for cell in cells if words.is_number(cell.get("n"))), None)
        shown = [words.percent(cell.get("acc")) for cell in cells]
        rows.append([words.label(name), words.count(n), *shown])
    head = ["Relation", "n", *(words.ARM_NAMES[arm] for arm in arms)]
    return Table("Accuracy by relation", head, rows)


def measures(stats: Data, *, leave_out: Sequence[str] = ()) -> Table:
    """Every other metric of every arm that ran: described, not tested."""
    arms = [arm for arm in words.ARMS if pick(stats, "arms", arm, "metrics")]
    known = [
        name
        for name in words.METRIC_NAMES
        if name not in leave_out
        and any(words.is_number(stats["arms"][arm]["metrics"].get(name)) for arm in arms)
    ]
    rows = []
    for name in known:
        scores = [words.value(name, pick(stats, "arms", arm, "metrics", name)) for arm in arms]
        rows.append([words.METRIC_NAMES[name], words.count(_n_of(stats, arms, name)), *scores])
    extra = sorted({key for arm in arms for key in pick(stats, "arms", arm, "descriptive") or {}})
    for name in extra:
        shown = [words.text(pick(stats, "arms", arm, "descriptive", name)) for arm in arms]
        rows.append([words.label(name), "-", *shown])
    head = ["Measure", "n", *(words.ARM_NAMES[arm] for arm in arms)]
    return Table("All measures: described, not tested", head, rows)


def _n_of(stats: Data, arms: list[str], metric: str) -> Any:
    key = words.N_KEYS.get(metric, "")
    blocks = [pick(stats, "comparisons", arm, metric) or {} for arm in arms]
    found = [pick(stats, "arms", arm, "metrics", key) for arm in arms]
    found += [block.get("n") for block in blocks]
    if key in ("n_open", f"n_{metric}"):
        found.append(len(pick(stats, "answers") or []) or None)
    return next((n for n in found if n is not None), None)


def retention(stats: Data) -> Table:
    """What happened to everything that was not trained."""
    head = ["Fine-tune", "Measure", "n", "Before", "After", "Change"]
    head += [f"{words.level(stats)} interval", "Within the margin"]
    rows = []
    for arm in compared(stats):
        block = pick(stats, "comparisons", arm) or {}
        name = words.ARM_NAMES[arm]
        rows += [[name, *row] for row in (_general_row(block), _ood_row(block)) if row]
        rows += [[name, *row] for row in _secondary_rows(block)]
    return Table("Retention and secondary measures", head, rows, frozenset({0, 1}))


def _general_row(block: Data) -> list[str]:
    general = block.get("general")
    if not general:
        return []
    cells = _paired_cells("general_acc", general)
    measurable = general.get("measurable") is not False
    within = words.text(general.get("non_inferior")) if measurable else "not measurable"
    return ["General questions (points)", *cells, within]


def _ood_row(block: Data) -> list[str]:
    bits = block.get("bpb_ood")
    if not bits:
        return []
    return [
        "Bits per byte, general texts",
        words.count(bits.get("n")),
        words.number(bits.get("base")),
        words.number(bits.get("arm")),
        words.change_percent(bits.get("ratio")),
        words.ratio_interval(bits.get("low"), bits.get("high")),
        words.text(bits.get("non_inferior")),
    ]


def _secondary_rows(block: Data) -> list[list[str]]:
    rows = []
    indomain = block.get("bpb_indomain")
    if indomain:
        before, after = indomain.get("before"), indomain.get("after")
        known = words.is_number(before) and words.is_number(after) and before
        change = words.change_percent(after / before) if known else words.NOT_RECORDED
        scores = [words.number(before), words.number(after), change]
        n = words.count(indomain.get("n"))
        rows.append(["Bits per byte, held-out papers", n, *scores, "-", "-"])
    for key, name in (
        ("keypoint_recall", "Key points stated (points)"),
        ("ref_bpb", "Bits per byte, reference answers"),
    ):
        if block.get(key):
            rows.append([name, *_paired_cells(key, block[key]), "-"])
    return rows

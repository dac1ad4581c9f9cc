"""Numbers and names as every page prints them, so that one number reads the same everywhere.

Invariant: a value that is absent or null becomes NOT_RECORDED; nothing here raises on it.
"""

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

Data = Mapping[str, Any]
"""A JSON object as read from stats.json or a run record."""

NOT_RECORDED = "not recorded"

ARMS = ("base", "base_few_shot", "base_4bit", "qlora", "full")
"""Every arm, in the order of each table."""

ARM_NAMES = {
    "base": "Base model",
    "base_few_shot": "Base model, shown examples",
    "base_4bit": "Base model, 4-bit",
    "qlora": "QLoRA",
    "full": "Full fine-tune",
}

METRIC_NAMES = {
    "closed_acc": "Closed-form accuracy, all test facts",
    "closed_acc_norm": "Closed-form accuracy, per character",
    "closed_acc_seen": "Accuracy on seen facts",
    "closed_acc_unseen": "Accuracy on unseen facts",
    "closed_acc_reverse": "Accuracy, reverse direction",
    "closed_blind_acc": "Accuracy without the disease name",
    "general_acc": "General questions",
    "gold_prob": "Probability of the right choice",
    "brier": "Brier score (lower is better)",
    "prompt_range": "Accuracy in the best wording less that in the worst",
    "keypoint_recall": "Key points stated",
    "rubric_score": "Rubric score",
    "ref_bpb": "Bits per byte of reference answers (lower is better)",
    "bpb_ood": "Bits per byte of general texts (lower is better)",
    "rouge_l": "ROUGE-L",
    "token_f1": "Token F1",
    "truncated_rate": "Answers cut at the token limit",
    "empty_rate": "Empty answers",
}

N_KEYS = {
    "closed_acc": "n_closed",
    "closed_acc_norm": "n_closed",
    "closed_acc_seen": "n_seen",
    "closed_acc_unseen": "n_unseen",
    "closed_blind_acc": "n_closed",
    "gold_prob": "n_closed",
    "brier": "n_closed",
    "prompt_range": "n_closed",
    "general_acc": "n_general",
    "keypoint_recall": "n_keypoint_recall",
    "rubric_score": "n_rubric_score",
    "ref_bpb": "n_ref_bpb",
    "rouge_l": "n_rouge_l",
    "token_f1": "n_token_f1",
    "truncated_rate": "n_open",
    "empty_rate": "n_open",
}
"""Which count of an arm's metrics says how many items a metric rests on."""

VERDICTS = {
    "helped": "helped",
    "hurt": "hurt",
    "equivalent": "made no relevant difference",
    "inconclusive": "inconclusive",
    "invalid": "INVALID, no conclusion",
}

NOT_ADVICE = "Not reviewed by a clinician, not medical advice."


def pick(data: Any, *keys: str) -> Any:
    """The value below nested keys, or None where a key or a level is absent."""
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value can be printed as a number: not null, not a truth value, finite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def text(value: Any) -> str:
    """Any plain value as text: counts with commas, floats with four digits, yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return NOT_RECORDED
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if math.isfinite(value) else NOT_RECORDED
    return str(value)


def label(key: str) -> str:
    """A key of a JSON object as words: `per_recipe` becomes `per recipe`."""
    return key.replace("_", " ").strip()


def count(value: Any) -> str:
    """A whole number, 1,234."""
    return f"{round(value):,}" if is_number(value) else NOT_RECORDED


def number(value: Any, digits: int = 3) -> str:
    """A plain number with fixed decimals, never a negative zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}" if is_number(value) else NOT_RECORDED


def signed(value: Any, digits: int = 3) -> str:
    """A difference with its sign, never a negative zero."""
    return f"{round(value, digits) + 0.0:+.{digits}f}" if is_number(value) else NOT_RECORDED


def percent(share: Any) -> str:
    """A share in [0, 1] as 41.2 %."""
    return f"{number(share * 100, 1)} %" if is_number(share) else NOT_RECORDED


def points(delta: Any) -> str:
    """A difference of two shares in percentage points with its sign, +11.9, without the word."""
    return signed(delta * 100, 1) if is_number(delta) else NOT_RECORDED


def change_percent(ratio: Any) -> str:
    """A ratio as a change, 1.032 becomes +3.2 %."""
    return f"{signed((ratio - 1) * 100, 1)} %" if is_number(ratio) else NOT_RECORDED


def p_value(p: Any) -> str:
    """A p-value with three decimals, `< 0.001` below that."""
    if not is_number(p):
        return NOT_RECORDED
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: Any) -> str:
    """A p-value for running text: `p < 0.001`, `p = 0.031`."""
    shown = p_value(p)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def duration(seconds: Any) -> str:
    """Seconds below two minutes, else minutes or hours."""
    if not is_number(seconds):
        return NOT_RECORDED
    if seconds < 120:
        return f"{number(seconds, 1)} s"
    return f"{number(seconds / 60, 1)} min" if seconds < 7200 else f"{number(seconds / 3600, 1)} h"


def short_hash(value: Any) -> str:
    """The first twelve digits of a hash."""
    return str(value)[:12] if value else NOT_RECORDED


def is_share(metric: str) -> bool:
    """Whether a metric is a share, compared in points, and not bits or a plain score."""
    return metric.endswith(
        ("_acc", "_rate", "_norm", "_seen", "_unseen", "_reverse", "_recall", "_range")
    )


def value(metric: str, score: Any) -> str:
    """A score in the form of its metric: 41.2 %, or 1.138."""
    return percent(score) if is_share(metric) else number(score)


def delta(metric: str, difference: Any) -> str:
    """A difference in the form of its metric, without the unit: +11.9 (points), or -0.038."""
    return points(difference) if is_share(metric) else signed(difference)


def interval(metric: str, low: Any, high: Any) -> str:
    """Both ends of an interval of a difference: +5.7 to +18.1."""
    if not (is_number(low) and is_number(high)):
        return NOT_RECORDED
    return f"{delta(metric, low)} to {delta(metric, high)}"


def ratio_interval(low: Any, high: Any) -> str:
    """Both ends of an interval of a ratio, as changes: +1.0 % to +5.4 %."""
    if not (is_number(low) and is_number(high)):
        return NOT_RECORDED
    return f"{change_percent(low)} to {change_percent(high)}"


def size(metric: str, amount: Any) -> str:
    """An unsigned amount with its unit, `7.0 points`: a margin or a detectable effect."""
    if not is_number(amount):
        return NOT_RECORDED
    if is_share(metric):
        return f"{number(amount * 100, 1)} points"
    return f"{number(amount)} {unit(metric)}"


def unit(metric: str) -> str:
    """What the differences of a metric are counted in."""
    if is_share(metric):
        return "points"
    return "bits per byte" if "bpb" in metric else "score units"


def confidence(stats: Data) -> float:
    """The level of all intervals as the plan set it, .95 where it is silent."""
    alpha = pick(stats, "plan", "alpha")
    return 1 - alpha if is_number(alpha) else 0.95


def level(stats: Data) -> str:
    """The confidence level of all intervals as text, `95 %`."""
    return f"{100 * confidence(stats):g} %"


def paired_test(metric: str) -> str:
    """The test behind a paired comparison of this metric."""
    paired_binary = is_share(metric) and metric != "keypoint_recall"
    return "exact McNemar" if paired_binary else "sign-flip permutation"


def numbers_line(stats: Data, arm: str) -> str:
    """The primary result of one fine-tune in one line, every number with its n and interval."""
    primary = pick(stats, "comparisons", arm, "primary") or {}
    metric = primary.get("endpoint") or pick(stats, "plan", "primary") or "closed_acc"
    shown = (
        f"{METRIC_NAMES.get(metric, label(metric))}: {value(metric, primary.get('base'))} before, "
        f"{value(metric, primary.get('arm'))} after, difference "
        f"{delta(metric, primary.get('delta'))} {unit(metric)} ({level(stats)} interval "
        f"{interval(metric, primary.get('low'), primary.get('high'))}), "
        f"n = {count(primary.get('n'))}, {p_equals(primary.get('p'))}"
    )
    holm = primary.get("p_holm")
    return shown + (f", after Holm's correction {p_equals(holm)}." if is_number(holm) else ".")

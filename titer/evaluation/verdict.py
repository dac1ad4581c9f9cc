"""Did the fine-tune help? The rules that decide, and the words that say it.

Invariant: a function of numbers that were planned before training; the first rule that fits wins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from titer.config import PlanSettings
from titer.evaluation.statistics import Interval

HELPED, HURT, EQUIVALENT = "helped", "hurt", "equivalent"
INCONCLUSIVE, INVALID = "inconclusive", "invalid"

NUMBERS = {HELPED: 1, HURT: -1, EQUIVALENT: 0, INCONCLUSIVE: 0, INVALID: 0}
"""The verdict as metrics.json prints it; an invalid one shows in gates.failed."""

MIN_ITEMS = 50
"""Below this many items nothing is decided."""

NAMES = {
    "closed_acc": "closed-form accuracy",
    "keypoint_recall": "the share of key points stated",
    "ref_bpb": "bits per byte of the reference answers",
}
UNITS = {
    "closed_acc": ("fact", "facts"),
    "keypoint_recall": ("question", "questions"),
    "ref_bpb": ("question", "questions"),
}
LOWER_IS_BETTER = frozenset({"ref_bpb"})


@dataclass(frozen=True)
class Gate:
    """One check that a comparison has to pass before its numbers mean anything."""

    name: str
    failed: bool
    detail: str


@dataclass(frozen=True)
class Primary:
    """The primary endpoint of one comparison."""

    endpoint: str
    n: int
    base: float
    arm: float
    interval: Interval
    """Of arm minus base."""
    p_holm: float
    mde80: float | None


def primary_of(block: Mapping[str, Any], p_holm: float) -> Primary:
    """The endpoint as a paired block of `comparing` describes it.

    Args:
        block: with n, base, arm, delta, low, high and mde80.
        p_holm: its p-value, corrected for the comparisons that the plan names.
    """
    return Primary(
        endpoint=block["endpoint"],
        n=block["n"],
        base=block["base"],
        arm=block["arm"],
        interval=Interval(block["delta"], block["low"], block["high"]),
        p_holm=p_holm,
        mde80=block["mde80"],
    )


def decide(primary: Primary | None, gates: Sequence[Gate], plan: PlanSettings) -> str:
    """One of helped, hurt, equivalent, inconclusive and invalid.

    Args:
        primary: None where no item could be compared.
        gates: a failed one makes the comparison invalid.
        plan: alpha and the margins.
    """
    if any(gate.failed for gate in gates):
        return INVALID
    if primary is None or primary.n < MIN_ITEMS:
        return INCONCLUSIVE
    if _at_bound(primary):
        return INCONCLUSIVE
    better = towards_better(primary.endpoint, primary.interval)
    if better.low > 0 and primary.p_holm < plan.alpha:
        return HELPED
    if better.high < 0:
        return HURT
    margin = margin_of(primary, plan)
    return EQUIVALENT if -margin < better.low and better.high < margin else INCONCLUSIVE


def _at_bound(primary: Primary) -> bool:
    """Whether both models have the lowest or the highest share in every item: no room to differ."""
    ends = primary.interval
    no_spread = ends.low == ends.high and primary.base == primary.arm
    return no_spread and _is_share(primary.endpoint) and primary.base in (0, 1)


def towards_better(endpoint: str, ends: Interval) -> Interval:
    """A difference's interval with the sign that makes a better model positive."""
    if endpoint in LOWER_IS_BETTER:
        return Interval(-ends.estimate, -ends.high, -ends.low)
    return ends


def margin_of(primary: Primary, plan: PlanSettings) -> float:
    """Half width of the equivalence band, in the endpoint's own unit."""
    if primary.endpoint == "ref_bpb":
        return plan.margin_bpb * primary.base
    return plan.margin_points / 100


def sentence(
    verdict: str, primary: Primary | None, gates: Sequence[Gate], plan: PlanSettings
) -> str:
    """The verdict in plain words: effect, interval, number of items, detectable effect.

    "This checkpoint", because one training seed says nothing about the recipe.
    """
    if verdict == INVALID:
        failed = "; ".join(gate.detail for gate in gates if gate.failed)
        return f"No conclusion: the comparison is invalid ({failed})."
    if primary is None:
        fewest = "no fact" if plan.primary == "closed_acc" else "fewer than two questions"
        return f"Inconclusive (too few items): both models answered {fewest}."
    return f"{_opening(verdict, primary, plan)} {_evidence(primary, plan)}"


def _opening(verdict: str, primary: Primary, plan: PlanSettings) -> str:
    name = NAMES[primary.endpoint]
    if verdict == HELPED:
        return f"This checkpoint is better than its base on {name}."
    if verdict == HURT:
        return f"This checkpoint is worse than its base on {name}."
    if verdict == EQUIVALENT:
        margin = _size(primary.endpoint, margin_of(primary, plan))
        return (
            f"This checkpoint equals its base on {name}: any difference is smaller than {margin}."
        )
    if primary.n < MIN_ITEMS:
        units = UNITS[primary.endpoint][primary.n != 1]
        return (
            f"Inconclusive (too few items): {primary.n} {units}, at least {MIN_ITEMS} are needed."
        )
    if _at_bound(primary):
        value = _value(primary.endpoint, primary.base)
        return f"Inconclusive (no room to differ): both models have {value} in every question."
    return f"Inconclusive: the data show neither a difference on {name} nor its absence."


def _evidence(primary: Primary, plan: PlanSettings) -> str:
    endpoint, ends = primary.endpoint, primary.interval
    level = f"{100 * (1 - plan.alpha):g} %"
    singular, plural = UNITS[endpoint]
    numbers = (
        f"{_value(endpoint, primary.base)} before, {_value(endpoint, primary.arm)} after, "
        f"difference {_signed(endpoint, ends.estimate)} ({level} interval "
        f"{_signed(endpoint, ends.low)} to {_signed(endpoint, ends.high)}, "
        f"{_p(primary.p_holm)}), {primary.n} {singular if primary.n == 1 else plural}."
    )
    return f"{numbers} {_missed(primary)}"


def _missed(primary: Primary) -> str:
    if primary.interval.low == primary.interval.high:
        return "The differences have no spread, so what it could have missed is not known."
    if primary.mde80 is None:
        return "With so few items no change can be found with 80 % power."
    size = _size(primary.endpoint, primary.mde80)
    return f"It could have missed changes below {size} (80 % power)."


def _is_share(endpoint: str) -> bool:
    return not endpoint.endswith("bpb")


def _value(endpoint: str, value: float) -> str:
    return f"{100 * value:.1f} %" if _is_share(endpoint) else f"{value:.3f}"


def _signed(endpoint: str, value: float) -> str:
    if _is_share(endpoint):
        return f"{_not_minus_zero(100 * value, 1):+.1f} points"
    return f"{_not_minus_zero(value, 3):+.3f} bits per byte"


def _not_minus_zero(value: float, digits: int) -> float:
    return round(value, digits) + 0.0


def _size(endpoint: str, value: float) -> str:
    return f"{100 * value:.1f} points" if _is_share(endpoint) else f"{value:.3f} bits per byte"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


@dataclass(frozen=True)
class Retention:
    """What happened to abilities that were not trained."""

    n: int
    base: float
    accuracy: Interval | None
    """Of arm minus base on general questions; None where nothing was compared."""
    measurable: bool
    """Whether the base is better than chance."""
    kept_answers: bool
    """Whether a loss as large as the margin is ruled out on the general questions."""
    bits: Interval | None
    """Ratio of the bits per byte of general texts, arm over base."""
    kept_texts: bool
    """Whether a rise as large as the margin is ruled out on the general texts."""


def retention_sentence(retention: Retention, plan: PlanSettings) -> str:
    """What can be said about forgetting, on general questions and on general texts."""
    return f"{_answers_kept(retention, plan)} {_texts_kept(retention, plan)}"


def _answers_kept(retention: Retention, plan: PlanSettings) -> str:
    ends = retention.accuracy
    if ends is None:
        return "General questions: not measured."
    shown = (
        f"{_signed('general_acc', ends.estimate)}, interval {_signed('general_acc', ends.low)} to "
        f"{_signed('general_acc', ends.high)}, {retention.n} items"
    )
    if not retention.measurable:
        return (
            "General questions: forgetting is not measurable, because the base "
            f"({100 * retention.base:.1f} %) is not above chance ({shown})."
        )
    if retention.kept_answers:
        margin = f"{plan.margin_points:g} points"
        return f"General questions: no forgetting beyond the margin of {margin} ({shown})."
    if ends.high < 0:
        return f"General questions: FORGETTING ({shown})."
    return f"General questions: forgetting cannot be ruled out ({shown})."


def _texts_kept(retention: Retention, plan: PlanSettings) -> str:
    ends = retention.bits
    if ends is None:
        return "General texts: not measured."
    shown = (
        f"bits per byte {_change(ends.estimate)}, interval "
        f"{_change(ends.low)} to {_change(ends.high)}"
    )
    if retention.kept_texts:
        margin = f"{100 * plan.margin_bpb:g} %"
        return f"General texts: no forgetting beyond the margin of {margin} ({shown})."
    if ends.low > 1:
        return f"General texts: FORGETTING ({shown})."
    return f"General texts: forgetting cannot be ruled out ({shown})."


def _change(ratio: float) -> str:
    return f"{_not_minus_zero(100 * (ratio - 1), 1):+.1f} %"

"""One fine-tune against its base: paired differences and controls.

Invariant: only items that both arms scored are compared; each block says how many.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from titer.config import PlanSettings
from titer.evaluation import statistics
from titer.evaluation.arm_scores import ArmScores
from titer.evaluation.arms import Arm
from titer.evaluation.choices import SEEN, UNSEEN, Choice
from titer.evaluation.statistics import Interval

DOSES = (("0", 0, 0), ("1-2", 1, 2), ("3-9", 3, 9), ("10+", 10, None))
"""Name, fewest and most training papers that state a fact."""

Block = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """Two arms that are compared, with what all comparisons share."""

    base: Arm
    arm: Arm
    base_scores: ArmScores
    arm_scores: ArmScores
    choices: Sequence[Choice]
    """Final choices of the closed test items."""
    plan: PlanSettings

    @property
    def level(self) -> float:
        """Confidence level of every interval."""
        return 1 - self.plan.alpha


def binary(
    pair: Pair, endpoint: str, base: Mapping[str, bool], arm: Mapping[str, bool],
    clusters: Mapping[str, str],
) -> Block | None:  # fmt: skip
    """Paired difference of two shares over the items in both; None if there is none.

    Args:
        pair: for the level.
        endpoint: written into the block.
        base: right or wrong by item; `arm` likewise.
        arm: of the fine-tune.
        clusters: what each item belongs to.
    """
    keys = [key for key in sorted(base) if key in arm]
    if not keys:
        return None
    outcomes = [(arm[key], base[key]) for key in keys]
    cells = [outcomes.count(cell) for cell in ((True, True), (True, False), (False, True))]
    both, only_new, only_base = cells
    n, neither = len(keys), len(keys) - sum(cells)
    ends = statistics.newcombe_interval(both, only_new, only_base, neither, level=pair.level)
    losses = max(only_base / n, statistics.MIN_SHARE_OF_LOSSES)
    differences = [float(new) - float(old) for new, old in outcomes]
    return {
        "endpoint": endpoint,
        "n": n,
        "base": (both + only_base) / n,
        "arm": (both + only_new) / n,
        **_ends(ends),
        "p": statistics.exact_mcnemar(only_new, only_base),
        "both": both,
        "only_new": only_new,
        "only_base": only_base,
        "neither": neither,
        "clustered_se": statistics.clustered_se(differences, [clusters[key] for key in keys]),
        "mde80": statistics.mde80(n, losses, alpha=pair.plan.alpha),
    }


def continuous(
    pair: Pair, endpoint: str, base: Mapping[str, float], arm: Mapping[str, float]
) -> Block | None:
    """Paired difference of two means over the questions in both; None below two."""
    keys = [key for key in sorted(base) if key in arm]
    if len(keys) < 2:
        return None
    differences = [arm[key] - base[key] for key in keys]
    ends = statistics.paired_t_interval(differences, level=pair.level)
    return {
        "endpoint": endpoint,
        "n": len(keys),
        "base": sum(base[key] for key in keys) / len(keys),
        "arm": sum(arm[key] for key in keys) / len(keys),
        **_ends(ends),
        "p": statistics.sign_flip_test(differences),
        "mde80": statistics.mde80_mean(differences, alpha=pair.plan.alpha),
    }


def _ends(interval: Interval) -> Block:
    return {"delta": interval.estimate, "low": interval.low, "high": interval.high}


def closed(pair: Pair, endpoint: str = "closed_acc", group: str | None = None) -> Block | None:
    """Closed items of both classes or of one."""
    wanted = {c.key: c.fact.disease for c in pair.choices if group in (None, c.group)}
    base, arm = pair.base_scores.correct, pair.arm_scores.correct
    return binary(pair, endpoint, _only(base, wanted), _only(arm, wanted), wanted)


def _only(outcomes: Mapping[str, bool], wanted: Mapping[str, str]) -> dict[str, bool]:
    return {key: outcome for key, outcome in outcomes.items() if key in wanted}


def primary(pair: Pair) -> Block | None:
    """The endpoint that the plan declares."""
    name = pair.plan.primary
    if name == "closed_acc":
        return closed(pair)
    base, arm = pair.base_scores.answers, pair.arm_scores.answers
    return continuous(pair, name, getattr(base, name), getattr(arm, name))


def dose(pair: Pair) -> list[Block]:
    """Gain by the number of training papers that state the fact; empty bins are left out."""
    blocks = []
    for name, fewest, most in DOSES:
        inside = {
            c.key: c.fact.disease
            for c in pair.choices
            if c.seen_docs >= fewest and (most is None or c.seen_docs <= most)
        }
        base, arm = pair.base_scores.correct, pair.arm_scores.correct
        block = binary(pair, "closed_acc", _only(base, inside), _only(arm, inside), inside)
        if block is not None:
            blocks.append({"bin": name, **block})
    return blocks


def dose_trend(pair: Pair) -> Block | None:
    """Rise of the gain per bin of the dose, in shares; None where all facts share a bin."""
    base, arm = pair.base_scores.correct, pair.arm_scores.correct
    items = [c for c in pair.choices if c.key in base and c.key in arm]
    bins = [float(_dose_bin(choice.seen_docs)) for choice in items]
    differences = [float(arm[c.key]) - float(base[c.key]) for c in items]
    ends = statistics.trend_interval(differences, bins, level=pair.level)
    return None if ends is None else {"slope": ends.estimate, "low": ends.low, "high": ends.high}


def _dose_bin(seen_docs: int) -> int:
    return max(index for index, (_, fewest, _) in enumerate(DOSES) if seen_docs >= fewest)


def general(pair: Pair) -> Block | None:
    """General questions: whether the base can do them, and whether the arm still can."""
    items = pair.base.of("general")
    clusters = {key: str(item.row["cluster"]) for key, item in items.items()}
    base, arm = pair.base_scores.general, pair.arm_scores.general
    block = binary(pair, "general_acc", base, arm, clusters)
    if block is None:
        return None
    chance = sum(1 / len(items[key].candidates) for key in base if key in arm) / block["n"]
    known = statistics.wilson_interval(
        block["both"] + block["only_base"], block["n"], level=pair.level
    )
    ends = Interval(block["delta"], block["low"], block["high"])
    margin = pair.plan.margin_points / 100
    return block | {
        "chance": chance,
        "measurable": known.low > chance,
        "non_inferior": statistics.non_inferior(ends, margin=margin),
    }


def general_texts(pair: Pair) -> Block | None:
    """Bits per byte of general texts as a ratio; None below two texts."""
    keys = [key for key in sorted(pair.base.texts) if key in pair.arm.texts]
    if len(keys) < 2:
        return None
    base = [pair.base_scores.bits[key] for key in keys]
    arm = [pair.arm_scores.bits[key] for key in keys]
    ends = statistics.ratio_interval(base, arm, level=pair.level)
    loss = Interval(1 - ends.estimate, 1 - ends.high, 1 - ends.low)
    return {
        "n": len(keys),
        "base": pair.base_scores.metrics["bpb_ood"],
        "arm": pair.arm_scores.metrics["bpb_ood"],
        "ratio": ends.estimate,
        "low": ends.low,
        "high": ends.high,
        "non_inferior": statistics.non_inferior(loss, margin=pair.plan.margin_bpb),
    }


def blocks(pair: Pair) -> Block:
    """Every block of a comparison that does not depend on other comparisons."""
    base, arm = pair.base_scores, pair.arm_scores
    diseases = {choice.key: choice.fact.disease for choice in pair.choices}
    return {
        "primary": primary(pair),
        "seen": closed(pair, "closed_acc_seen", SEEN),
        "unseen": closed(pair, "closed_acc_unseen", UNSEEN),
        "blind": binary(pair, "closed_blind_acc", base.blind, arm.blind, diseases),
        "general": general(pair),
        "bpb_ood": general_texts(pair),
        "ref_bpb": continuous(pair, "ref_bpb", base.answers.ref_bpb, arm.answers.ref_bpb),
        "keypoint_recall": continuous(
            pair, "keypoint_recall", base.answers.keypoint_recall, arm.answers.keypoint_recall
        ),
        "dose": dose(pair),
        "dose_trend": dose_trend(pair),
    }

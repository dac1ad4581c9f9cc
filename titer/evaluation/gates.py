"""The checks that a comparison has to pass before its numbers mean anything.

Invariant: every check is listed, passed or failed, with what was seen.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from titer.evaluation.arms import Scored
from titer.evaluation.comparing import Block, Pair
from titer.evaluation.verdict import Gate
from titer.records import Question

MAX_TRUNCATED = 0.05
"""Share of cut answers above which endpoints scored from generated text mean nothing."""


def check(
    pair: Pair, found: Block, questions: Sequence[Question], contamination: Mapping[str, Any]
) -> list[Gate]:
    """The checks that a comparison has to pass.

    Args:
        pair: the two arms.
        found: their `blocks`.
        questions: that were asked.
        contamination: content of contamination.json; `remaining` lists leaks left in training.
    """
    n_left = len(contamination.get("remaining", ()))
    return [
        _same_items(pair),
        _same_prompts(pair),
        _same_hash(pair, "tokenizer"),
        _same_hash(pair, "chat_template"),
        _likelihoods(pair, questions),
        _answers(pair, questions),
        Gate(
            "contamination", n_left > 0, f"{n_left} leaks of benchmark items in the training data"
        ),
        _blind(found),
        _unseen(found),
        _truncated(pair),
    ]


def _same_items(pair: Pair) -> Gate:
    base, arm = ({*one.items, *one.texts, *one.broken} for one in (pair.base, pair.arm))
    differing = sorted(base ^ arm)
    both = sorted(pair.base.items.keys() & pair.arm.items.keys())
    differing += [
        key for key in both if _asked(pair.base.items[key]) != _asked(pair.arm.items[key])
    ]
    detail = f"{len(differing)} items or texts are not the same in both models"
    return Gate("items", bool(differing), _named(detail, differing))


def _asked(item: Scored) -> tuple[Sequence[str], Sequence[str]]:
    return item.candidates, item.wordings


def _named(detail: str, ids: Sequence[str]) -> str:
    return f"{detail}, first {ids[0]}" if ids else detail


def _same_prompts(pair: Pair) -> Gate:
    base, arm = pair.base.prompts, pair.arm.prompts
    differing = [key for key in sorted(base.keys() & arm.keys()) if base[key] != arm[key]]
    detail = f"{len(differing)} prompts are not the same in both models"
    return Gate("prompts", bool(differing), _named(detail, differing))


def _same_hash(pair: Pair, name: str) -> Gate:
    base, arm = (one.run.get(f"{name}_sha256") for one in (pair.base, pair.arm))
    label = name.replace("_", " ")
    if base is None or arm is None:
        return Gate(name, False, f"the {label} is not recorded for both models")
    if base == arm:
        return Gate(name, False, f"both models have the same {label}")
    return Gate(name, True, f"the models differ in their {label}")


def _likelihoods(pair: Pair, questions: Sequence[Question]) -> Gate:
    broken = sorted({*pair.base.broken.values(), *pair.arm.broken.values()})
    if pair.plan.primary == "ref_bpb":
        broken += _without_likelihood(pair, [q for q in questions if q.reference_answer])
    detail = f"{len(broken)} rows hold a likelihood that is missing or not a number"
    return Gate("likelihoods", bool(broken), _named(detail, broken))


def _without_likelihood(pair: Pair, questions: Sequence[Question]) -> list[str]:
    """Answers, of either model, whose reference has no likelihood: the pair leaves the verdict."""
    both = ((pair.base, pair.base_scores), (pair.arm, pair.arm_scores))
    return [
        f"{question.id} of {one.name}"
        for one, scores in both
        for question in questions
        if question.id in one.answers and question.id not in scores.answers.ref_bpb
    ]


def _answers(pair: Pair, questions: Sequence[Question]) -> Gate:
    needed = [pair.arm]
    if pair.base.answers or pair.plan.primary != "closed_acc":
        needed.append(pair.base)
    missing = [
        f"{question.id} of {one.name}"
        for one in needed
        for question in questions
        if not one.answers.get(question.id)
        or any(answer.error for answer in one.answers[question.id])
    ]
    detail = f"{len(missing)} answers are missing or failed"
    return Gate("answers", bool(missing), _named(detail, missing))


def _blind(found: Block) -> Gate:
    risen = _risen(found["blind"])
    detail = "accuracy without the disease's name " + ("rose" if risen else "did not clearly rise")
    return Gate("blind", risen, detail)


def _risen(block: Block | None) -> bool:
    return bool(block) and block is not None and bool(block["low"] > 0)


def _unseen(found: Block) -> Gate:
    if not _risen(found["unseen"]):
        return Gate("unseen", False, "accuracy on unseen facts did not clearly rise")
    if _risen(found["dose_trend"]):
        detail = "accuracy on unseen facts rose, and more so the more papers state a fact"
        return Gate("unseen", False, detail)
    detail = "accuracy on unseen facts rose, and not more so where papers state the fact"
    return Gate("unseen", True, detail)


def _truncated(pair: Pair) -> Gate:
    rate = max(
        one.metrics.get("truncated_rate", 0.0) for one in (pair.base_scores, pair.arm_scores)
    )
    detail = f"{100 * rate:.1f} % of the answers were cut at the token limit"
    if pair.plan.primary != "keypoint_recall":
        return Gate("truncated", False, f"{detail}; the primary endpoint needs no answers")
    return Gate(
        "truncated",
        rate > MAX_TRUNCATED,
        f"{detail}, at most {100 * MAX_TRUNCATED:g} % are allowed",
    )

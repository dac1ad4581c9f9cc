"""All numbers of one arm: closed items through the metric modules, texts, answers.

Invariant: an absent number means that nothing was measured; no number is ever made up for it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from titer.evaluation import choices, metrics, open_answers
from titer.evaluation.arms import Arm
from titer.evaluation.choices import SEEN, UNSEEN, Choice
from titer.records import Question


@dataclass(frozen=True)
class Selection:
    """The final choices of every direction and format, test part only."""

    cloze: list[Choice]
    """Forward cloze: the primary endpoint."""
    reverse: list[Choice]
    letter: list[Choice]


@dataclass(frozen=True)
class ArmScores:
    """What one arm got, item by item and in sum."""

    correct: dict[str, bool]
    """Of closed test items, by key."""
    blind: dict[str, bool]
    general: dict[str, bool]
    bits: dict[str, float]
    """Of general texts, whole text."""
    answers: open_answers.OpenScores
    metrics: dict[str, float | int]
    by_relation: dict[str, dict[str, float | int]]
    descriptive: dict[str, float]
    rows: dict[str, dict[str, Any]]
    """pred, correct, gold_prob and margin of each closed test item."""


def score(
    arm: Arm,
    selection: Selection,
    questions: Sequence[Question],
    lexicon: Sequence[str],
    overrides: open_answers.Overrides,
) -> ArmScores:
    """Score one arm.

    Args:
        selection: final choices of the closed items.
        questions: open ones; answers to safety items are scored in `safety`.
        lexicon: words of the domain, counted in answers.
        overrides: clinicians' verdicts on key points.
    """
    cloze = choices.shared(selection.cloze, arm)
    blind_items = [choice for choice in cloze if arm.items[choice.key].blind is not None]
    correct = _correct(cloze, choices.scores(cloze, arm))
    blind = _correct(blind_items, choices.blind_scores(blind_items, arm))
    general = _general(arm)
    answers = open_answers.score(arm, questions, overrides)
    numbers: dict[str, float | int | None] = {
        **_closed(arm, cloze, blind_items),
        **_by_class(cloze, correct),
        "closed_blind_acc": _share(blind),
        "closed_acc_reverse": _accuracy(choices.shared(selection.reverse, arm), arm),
        "closed_acc_letter": _accuracy(choices.shared(selection.letter, arm), arm),
        "general_acc": _share(general),
        "n_general": len(general),
        "bpb_ood": _bits_per_byte(arm),
        **answers.metrics(),
        "n_open": sum(question.id in arm.answers for question in questions),
        **open_answers.rates(arm, questions),
    }
    return ArmScores(
        correct=correct,
        blind=blind,
        general=general,
        bits={key: -ll for key, (ll, _) in arm.texts.items()},
        answers=answers,
        metrics={name: number for name, number in numbers.items() if number is not None},
        by_relation=_by_relation(cloze, correct),
        descriptive=open_answers.describe(arm, questions, lexicon),
        rows=_rows(cloze, arm, correct),
    )


def _correct(items: Sequence[Choice], scores: Sequence[Sequence[float]]) -> dict[str, bool]:
    gold = [choice.gold for choice in items]
    return dict(zip((c.key for c in items), _module_correct(scores, gold), strict=True))


def _module_correct(scores: Sequence[Sequence[float]], gold: Sequence[int]) -> list[bool]:
    return [
        bool(hit) for hit in metrics.compute("closed_accuracy", scores, gold).get("correct", ())
    ]


def _share(outcomes: Mapping[str, bool]) -> float | None:
    return metrics.share(list(outcomes.values())) if outcomes else None


def _accuracy(items: Sequence[Choice], arm: Arm) -> float | None:
    return _share(_correct(items, choices.scores(items, arm)))


def _closed(
    arm: Arm, cloze: Sequence[Choice], blind_items: Sequence[Choice]
) -> dict[str, float | int | None]:
    """Accuracy of the same items under other rules, and how sure the model was."""
    scores, gold = choices.scores(cloze, arm), [choice.gold for choice in cloze]
    named = ["\n".join((choice.texts[choice.gold], *choice.texts)) for choice in cloze]
    asked, blind = choices.scores(blind_items, arm), choices.blind_scores(blind_items, arm)
    both = [[*row, *hidden] for row, hidden in zip(asked, blind, strict=True)]
    return {
        "closed_acc": _share(_correct(cloze, scores)),
        **metrics.compute("normalised_accuracy", scores, named),
        **metrics.compute("pmi_accuracy", both, [choice.gold for choice in blind_items]),
        **metrics.compute("calibration", scores, gold),
        "prompt_range": _prompt_range(cloze, arm),
        "n_closed": len(cloze),
    }


def _prompt_range(cloze: Sequence[Choice], arm: Arm) -> float | None:
    """Accuracy in the wording that suits the model best, less that in the worst one."""
    by_wording = choices.scores_by_wording(cloze, arm)
    if len(by_wording) < 2:
        return None
    most = len(by_wording)
    gold = [c.gold for c in cloze if len(arm.items[c.key].ll_by_wording) == most]
    shares = [metrics.share(_module_correct(scores, gold)) for scores in by_wording]
    return max(shares) - min(shares)


def _by_class(cloze: Sequence[Choice], correct: Mapping[str, bool]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for group in (SEEN, UNSEEN):
        outcomes = {c.key: correct[c.key] for c in cloze if c.group == group}
        found |= {f"closed_acc_{group}": _share(outcomes), f"n_{group}": len(outcomes)}
    return found


def _by_relation(
    cloze: Sequence[Choice], correct: Mapping[str, bool]
) -> dict[str, dict[str, float | int]]:
    groups: dict[str, list[bool]] = defaultdict(list)
    for choice in cloze:
        groups[choice.fact.relation].append(correct[choice.key])
    return {
        relation: {"n": len(outcomes), "acc": metrics.share(outcomes)}
        for relation, outcomes in sorted(groups.items())
    }


def _general(arm: Arm) -> dict[str, bool]:
    items = arm.of("general")
    scores, gold = [item.ll for item in items.values()], [item.gold for item in items.values()]
    return dict(zip(items, _module_correct(scores, gold), strict=True))


def _bits_per_byte(arm: Arm) -> float | None:
    scores, sizes = [ll for ll, _ in arm.texts.values()], [n for _, n in arm.texts.values()]
    return metrics.compute("bits_per_byte", scores, sizes).get("bits_per_byte")


def _rows(
    cloze: Sequence[Choice], arm: Arm, correct: Mapping[str, bool]
) -> dict[str, dict[str, Any]]:
    rows = {}
    for choice, scores in zip(cloze, choices.scores(cloze, arm), strict=True):
        ranked = sorted(scores, reverse=True)
        rows[choice.key] = {
            "pred": scores.index(ranked[0]),
            "correct": correct[choice.key],
            "gold_prob": metrics.probabilities(scores)[choice.gold],
            "margin": ranked[0] - ranked[1],
        }
    return rows

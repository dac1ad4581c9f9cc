"""What the answers' scores do not show: unscored questions, clinicians' reviews, the judge.

Invariant: a judge never enters a verdict, and its agreement with people is printed beside it.
"""

from typing import Any

from titer.report import words
from titer.report.words import Data, pick

NO_REVIEW = "No clinician has reviewed an answer of this run."


def everything(stats: Data) -> list[str]:
    """What stands above the answers: unscored questions, reviews, judge."""
    return [*unscored(stats), *reviews(stats), *judge(stats)]


def reviews(stats: Data) -> list[str]:
    """How many verdicts clinicians gave, how they agree with the matcher, and which are stale."""
    block = pick(stats, "reviews") or {}
    lines = [_reviewed(block)]
    if stale := block.get("stale"):
        lines.append(
            f"Stale reviews, of answers that changed or questions not asked: {_list(stale)}."
        )
    if split := block.get("contradicted"):
        lines.append(f"Reviews that contradict each other, not applied: {_list(split)}.")
    return lines


def _reviewed(block: Data) -> str:
    if not block.get("n"):
        return NO_REVIEW
    return (
        f"Clinicians' verdicts on key points: {words.count(block['n'])}, of which "
        f"{words.count(block.get('applied'))} are applied; "
        f"{_agreement(block)} with the phrase matcher."
    )


def _agreement(block: Data) -> str:
    kappa = block.get("kappa")
    shown = f"Cohen's kappa {words.number(kappa, 2)}" if words.is_number(kappa) else "no kappa"
    return f"agreement {words.percent(block.get('agreement'))} ({shown})"


def _list(rows: list[Data]) -> str:
    return ", ".join(
        f"{row.get('item_id')} {row.get('key_point')} ({row.get('reviewer')})" for row in rows
    )


def unscored(stats: Data) -> list[str]:
    """How many open questions are shown and not scored, because they lack what scores need."""
    counts = pick(stats, "counts") or {}
    asked = words.count(counts.get("open_questions"))
    return [
        f"{words.count(n)} of {asked} open questions have no {what}: answered, not scored by it."
        for what, key in (
            ("key points", "open_without_key_points"),
            ("reference answer", "open_without_reference"),
        )
        if (n := counts.get(key))
    ]


def judge(stats: Data) -> list[str]:
    """What the optional judge said; nothing where it is switched off."""
    block = pick(stats, "judge") or {}
    if block.get("status") == "not_run":
        return [f"Judge: not run ({words.text(block.get('reason'))})."]
    if block.get("status") != "ok":
        return []
    return [_judged(block), *(_pair(arm, row) for arm, row in sorted(_pairs(block).items()))]


def _judged(block: Data) -> str:
    recall = ", ".join(
        f"{words.ARM_NAMES[arm]} {words.percent(share)}"
        for arm, share in sorted((block.get("recall") or {}).items())
    )
    people, matcher = block.get("people") or {}, block.get("matcher") or {}
    with_people = (
        f"{_agreement(people)} with {words.count(people['n'])} verdicts of clinicians"
        if people.get("n")
        else "agreement with people unknown, because none reviewed these answers"
    )
    return (
        f"Judge {words.text(block.get('model'))}, in no verdict: key points stated by {recall}; "
        f"{with_people}; {_agreement(matcher)} with the phrase matcher.{_unclear(block)}"
    )


def _unclear(block: Data) -> str:
    n = block.get("unclear") or 0
    if not n:
        return ""
    return f" {words.count(n)} replies could not be read; they count as no, or as a tie."


def _pairs(block: Data) -> dict[str, Any]:
    return dict(block.get("pairs") or {})


def _pair(arm: str, row: Data) -> str:
    return (
        f"Judge, {words.ARM_NAMES[arm]} against {words.ARM_NAMES[str(row.get('base'))]}: "
        f"{words.count(row.get('wins'))} better, {words.count(row.get('losses'))} worse, "
        f"{words.count(row.get('ties'))} ties (a verdict that turns with the order is a tie)."
    )

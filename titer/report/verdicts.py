"""The verdict box: what is said of each fine-tune, in the same words on every page.

Invariant: the scorer's sentence decides; its own numbers are repeated only where it has none.
"""

import logging
from typing import Any

from titer.evaluation.arms import FINE_TUNES
from titer.report import tables, words
from titer.report.words import Data, pick

logger = logging.getLogger(__name__)


def of(stats: Data) -> list[dict[str, Any]]:
    """What the verdict box says of each fine-tune, those that did not run included."""
    known = [arm for arm in FINE_TUNES if pick(stats, "comparisons", arm) is not None]
    return [_verdict(stats, arm) for arm in known]


def log(stats: Data) -> None:
    """Say the verdicts where the stage runs, in the words of the report."""
    for verdict in of(stats):
        logger.info("%s: %s. %s", verdict["name"], verdict["word"], " ".join(verdict["lines"]))


def _verdict(stats: Data, arm: str) -> dict[str, Any]:
    block = pick(stats, "comparisons", arm) or {}
    name = words.ARM_NAMES[arm]
    if arm not in tables.compared(stats):
        reason = f"Reason: {words.text(block.get('reason'))}."
        return {"name": name, "word": "not run", "lines": [reason], "failed": []}
    sentence = str(block.get("sentence") or words.numbers_line(stats, arm))
    lines = [sentence, block.get("retention_sentence")]
    failed = failed_gates(stats, arm)
    return {
        "name": name,
        "word": words.VERDICTS.get(str(block.get("verdict")), words.NOT_RECORDED),
        "lines": [line for line in lines if line],
        "failed": [f"{check}: {detail}" for check, detail in failed if detail not in sentence],
    }


def retention(stats: Data) -> list[str]:
    """The retention sentence of each fine-tune that ran."""
    said = {
        arm: pick(stats, "comparisons", arm, "retention_sentence") for arm in tables.compared(stats)
    }
    return [f"{words.ARM_NAMES[arm]}: {words.text(line)}" for arm, line in said.items()]


def plan(stats: Data) -> str:
    """What was promised before training, in one sentence."""
    block = pick(stats, "plan") or {}
    family = ", ".join(str(arm) for arm in block.get("family") or []) or words.NOT_RECORDED
    margin, bits = words.text(block.get("margin_points")), block.get("margin_bpb")
    bits = f"{100 * bits:g} %" if words.is_number(bits) else words.NOT_RECORDED
    return (
        f"Plan: primary endpoint {words.text(block.get('primary'))}, alpha "
        f"{words.text(block.get('alpha'))}, margins \u00b1{margin} "
        f"points and \u00b1{bits} of the bits per byte, Holm's correction over {family}."
    )


def tried(context: Data) -> str:
    """Among how many settings those of each fine-tune were chosen, in one sentence."""
    counts = pick(context, "trials") or {}
    shown = ", ".join(
        f"{words.ARM_NAMES[arm]} {counts[arm]}" for arm in FINE_TUNES if counts.get(arm)
    )
    if not shown:
        return "Trials of a sweep before this run: none recorded."
    return f"Settings tried in sweeps, the validation loss deciding: {shown}."


def gates(stats: Data) -> tables.Table:
    """The checks that make a comparison invalid, and how each ended."""
    rows = [
        [
            words.ARM_NAMES[arm],
            words.label(str(gate.get("name"))),
            "failed" if gate.get("failed") else "passed",
            words.text(gate.get("detail")),
        ]
        for arm in FINE_TUNES
        for gate in pick(stats, "comparisons", arm, "gates") or []
    ]
    head = ["Fine-tune", "Check", "Result", "Detail"]
    return tables.Table("Validity checks", head, rows, frozenset({0, 1, 2, 3}))


def failed_gates(stats: Data, arm: str) -> list[tuple[str, str]]:
    """The failed checks of one comparison, each with its detail."""
    return [
        (words.label(str(gate.get("name"))), words.text(gate.get("detail")))
        for gate in pick(stats, "comparisons", arm, "gates") or []
        if gate.get("failed")
    ]

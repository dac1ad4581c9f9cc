"""Which single items changed, which hang by a thread, and what the run could not have seen.

Invariant: only items of the test part that both arms answered are looked at.
"""

from typing import Any

from titer.report import tables, words
from titer.report.words import Data, pick

N_CHANGED = 10
"""Items listed as improved and as worse."""

FRAGILE_MARGIN = 0.1
"""Nats between the best two choices below which number formats can flip an item."""


def changed(stats: Data, arm: str) -> tuple[list[Data], list[Data]]:
    """Test items that became right and that became wrong, the largest change first.

    At most N_CHANGED of each, ordered by the change of the right choice's probability, then id.
    """
    base = tables.base_of(stats, arm)
    better, worse = [], []
    for item in both_answered(stats, base, arm):
        before, after = item["arms"][base]["correct"], item["arms"][arm]["correct"]
        if after and not before:
            better.append(item)
        elif before and not after:
            worse.append(item)
    by_gain = [
        sorted(rows, key=lambda item: (-abs(_gain(item, base, arm)), str(item.get("id"))))
        for rows in (better, worse)
    ]
    return by_gain[0][:N_CHANGED], by_gain[1][:N_CHANGED]


def both_answered(stats: Data, base: str, arm: str) -> list[Data]:
    """Items of the test part that both arms answered."""
    return [
        item
        for item in pick(stats, "items") or []
        if item.get("part", "test") == "test"
        and pick(item, "arms", base, "correct") is not None
        and pick(item, "arms", arm, "correct") is not None
    ]


def _gain(item: Data, base: str, arm: str) -> float:
    before, after = (pick(item, "arms", name, "gold_prob") for name in (base, arm))
    return after - before if words.is_number(before) and words.is_number(after) else 0.0


def choice(item: Data, which: Any) -> str:
    """The text of a choice, given by its index or by itself."""
    choices = item.get("choices") or []
    if isinstance(which, int) and not isinstance(which, bool) and 0 <= which < len(choices):
        return str(choices[which])
    return words.text(which)


def n_fragile(stats: Data, arm: str) -> tuple[int, int]:
    """Test items decided by less than FRAGILE_MARGIN in either arm, and all test items."""
    base = tables.base_of(stats, arm)
    items = both_answered(stats, base, arm)
    margins = [[pick(item, "arms", name, "margin") for name in (base, arm)] for item in items]
    small = [
        pair
        for pair in margins
        if any(words.is_number(m) and abs(m) < FRAGILE_MARGIN for m in pair)
    ]
    return len(small), len(items)


def power(stats: Data) -> list[str]:
    """What this run could not have seen, one sentence per fine-tune."""
    metric = tables.endpoint(stats)
    sentences = []
    for arm in tables.compared(stats):
        block = pick(stats, "comparisons", arm, "primary") or {}
        fragile, n_items = n_fragile(stats, arm)
        sentence = f"{words.ARM_NAMES[arm]}: with n = {words.count(block.get('n'))} "
        sentence += _missed(metric, block)
        if n_items:
            sentence += (
                f" {fragile} of {n_items} test items were decided by a margin below "
                f"{FRAGILE_MARGIN} nats (fragile)."
            )
        sentences.append(sentence)
    return sentences


def _missed(metric: str, primary: Data) -> str:
    if not primary.get("n"):
        return "nothing could be compared."
    if primary.get("low") is not None and primary.get("low") == primary.get("high"):
        return "the differences have no spread, so what this run could have missed is not known."
    if "mde80" in primary and primary["mde80"] is None:
        return "this run could have found no change with 80 % power."
    size = words.size(metric, primary.get("mde80"))
    return f"this run could not have seen changes below {size} (80 % power)."

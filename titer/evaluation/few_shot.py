"""Solved examples before a closed question: what the base can do once it is shown the form.

Invariant: examples come from the dev part only, never from the disease that is asked about, and
their answers are none of the item's candidates. Chosen by sha256, the same on every machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from titer import files
from titer.errors import ConfigError
from titer.evaluation.items import word_key
from titer.records import ClosedItem

Shots = Mapping[str, Sequence[ClosedItem]]
"""Solved examples by the id of the item that they precede, in the order of the prompt."""


def prepare(items: Sequence[ClosedItem], n_shots: int) -> tuple[list[ClosedItem], Shots]:
    """The items of the test part that are asked with examples, and those examples.

    Forward cloze items on facts; nothing is asked question-blind, since the examples would show
    which answers are popular.

    Raises:
        ConfigError: an item has fewer suitable examples than `n_shots`.
    """
    facts = [
        item
        for item in items
        if (item.set, item.direction, item.format) == ("facts", "forward", "cloze")
    ]
    dev = [item for item in facts if item.part == "dev"]
    asked = [replace(item, blind_question=None) for item in facts if item.part == "test"]
    return asked, {item.id: examples(item, dev, n_shots) for item in asked}


def examples(item: ClosedItem, dev: Sequence[ClosedItem], n_shots: int) -> list[ClosedItem]:
    """Solved examples for one item, in its own wording where the relation is the same.

    The same relation comes first and diseases and answers differ, so that neither shows what to
    pick. An answer among the item's candidates would be copied rather than known.

    Raises:
        ConfigError: fewer than `n_shots` are suitable.
    """
    used = {word_key(text) for text in item.candidates}
    clusters = {item.cluster}
    found: list[ClosedItem] = []
    for example in sorted(dev, key=lambda other: _rank(item, other)):
        answer = word_key(example.candidates[example.gold])
        if len(found) == n_shots:
            break
        if answer not in used and example.cluster not in clusters:
            found.append(example)
            used.add(answer)
            clusters.add(example.cluster)
    if len(found) < n_shots:
        raise ConfigError(
            f"eval.few_shot = {n_shots}: {item.id} has {len(found)} suitable examples in the dev "
            f"part. Set it to at most {len(found)}"
        )
    return found[::-1]  # the likest stand next to the question


def _rank(item: ClosedItem, example: ClosedItem) -> tuple[bool, bool, str]:
    return (
        example.relation != item.relation,
        example.template_id != item.template_id,
        files.sha256_text(f"{item.fact_id}|shown {example.fact_id}"),
    )


def messages(shots: Sequence[ClosedItem], question: str) -> list[dict[str, str]]:
    """A conversation in which every example is answered and the question is not."""
    turns: list[dict[str, str]] = []
    for shot in shots:
        turns.append({"role": "user", "content": shot.question})
        turns.append({"role": "assistant", "content": shot.candidates[shot.gold]})
    return [*turns, {"role": "user", "content": question}]

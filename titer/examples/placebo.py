"""Training rows whose answers belong to other prompts: what a fine-tune learns without knowledge.

Same prompts, same answers, same number of tokens; within each recipe the answers change places, so
form and wording can be learned and facts cannot. Only `titer study placebo` asks for it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from titer.records import Example


def exchanged(examples: Sequence[Example], *, seed: int) -> list[Example]:
    """The rows in their order, each with the answer of another row of its recipe.

    A recipe with a single row keeps it. The rows go round in one seeded circle, so that none but
    rows of equal answers keeps its own. Spans stay with the prompt: they no longer give the answer.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        groups[example.recipe].append(index)
    rows = list(examples)
    for members in groups.values():
        circle = sorted(members, key=lambda index: _place(examples[index].id, seed))
        for index, giver in zip(circle, circle[1:] + circle[:1], strict=True):
            messages = [*examples[index].messages[:-1], examples[giver].messages[-1]]
            rows[index] = replace(examples[index], messages=messages, weak=True)
    return rows


def _place(example_id: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}|placebo|{example_id}".encode()).hexdigest()

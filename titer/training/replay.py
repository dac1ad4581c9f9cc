"""General text among the training rows, against forgetting (`examples.replay`).

Invariant: the rows come from data/pretraining, which is disjoint from the general items of the
benchmark (a test shows it), and the same seed gives the same rows.
"""

import random
from pathlib import Path

from titer.errors import DataError
from titer.modeling.chat_template import ask
from titer.modeling.pocket import Material, read_material
from titer.records import Example

RECIPE = "replay"


def replay_examples(texts: Path, *, share: float, n_train: int, seed: int) -> list[Example]:
    """General rows that make up `share` of all training rows together with `n_train` others.

    Args:
        texts: data/pretraining.
        share: in [0, 1); 0 gives no row.
    Raises:
        DataError: there is too little general text for that share.
    """
    n_rows = round(n_train * share / (1 - share))
    if not n_rows:
        return []
    pool = general_dialogues(read_material(texts))
    if n_rows > len(pool):
        most = len(pool) / (len(pool) + n_train)
        raise DataError(
            f"examples.replay = {share}: {n_rows} general rows are needed and {texts} gives "
            f"{len(pool)}. Lower it to {most:.2f} at most"
        )
    return [_example(*pair) for pair in random.Random(seed).sample(pool, n_rows)]


def general_dialogues(material: Material) -> list[tuple[str, str]]:
    """Questions and answers on everyday facts, and paragraphs to be continued, in fixed order."""
    asked = [
        (wording.format(subject=fact["subject"]), fact["object"])
        for fact in material.facts
        for wording in material.wordings[fact["relation"]]["questions"]
    ]
    continued = []
    for paragraph in material.prose:
        first, dot, rest = paragraph.partition(". ")
        if dot and rest.strip():
            continued.append((f"Continue this text: {first}.", rest.strip()))
    return list(dict.fromkeys(asked + continued))


def _example(question: str, answer: str) -> Example:
    return Example(
        id=f"{RECIPE}:{question}",
        messages=[*ask(question), {"role": "assistant", "content": answer}],
        recipe=RECIPE, recipe_version=1, paper_id=RECIPE, source="pretraining", title="",
        spans=[], cluster_id=RECIPE,
    )  # fmt: skip

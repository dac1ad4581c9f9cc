"""Rule E of the contamination gate: the question in other words, by a text encoder.

Invariant: which encoder it is, this module does not know; it is given a function from texts to
vectors of length one.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from titer.examples.sentences import sentences
from titer.records import BenchmarkText, Example

Similar = Callable[[Sequence[str]], Any]
"""From n texts to an array (n, size) of vectors of length one, in the given order."""

MIN_SENTENCE_WORDS = 3
EXAMPLES_AT_ONCE = 256
"""So that the vectors of a large collection are never in memory together."""


def paraphrases(
    examples: Sequence[Example],
    benchmark: Sequence[BenchmarkText],
    similar: Similar,
    threshold: float,
) -> Iterator[tuple[int, int, str]]:
    """Number of an example, number of an item that it asks, and the text that does.

    Compared are the prompt, each of its sentences, and prompt + answer with the item's question
    and with its question + answer; of several texts of one example the nearest is named.
    """
    import numpy as np
    from tqdm.auto import tqdm

    if not benchmark:
        return
    asked = [item.question for item in benchmark]
    answered = [f"{item.question}\n{item.answer}" if item.answer else item.question
                for item in benchmark]  # fmt: skip
    vectors = np.asarray(similar([*asked, *answered]))
    items = vectors[: len(asked)], vectors[len(asked) :]
    for start in tqdm(
        range(0, len(examples), EXAMPLES_AT_ONCE), desc="rule E", unit="batch", delay=5
    ):
        texts, owners = _texts(examples[start : start + EXAMPLES_AT_ONCE])
        found = np.asarray(similar(texts))
        cosine = np.maximum(found @ items[0].T, found @ items[1].T)
        best: dict[tuple[int, int], int] = {}
        for text, item in np.argwhere(cosine >= threshold).tolist():
            known = best.setdefault((owners[text], item), text)
            if cosine[text, item] > cosine[known, item]:
                best[owners[text], item] = text
        for (owner, item), text in sorted(best.items()):
            yield start + owner, item, f"{cosine[text, item]:.2f}: {texts[text]}"


def _texts(examples: Sequence[Example]) -> tuple[list[str], list[int]]:
    """What is compared, and the number of the example that each text comes from."""
    texts: list[str] = []
    owners: list[int] = []
    for number, example in enumerate(examples):
        lines = example.prompt.splitlines()
        parts = [line[start:end] for line in lines for start, end in sentences(line)]
        long = [part for part in parts if len(part.split()) >= MIN_SENTENCE_WORDS]
        compared = dict.fromkeys([example.prompt, *long, f"{example.prompt}\n{example.answer}"])
        texts += compared
        owners += [number] * len(compared)
    return texts, owners

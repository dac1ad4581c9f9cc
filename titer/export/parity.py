"""Whether an export answers as the model that was evaluated.

Both continue the same prompts. At every position of the evaluated model's greedy answer the next
tokens of both are compared: how often the likeliest is the same, and the Kullback-Leibler
divergence. Invariant: nothing is sampled.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

N_NEW = 16
"""Tokens of each answer that are compared."""
N_LIKELIEST = 64
"""Of the evaluated model's next tokens; all others count as one."""
N_KNOWN = 512
"""Next tokens that the export is asked for."""
TOP1_BOUND = 0.98
"""Least share of positions with the same likeliest token."""
KL_BOUND = 0.01
"""Largest mean divergence, in nats: beyond it, answers begin to differ."""


class Asked(Protocol):
    """A model in some engine."""

    def greedy(self, prompt: Sequence[int], n_new: int, ends: set[int]) -> list[int]:
        """Ids of the likeliest continuation."""

    def along(
        self, prompt: Sequence[int], continuation: Sequence[int], n: int
    ) -> list[dict[int, float]]:
        """The likeliest next tokens at each position of a continuation."""


@dataclass(frozen=True)
class Reference:
    """What the evaluated model said to one prompt."""

    prompt: list[int]
    answer: list[int]
    likeliest: list[dict[int, float]]


@dataclass(frozen=True)
class Parity:
    """How an export compares with the evaluated model."""

    n_prompts: int
    n_positions: int
    top1_agreement: float
    """Share of positions with the same likeliest token."""
    mean_kl: float
    """Of the export from the evaluated model, nats per position."""
    max_kl: float
    same_answers: int
    """Prompts whose greedy answers are equal, token by token."""

    def reason(self) -> str | None:
        """Why the export may not be called evaluated; null when it may."""
        if self.top1_agreement < TOP1_BOUND:
            return (
                f"the same likeliest token at {self.top1_agreement:.1%} of the positions, bound "
                f"{TOP1_BOUND:.0%}"
            )
        if self.mean_kl > KL_BOUND:
            return f"it differs by {self.mean_kl:.4f} nats per token, bound {KL_BOUND}"
        return None

    def to_json(self) -> dict[str, Any]:
        """For the record of an export, with the bounds."""
        return asdict(self) | {"bounds": {"top1_agreement": TOP1_BOUND, "mean_kl": KL_BOUND}}


def references(
    evaluated: Asked, prompts: Sequence[Sequence[int]], ends: set[int]
) -> list[Reference]:
    """Ask the evaluated model; a bar shows the prompts."""
    from tqdm import tqdm

    found = []
    for prompt in tqdm(prompts, desc="evaluated model", unit="prompt", delay=5):
        answer = evaluated.greedy(prompt, N_NEW, ends)
        along = evaluated.along(prompt, answer, N_LIKELIEST)
        found.append(Reference(list(prompt), answer, along))
    return found


def compare(references: Sequence[Reference], export: Asked, ends: set[int]) -> Parity:
    """Ask the export the same.

    Raises:
        ValueError: there is no prompt.
    """
    from tqdm import tqdm

    if not references:
        raise ValueError("parity needs at least one prompt")
    same, divergences, n_same_answers = [], [], 0
    for one in tqdm(references, desc="export", unit="prompt", delay=5):
        n_same_answers += export.greedy(one.prompt, N_NEW, ends) == one.answer
        theirs = export.along(one.prompt, one.answer, N_KNOWN)
        for expected, found in zip(one.likeliest, theirs, strict=True):
            same.append(_best(expected) == _best(found))
            divergences.append(divergence(expected, found))
    return Parity(
        n_prompts=len(references),
        n_positions=len(same),
        top1_agreement=sum(same) / len(same),
        mean_kl=sum(divergences) / len(divergences),
        max_kl=max(divergences),
        same_answers=n_same_answers,
    )


def _best(likelihoods: Mapping[int, float]) -> int:
    """The likeliest token; of several, the one with the lowest id."""
    return min(likelihoods, key=lambda token: (-likelihoods[token], token))


def divergence(expected: Mapping[int, float], found: Mapping[int, float]) -> float:
    """Kullback-Leibler divergence in nats over the tokens of `expected` and the rest as one.

    Lumping never makes it larger. A token that `found` does not name is taken to be as likely as
    the least likely that it names.

    Args:
        expected, found: token id -> natural log-likelihood.
    """
    floor = min(found.values())
    ours = [math.exp(value) for value in expected.values()]
    theirs = [math.exp(found.get(token, floor)) for token in expected]
    tiny = 1e-9  # of what float32 leaves of a sum that should be 1
    ours.append(max(1.0 - sum(ours), tiny))
    theirs.append(max(1.0 - sum(theirs), tiny))
    return max(sum(p * math.log(p / q) for p, q in zip(ours, theirs, strict=True) if p), 0.0)

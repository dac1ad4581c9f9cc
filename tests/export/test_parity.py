"""How an export is compared with the evaluated model, worked by hand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from titer.export import parity
from titer.export.parity import Parity

ENDS = {0}


@dataclass(frozen=True)
class Table:
    """A model of two tokens whose next one depends on the last alone."""

    chances: dict[int, dict[int, float]]

    def greedy(self, prompt: Sequence[int], n_new: int, ends: set[int]) -> list[int]:
        found: list[int] = []
        while len(found) < n_new:
            row = self.chances[[*prompt, *found][-1]]
            token = max(row, key=lambda key: row[key])
            if token in ends:
                break
            found.append(token)
        return found

    def along(
        self, prompt: Sequence[int], continuation: Sequence[int], n: int
    ) -> list[dict[int, float]]:
        ids = [*prompt, *continuation]
        rows = [self.chances[token] for token in ids[len(prompt) - 1 :]]
        return [{token: math.log(chance) for token, chance in row.items()} for row in rows]


EVALUATED = Table({5: {6: 0.5, 0: 0.25, 7: 0.25}, 6: {0: 0.5, 7: 0.5}})


def test_a_model_agrees_with_itself() -> None:
    references = parity.references(EVALUATED, [[5], [9, 5]], ENDS)
    found = parity.compare(references, EVALUATED, ENDS)
    assert found == Parity(2, 4, 1.0, 0.0, 0.0, 2)
    assert found.reason() is None


def test_agreement_and_divergence_are_those_worked_by_hand() -> None:
    export = Table({5: {6: 0.25, 0: 0.5, 7: 0.25}, 6: {0: 0.5, 7: 0.5}})
    found = parity.compare(parity.references(EVALUATED, [[5]], ENDS), export, ENDS)
    # 0.5 ln 2 + 0.25 ln 0.5 at the first of two positions
    expected = 0.25 * math.log(2)
    assert (found.n_positions, found.top1_agreement, found.same_answers) == (2, 0.5, 0)
    assert found.max_kl == pytest.approx(expected, abs=1e-7)
    assert found.mean_kl == pytest.approx(expected / 2, abs=1e-7)


def test_tokens_beyond_the_likeliest_count_as_one() -> None:
    expected = {1: math.log(0.5), 2: math.log(0.3)}
    found = {1: math.log(0.5), 2: math.log(0.1), 3: math.log(0.4)}
    by_hand = 0.3 * math.log(3) + 0.2 * math.log(0.2 / 0.4)
    assert parity.divergence(expected, found) == pytest.approx(by_hand)


def test_a_token_that_the_export_does_not_name_is_as_likely_as_its_last() -> None:
    found = parity.divergence({1: math.log(0.9)}, {2: math.log(0.9), 3: math.log(0.1)})
    assert found == pytest.approx(0.9 * math.log(9) + 0.1 * math.log(0.1 / 0.9))


@pytest.mark.parametrize(
    ("agreement", "mean_kl", "reason"),
    [
        (0.98, 0.01, None),
        (0.979, 0.0, "the same likeliest token at 97.9% of the positions, bound 98%"),
        (1.0, 0.0101, "it differs by 0.0101 nats per token, bound 0.01"),
    ],
    ids=["at both bounds", "another token", "another distribution"],
)
def test_beyond_a_bound_an_export_is_not_called_evaluated(
    agreement: float, mean_kl: float, reason: str | None
) -> None:
    assert Parity(32, 300, agreement, mean_kl, mean_kl, 32).reason() == reason


def test_no_prompt_proves_nothing() -> None:
    with pytest.raises(ValueError, match="at least one prompt"):
        parity.compare([], EVALUATED, ENDS)

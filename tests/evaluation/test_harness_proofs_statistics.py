"""Simulated studies: how often intervals hold the truth, and how often chance looks like an effect.

What the fixed seeds give, in percent of 2,000 simulated studies each:

    coverage of nominal 95 % intervals          n = 10    n = 50    n = 200
    Newcombe, no difference                       98.8      95.2       94.8
    Newcombe, +15 points                          96.2      96.0       94.8
    Newcombe, +30 points, few losses              96.0      94.3       95.2
    paired t, normal differences                  94.5      95.2       95.0
    paired t, skewed shares of key points         92.0      94.8       94.8

A model against itself, two fine-tunes at once, 600 studies: *helped* or *hurt* in 3.7, 2.4 and 3.4
percent of the comparisons at n = 50, 200 and 600; *helped* for any of the two in 1.2, 1.2 and 2.3
percent of the studies. Equal free-text answers: p <= .05 in 1.7 and 3.8 percent at n = 10 and 30.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.evaluation.made_up import PLAN
from titer.evaluation import comparing, verdict
from titer.evaluation import statistics as s
from titer.evaluation.statistics import Interval

N_STUDIES = 2000
SIZES = (10, 50, 200)
CELLS = {
    "no difference": (0.45, 0.1, 0.1, 0.35),
    "+15 points": (0.35, 0.2, 0.05, 0.4),
    "+30 points, few losses": (0.3, 0.32, 0.02, 0.36),
}
"""Chances of both right, only the new one, only the base, neither."""


def covered_shares(name: str, n: int) -> float:
    cells = CELLS[name]
    truth = cells[1] - cells[2]
    rng = np.random.default_rng([n, *name.encode()])
    studies, counts = np.unique(rng.multinomial(n, cells, N_STUDIES), axis=0, return_counts=True)
    hits = [_holds(s.newcombe_interval(*map(int, study)), truth) for study in studies]
    return float(np.dot(hits, counts) / N_STUDIES)


def _holds(interval: Interval, truth: float) -> bool:
    # a bound equal to the truth up to rounding holds it
    return interval.low - 1e-9 <= truth <= interval.high + 1e-9


def differences(kind: str, rng: Any, n: int) -> tuple[Any, float]:
    """Paired differences of one study and their true mean."""
    if kind == "normal differences":
        return rng.normal(0.1, 0.3, n), 0.1
    # shares of five key points: in steps, skewed, mostly unchanged
    gains = rng.choice([-0.2, 0.0, 0.2, 0.4, 0.8], n, p=[0.1, 0.4, 0.25, 0.15, 0.1])
    return gains, 0.17


def covered_means(kind: str, n: int) -> float:
    rng = np.random.default_rng([n, *kind.encode()])
    hits = []
    for _ in range(N_STUDIES):
        values, truth = differences(kind, rng, n)
        hits.append(_holds(s.paired_t_interval(values.tolist()), truth))
    return float(np.mean(hits))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", CELLS)
def test_newcombe_holds_the_truth_about_95_times_in_100(name: str, n: int) -> None:
    assert 0.935 <= covered_shares(name, n) <= 0.995


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", ["normal differences", "skewed shares of key points"])
def test_paired_t_holds_the_truth_about_95_times_in_100(kind: str, n: int) -> None:
    assert 0.915 <= covered_means(kind, n) <= 0.97


def judged(base: Any, arm: Any) -> dict[str, Any]:
    """The block of one comparison of two models by item."""
    pair = SimpleNamespace(level=1 - PLAN.alpha, plan=PLAN)
    keys = [f"i{number}" for number in range(len(base))]
    outcomes = [dict(zip(keys, map(bool, model), strict=True)) for model in (base, arm)]
    block = comparing.binary(pair, "closed_acc", *outcomes, dict.fromkeys(keys, "d"))
    assert block is not None
    return block


def decided(blocks: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The verdict on each comparison, Holm's correction over all of them."""
    adjusted = s.holm({name: block["p"] for name, block in blocks.items()})
    return {
        name: verdict.decide(
            verdict.Primary(
                "closed_acc", block["n"], block["base"], block["arm"],
                Interval(block["delta"], block["low"], block["high"]), adjusted[name], None,
            ),
            [], PLAN,
        )
        for name, block in blocks.items()
    }  # fmt: skip


@pytest.mark.parametrize("n", [50, 200, 600])
def test_a_model_against_itself_is_called_helped_or_hurt_in_at_most_5_of_100_studies(
    n: int,
) -> None:
    """Base, QLoRA and full answer from the same chances, each with its own noise; 600 studies."""
    rng = np.random.default_rng(n)
    found: dict[str, int] = dict.fromkeys(("helped", "hurt"), 0)
    any_helped = 0
    for _ in range(600):
        chances = rng.uniform(0.1, 0.9, n)
        base, qlora, full = rng.random((3, n)) < chances
        verdicts = decided({"qlora": judged(base, qlora), "full": judged(base, full)})
        for name in found:
            found[name] += list(verdicts.values()).count(name)
        any_helped += "helped" in verdicts.values()
    assert sum(found.values()) / 1200 <= 0.05
    assert any_helped / 600 <= 0.05


@pytest.mark.parametrize("n", [10, 30])
def test_equal_answers_differ_significantly_in_at_most_5_of_100_studies(n: int) -> None:
    """Shares of five key points, both arms from the same chances; 1,000 studies."""
    rng = np.random.default_rng(n)
    pvalues = []
    for _ in range(1000):
        chances = rng.uniform(0.1, 0.9, n)
        base, arm = rng.binomial(5, chances, (2, n)) / 5
        pvalues.append(s.sign_flip_test((arm - base).tolist()))
    assert np.mean(np.array(pvalues) <= 0.05) <= 0.05

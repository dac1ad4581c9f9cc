"""Several runs judged together: noise of training apart from noise of questions, and a placebo."""

import random
from typing import Any

import pytest

from titer.errors import DataError
from titer.evaluation import studies
from titer.evaluation.statistics import paired_t_interval


def run(gain: float, *, seed: int, n: int = 200, verdict: str = "helped") -> dict[str, Any]:
    """stats.json of a run in which the fine-tune turns a share of the wrong answers right."""
    draws = random.Random(seed)
    items = []
    for number in range(n):
        base = number % 4 == 0
        right = base or draws.random() < gain
        items.append(
            {"id": f"F{number:03d}", "choices": ["a", "b"], "arms": {"base_4bit": {"correct": base},
                                              "qlora": {"correct": right}}}
        )  # fmt: skip
    after = sum(item["arms"]["qlora"]["correct"] for item in items) / n
    primary = {"endpoint": "closed_acc", "n": n, "base": 0.25, "arm": after, "delta": after - 0.25,
               "low": after - 0.3, "high": after - 0.2}  # fmt: skip
    return {
        "plan": {"alpha": 0.05},
        "items": items,
        "comparisons": {
            "qlora": {"status": "ok", "base": "base_4bit", "primary": primary, "verdict": verdict},
            "full": {"status": "not_run", "reason": "too large"},
        },
    }


def test_equal_gains_have_no_noise_of_seeds() -> None:
    arm = studies.seeds({seed: run(0.4, seed=1) for seed in (1, 2, 3)})["arms"]["qlora"]
    assert arm["sd_seeds"] == 0
    assert arm["t_interval"]["low"] == pytest.approx(arm["mean"])
    assert arm["two_way_interval"]["low"] < arm["mean"] < arm["two_way_interval"]["high"]
    assert arm["recipe"] == "helps"


def test_gains_that_scatter_cannot_tell() -> None:
    runs = {1: run(0.0, seed=1), 2: run(0.6, seed=2), 3: run(0.02, seed=3)}
    arm = studies.seeds(runs)["arms"]["qlora"]
    assert arm["t_interval"]["low"] < 0 < arm["t_interval"]["high"]
    assert arm["recipe"] == "cannot tell"


@pytest.mark.parametrize(("sign", "claim"), [(-1, "helps"), (1, "hurts")])
def test_fewer_bits_per_byte_are_help(sign: int, claim: str) -> None:
    runs = {seed: run(0.3, seed=seed) for seed in (1, 2, 3)}
    for seed, stats in runs.items():
        change = sign * (0.2 + seed / 100)
        primary = {"endpoint": "ref_bpb", "n": 60, "base": 2.0, "arm": 2.0 + change,
                   "delta": change, "low": change - 0.01, "high": change + 0.01}  # fmt: skip
        stats["comparisons"]["qlora"]["primary"] = primary
    arm = studies.seeds(runs)["arms"]["qlora"]
    assert (arm["recipe"], arm["two_way_interval"]) == (claim, None)


def test_the_t_interval_has_its_worked_value() -> None:
    """Mean .2, SD .1, n = 3: t(.975, 2) = 4.3027, half width .2484."""
    ends = paired_t_interval([0.1, 0.2, 0.3], level=0.95)
    assert (ends.estimate, ends.low, ends.high) == pytest.approx((0.2, -0.0484, 0.4484), abs=1e-4)


def test_the_two_way_interval_covers_the_question_noise() -> None:
    """One pattern in all seeds: what is left is the noise of the questions."""
    one = {f"F{n}": int(n % 2) for n in range(100)}
    ends = studies.two_way_interval([one] * 3, level=0.95)
    assert ends.estimate == 0.5
    assert (ends.low, ends.high) == pytest.approx((0.4, 0.6), abs=0.02)


def test_the_order_of_the_seeds_does_not_matter() -> None:
    runs = {seed: run(0.3, seed=seed) for seed in (3, 1, 2)}
    assert studies.seeds(runs) == studies.seeds(dict(sorted(runs.items())))


def test_two_seeds_are_too_few() -> None:
    with pytest.raises(DataError, match="2 seeds: at least 3"):
        studies.seeds({1: run(0.3, seed=1), 2: run(0.3, seed=2)})


def test_an_arm_that_did_not_run_is_left_out() -> None:
    assert list(studies.seeds({s: run(0.3, seed=s) for s in (1, 2, 3)})["arms"]) == ["qlora"]


def test_a_placebo_that_gains_nothing_passes() -> None:
    found = studies.placebo(run(0.5, seed=1), run(0.0, seed=2, verdict="equivalent"))
    arm = found["arms"]["qlora"]
    assert arm["passes"]
    assert arm["difference"]["low"] > 0
    assert arm["difference"]["p"] < 0.001


def test_an_item_with_other_choices_is_another_question() -> None:
    real, fake = run(0.5, seed=1), run(0.0, seed=2, verdict="equivalent")
    for item in fake["items"][:30]:
        item["choices"] = ["a", "c"]
    difference = studies.placebo(real, fake)["arms"]["qlora"]["difference"]
    assert difference["n"] == 170


def test_a_placebo_that_helps_fails() -> None:
    arm = studies.placebo(run(0.5, seed=1), run(0.5, seed=2))["arms"]["qlora"]
    assert not arm["passes"]
    assert arm["difference"]["low"] < 0 < arm["difference"]["high"]


def test_a_placebo_without_a_fine_tune_is_refused() -> None:
    none = run(0.5, seed=1)
    none["comparisons"]["qlora"] = {"status": "not_run", "reason": "no"}
    with pytest.raises(DataError, match="no fine-tune ran"):
        studies.placebo(none, run(0.0, seed=2))

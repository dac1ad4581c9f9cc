"""The comparison of two arms: error rate, people as units, nothing before a look."""

import math
import random
from dataclasses import replace
from statistics import fmean

import pytest
from scipy.special import ndtri

from tests.serving import plans
from tests.serving.plans import rated
from titer.conversations.chats import Rating
from titer.evaluation import verdict
from titer.serving import satisfaction
from titer.serving.experiments import MAX_USERS

N_TRIALS = 1_500


def content(draw: random.Random, is_b: bool, gain: float = 0.0) -> float:
    """Thumbs, mostly up: far from a normal distribution."""
    return float(draw.random() < 0.7 + gain * is_b)


def test_the_words_are_those_of_the_evaluation() -> None:
    mine = {satisfaction.HELPED, satisfaction.HURT, satisfaction.EQUIVALENT}
    theirs = {verdict.HELPED, verdict.HURT, verdict.EQUIVALENT}
    assert (mine, satisfaction.INCONCLUSIVE) == (theirs, verdict.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("fraction", "first", "second"),
    [(0.5, 2.963, 1.969), (1 / 3, 3.710, 1.961), (0.75, 2.340, 2.012)],
)
def test_critical_values_are_the_published_ones(
    fraction: float, first: float, second: float
) -> None:
    """As in tables of the O'Brien-Fleming type spending function, two-sided 0.05."""
    found = satisfaction.critical_values(fraction, 0.05)
    assert found == pytest.approx((first, second), abs=0.002)


@pytest.mark.parametrize(
    ("fraction", "alpha", "first"),
    [
        (100 / 1300, 0.05, 7.99654620674), (100 / 1400, 0.05, 8.30465020899),
        (1 / 4, 1e-20, 18.7816033389),
    ],
)  # fmt: skip
def test_far_tails_are_exact(fraction: float, alpha: float, first: float) -> None:
    """Against mpmath with 50 digits; what the first spends there leaves the second all of alpha."""
    found = satisfaction.critical_values(fraction, alpha)
    assert found == pytest.approx((first, of_one_look(alpha)), rel=1e-11)


def of_one_look(alpha: float) -> float:
    return -float(ndtri(alpha / 2))


@pytest.mark.parametrize("alpha", [5e-324, 1e-300, 1e-20, 0.05, 0.499])
@pytest.mark.parametrize(
    "looks", [(50, 51), (50, 700), (50, MAX_USERS), (MAX_USERS - 1, MAX_USERS)]
)
def test_every_plan_that_is_taken_can_be_evaluated(looks: tuple[int, int], alpha: float) -> None:
    plan = plans.experiment(min_users=looks[0], max_users=looks[1], alpha=alpha)
    assert satisfaction.state(plan, []).looks == []
    first, second = satisfaction.critical_values(looks[0] / looks[1], alpha)
    assert min(first, second) >= of_one_look(alpha)
    low, high = satisfaction.interval([0.0, 0.5] * 25, [1.0, 0.9] * 25, first)
    assert low < 0.7 < high


def test_looks_one_person_apart_are_integrated_exactly() -> None:
    """1.9626, by adaptive quadrature with the edges as points of division."""
    _, second = satisfaction.critical_values((MAX_USERS - 1) / MAX_USERS, 0.05)
    assert second == pytest.approx(1.962616, abs=1e-5)


def test_a_first_look_that_spends_nothing_decides_nothing() -> None:
    """Of a tail of 0 scipy gives the quantile +inf, with which B helped whatever the data."""
    first, _ = satisfaction.critical_values(50 / 15_000, 0.05)
    assert first == math.inf
    low, high = satisfaction.interval([0.9, 1.0] * 30, [0.0, 0.1] * 30, first)
    assert (low, high) == (-math.inf, math.inf)
    assert satisfaction.decide(low, high, 0.1) == satisfaction.INCONCLUSIVE


def test_critical_values_spend_alpha_in_a_simulation() -> None:
    import numpy as np

    first, second = satisfaction.critical_values(0.4, 0.05)
    z = np.random.default_rng(0).standard_normal((2, 1_000_000))
    late = math.sqrt(0.4) * z[0] + math.sqrt(0.6) * z[1]
    crossed = (np.abs(z[0]) > first) | (np.abs(late) > second)
    assert crossed.mean() == pytest.approx(0.05, abs=0.001)


def test_welch_interval_by_hand() -> None:
    """Means 2 and 4, variances 1 and 4, 3 and 3 people: SE 1.2910, 2.9412 degrees of freedom."""
    low, high = satisfaction.interval([1, 2, 3], [2, 4, 6], 1.959964)
    assert (low + high) / 2 == pytest.approx(2)
    assert (high - low) / 2 == pytest.approx(1.2910 * 3.2180, rel=1e-3)


@pytest.mark.slow
def test_without_a_difference_five_of_a_hundred_experiments_decide_for_one() -> None:
    """And the same data looked at after every ten people err far more often."""
    n_wrong = n_peeking = 0
    for seed in range(N_TRIALS):
        plan = plans.experiment(salt=str(seed))
        talks = list(plans.crowd(plan, 120, content, seed))
        decision = satisfaction.state(plan, talks).decision
        n_wrong += decision in (satisfaction.HELPED, satisfaction.HURT)
        n_peeking += peeked(plan, talks)
    print(f"false positives: {n_wrong} of {N_TRIALS}; peeking: {n_peeking} of {N_TRIALS}")
    # 3.3 standard errors of 5 % of 1,500 above it
    assert n_wrong / N_TRIALS <= 0.0686
    assert n_peeking / N_TRIALS > 0.10


def peeked(plan: plans.Experiment, talks: list[plans.Conversation]) -> bool:
    """Whether a plain 95 % interval excludes 0 after 20, 30, ... people."""
    for n in range(20, len(talks) + 1, 10):
        arms: tuple[list[float], list[float]] = ([], [])
        for talk in talks[:n]:
            arms[plan.version(str(talk.user)) == plan.b].append(talk.satisfaction() or 0.0)
        low, high = satisfaction.interval(*arms, 1.96)
        if low > 0 or high < 0:
            return True
    return False


@pytest.mark.slow
def test_both_intervals_cover_the_truth_together() -> None:
    n_covered = 0
    for seed in range(500):
        plan = plans.experiment(salt=str(seed), min_users=100, max_users=200, margin=0.001)
        talks = plans.crowd(plan, 200, lambda d, b: content(d, b, 0.1), seed)
        looks = satisfaction.state(plan, talks).looks
        n_covered += all(look.low <= 0.1 <= look.high for look in looks)
    print(f"covered: {n_covered} of 500")
    assert n_covered / 500 >= 0.92


def test_a_large_gain_ends_the_experiment_at_the_first_look() -> None:
    plan = plans.experiment()
    talks = list(plans.crowd(plan, 120, lambda d, b: d.uniform(0.6, 0.9) if b else d.random() / 2))
    found = satisfaction.state(plan, talks)
    assert (found.decision, found.is_over, len(found.looks)) == ("helped", True, 1)
    assert found.looks[0].n_users == 60


def test_arms_that_are_alike_within_the_margin_are_equivalent() -> None:
    plan = plans.experiment()
    found = satisfaction.state(plan, plans.crowd(plan, 120, lambda d, _: d.uniform(0.7, 0.8)))
    assert found.decision == "equivalent"


def test_before_a_look_is_due_nothing_is_compared() -> None:
    plan = plans.experiment()
    found = satisfaction.state(plan, plans.crowd(plan, 59, lambda _, b: float(b)))
    assert (found.looks, found.decision, found.n_users) == ([], None, 59)


def test_a_look_says_the_same_whenever_it_is_asked() -> None:
    """Also where people change their minds later on, and others join."""
    plan = plans.experiment()
    talks = list(plans.crowd(plan, 90, content))
    early = satisfaction.state(plan, talks[:60])
    for talk in talks[:60]:
        talk.ratings.append(Rating(satisfaction=0.0, turn=1, at=plans.moment(500)))
    assert satisfaction.state(plan, talks).looks == early.looks
    assert early.looks[0].at == plans.moment(59)


def test_who_talks_most_counts_once() -> None:
    """Ninety ratings of one person move the mean of the arm by no more than one rating does."""
    plan = plans.experiment()
    talks = list(plans.crowd(plan, 60, content))
    busy = next(talk for talk in talks if plan.version(str(talk.user)) == plan.b)
    user, score = str(busy.user), busy.satisfaction() or 0.0
    more = [rated(plan, user, score, 1, name=f"more-{i}") for i in range(90)]
    alone, crowded = (satisfaction.state(plan, rows).looks[0] for rows in (talks, talks + more))
    assert crowded.n_ratings == alone.n_ratings + 90
    assert (crowded.mean_b, crowded.low, crowded.high) == (alone.mean_b, alone.low, alone.high)


def test_who_rates_again_changes_their_mind() -> None:
    plan = plans.experiment()
    talks = list(plans.crowd(plan, 60, lambda d, _: d.random()))
    again = talks[0]
    again.ratings.append(Rating(satisfaction=1.0, turn=1, at=plans.moment(30)))
    look = satisfaction.state(plan, talks).looks[0]
    is_b = plan.version(str(again.user)) == plan.b
    mine = [talk for talk in talks if (plan.version(str(talk.user)) == plan.b) == is_b]
    expected = fmean(talk.ratings[-1].score for talk in mine)
    assert (look.mean_b if is_b else look.mean_a) == pytest.approx(expected)


def test_ratings_that_do_not_count_have_a_reason() -> None:
    plan = plans.experiment(ended_at=plans.moment(100))
    other = plans.experiment(a=plans.B, b=plans.A)
    talks = [
        rated(plan, "u1", 1.0, 1),
        replace(rated(plan, "u2", 1.0, 1), user=None),
        rated(plan, "u3", 1.0, 100),
        rated(plan, "u4", 1.0, -1),
        rated(other, "u5", 1.0, 1),
        rated(plan, "u6", 1.0, 1, ratings=[Rating(satisfaction=1.0, turn=1)]),
        rated(plan, "u7", 1.0, 1, ratings=[Rating(satisfaction=1.0, turn=0, at=plans.moment(2))]),
        rated(plan, "u8", 1.0, 1, ratings=[Rating(thumbs="up", at=plans.moment(2))]),
    ]
    found = satisfaction.state(plan, talks)
    assert found.n_ratings == 2
    assert found.left_out == {
        "from after the end": 1,
        "from before the start": 1,
        "nobody knows whose": 1,
        "of another version than the person's arm": 2,
        "without a time": 1,
    }

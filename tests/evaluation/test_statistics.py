"""Intervals and tests: worked values, an independent formula, simulated coverage."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.contingency_tables import mcnemar

from titer.errors import DataError
from titer.evaluation import statistics as s


@pytest.mark.parametrize(
    ("cells", "expected"),
    [((36, 12, 2, 0), (0.2, 0.0569, 0.3404)), ((12, 9, 2, 21), (0.1591, 0.0112, 0.2954))],
)
def test_newcombe_gives_the_published_values(cells, expected):
    found = s.newcombe_interval(*cells)
    assert (found.estimate, found.low, found.high) == pytest.approx(expected, abs=5e-5)


def test_newcombe_turns_round_with_the_arms():
    one, other = s.newcombe_interval(30, 9, 4, 17), s.newcombe_interval(30, 4, 9, 17)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_newcombe_stays_inside_the_possible_range():
    for cells in itertools.product((0, 1, 5), repeat=4):
        if sum(cells):
            found = s.newcombe_interval(*cells)
            assert -1 <= found.low <= found.estimate <= found.high <= 1, cells


def test_newcombe_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(1)
    cells = (0.35, 0.2, 0.05, 0.4)
    draws = rng.multinomial(60, cells, size=1500)
    hits = [(i := s.newcombe_interval(*map(int, draw))).low <= 0.15 <= i.high for draw in draws]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.02)


def test_no_items_have_no_interval():
    with pytest.raises(DataError, match="0 items"):
        s.newcombe_interval(0, 0, 0, 0)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (5, 10), (10, 10), (160, 200), (1, 1)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_agrees_with_scipy(k, n, level):
    found = s.wilson_interval(k, n, level=level)
    expected = scipy_stats.binomtest(k, n).proportion_ci(level, method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [(6, 0, 0.03125), (5, 0, 0.0625), (8, 1, 0.0390625), (0, 0, 1), (3, 3, 1)],
)
def test_mcnemar_gives_the_binomial_values(wins, losses, p):
    assert s.exact_mcnemar(wins, losses) == p


@pytest.mark.parametrize(("wins", "losses"), [(50, 6), (10, 2), (4, 9), (200, 180), (900, 850)])
def test_mcnemar_agrees_with_statsmodels(wins, losses):
    expected = mcnemar([[5, wins], [losses, 7]], exact=True).pvalue
    assert s.exact_mcnemar(wins, losses) == pytest.approx(expected, rel=1e-9)


def test_paired_t_agrees_with_scipy():
    values = [0.3, -0.1, 0.4, 0.2, 0.0, 0.6]
    expected = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = s.paired_t_interval(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_paired_t_needs_two_differences():
    with pytest.raises(DataError, match="1 difference, at least 2"):
        s.paired_t_interval([0.1])


def test_sign_flip_counts_every_pattern_of_few_differences():
    # only the two patterns with equal signs are as extreme: 2 of 2^5
    assert s.sign_flip_test([1, 2, 3, 4, 5]) == 2 / 32
    assert s.sign_flip_test([0.0] * 5) == 1
    assert s.sign_flip_test([1, -1]) == 1


def test_sign_flip_agrees_with_scipy_on_many_differences():
    values = np.random.default_rng(3).normal(0.25, 1, 60)
    expected = scipy_stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=9_999, rng=1
    ).pvalue
    assert s.sign_flip_test(list(values)) == pytest.approx(expected, abs=0.02)
    assert s.sign_flip_test(list(values)) == s.sign_flip_test(list(values))


def test_clustered_error_equals_the_plain_one_for_clusters_of_one():
    values = [1.0, 0.0, -1.0, 1.0, 0.0, 0.0, 1.0]
    plain = np.std(values, ddof=1) / math.sqrt(len(values))
    assert s.clustered_se(values, range(7)) == pytest.approx(plain)


def test_clustered_error_grows_where_clusters_move_together():
    values, clusters = [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0], [1, 1, 2, 2, 3, 3, 4, 4]
    assert s.clustered_se(values, clusters) > s.clustered_se(values, range(8))
    assert s.clustered_se(values, [1] * 8) is None


@pytest.mark.parametrize(
    ("n", "points"),
    [
        (10, (68, 72, 78, None, None)),
        (20, (37, 41, 46, 54, 58)),
        (50, (16, 19, 23, 29, 33)),
        (100, (8, 11, 15, 18, 21)),
        (200, (4, 7, 9, 12, 14)),
        (300, (3, 6, 7, 9, 11)),
    ],
)
def test_detectable_gain_gives_the_table_of_the_reference(n, points):
    shares = (0, 0.02, 0.05, 0.1, 0.15)
    found = [s.mde80(n, share) for share in shares]
    rounded = [None if gain is None else math.ceil(round(100 * gain, 3)) for gain in found]
    assert rounded == list(points)


def test_detectable_gain_is_found_in_eight_of_ten_simulated_studies():
    n, losses = 120, 0.05
    gain = s.mde80(n, losses)
    draws = np.random.default_rng(5).multinomial(
        n, [gain + losses, losses, 1 - gain - 2 * losses], 2000
    )
    found = [w > c and s.exact_mcnemar(int(w), int(c)) <= 0.05 for w, c, _ in draws]
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("n", "in_sd"), [(10, 1.0), (20, 0.66), (50, 0.40), (100, 0.28), (200, 0.20)]
)
def test_detectable_mean_gives_the_values_of_the_reference(n, in_sd):
    values = [(-1.0) ** i for i in range(n)]
    found = s.mde80_mean(values) / np.std(values, ddof=1)
    assert found == pytest.approx(in_sd, abs=0.006)


def test_differences_without_spread_have_no_detectable_mean():
    assert s.mde80_mean([0.0] * 60) is None


def test_ratio_is_exact_where_nothing_changes_and_covers_where_it_does():
    assert s.ratio_interval([1, 2, 3], [1, 2, 3]) == s.Interval(1, 1, 1)
    rng, hits = np.random.default_rng(7), 0
    for _ in range(800):
        base = rng.gamma(50, 20, 20)
        found = s.ratio_interval(list(base), list(base * rng.normal(1.1, 0.1, 20)))
        hits += found.low <= 1.1 <= found.high
    assert hits / 800 == pytest.approx(0.95, abs=0.03)


def test_trend_agrees_with_scipy():
    doses, values = [0, 0, 1, 1, 2, 3, 3], [0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0]
    expected = scipy_stats.linregress(doses, values)
    found = s.trend_interval(values, doses)
    half = scipy_stats.t.ppf(0.975, 5) * expected.stderr
    assert found.estimate == pytest.approx(expected.slope)
    assert found.high - found.estimate == pytest.approx(half)
    assert s.trend_interval(values, [1] * 7) is None


def test_holm_adjusts_in_order_and_never_decreases():
    assert s.holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06}
    )
    assert s.holm({"a": 0.9, "b": 0.8}) == {"a": 1, "b": 1}
    assert s.holm({}) == {}


def test_non_inferiority_needs_the_whole_lower_half_inside():
    assert s.non_inferior(s.Interval(0, -0.04, 0.2), margin=0.05)
    assert not s.non_inferior(s.Interval(0, -0.05, 0.2), margin=0.05)


def test_a_model_against_itself_with_noise_is_rarely_significant():
    # both arms draw their answers independently from the same chances, 500 times
    rng = np.random.default_rng(11)
    chances = rng.uniform(0.1, 0.9, 200)
    draws = rng.random((500, 2, 200)) < chances
    pvalues = [
        s.exact_mcnemar(int((new & ~old).sum()), int((old & ~new).sum())) for new, old in draws
    ]
    assert np.mean(np.array(pvalues) <= 0.05) <= 0.05

"""Intervals and tests for paired comparisons, each a plain function of counts or differences.

Invariant: deterministic, random draws included (fixed seed); a difference is always new minus base.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

from titer.errors import DataError

N_DRAWS = 9_999
EXACT_FLIPS = 16
"""Up to this many differences all 2^n sign patterns are counted."""

MIN_SHARE_OF_LOSSES = 0.02
"""Assumed for the detectable effect where fewer items got worse."""


@dataclass(frozen=True)
class Interval:
    """An estimate with the two ends of its interval."""

    estimate: float
    low: float
    high: float


def wilson_interval(successes: int, n: int, *, level: float = 0.95) -> Interval:
    """Score interval of one proportion.

    Args:
        successes: items right, of n.
        n: items, at least 1.
        level: confidence level in (0, 1).

    Raises:
        DataError: n is 0.
    Reference: Wilson (1927). Worked case: 160 of 200 gives .74 to .85.
    """
    if n < 1:
        raise DataError("interval of a proportion: 0 items. At least one is needed")
    z = NormalDist().inv_cdf((1 + level) / 2)
    p, spread = successes / n, z * z / n
    middle = (p + spread / 2) / (1 + spread)
    half = z * math.sqrt(p * (1 - p) / n + spread / (4 * n)) / (1 + spread)
    return Interval(p, max(middle - half, 0.0), min(middle + half, 1.0))


def newcombe_interval(
    both: int, only_new: int, only_base: int, neither: int, *, level: float = 0.95
) -> Interval:
    """Interval of the difference of two paired proportions, new minus base.

    Args:
        both: items right in both; likewise only in one, and in neither.
        only_new: items right in the new arm alone.
        only_base: items right in the base alone.
        neither: items wrong in both.
        level: confidence level in (0, 1).

    Returns:
        Difference, low and high end, each in [-1, 1].

    Raises:
        DataError: there is no item.
    Reference: Newcombe (1998), method 10. Worked case: (36, 12, 2, 0) gives .2000 [.0569, .3404].
    """
    n = both + only_new + only_base + neither
    new = wilson_interval(both + only_new, n, level=level)
    base = wilson_interval(both + only_base, n, level=level)
    phi = _phi(both, only_new, only_base, neither)
    difference = new.estimate - base.estimate
    down = _joint(new.estimate - new.low, base.high - base.estimate, phi)
    up = _joint(new.high - new.estimate, base.estimate - base.low, phi)
    return Interval(difference, max(difference - down, -1.0), min(difference + up, 1.0))


def _phi(a: int, b: int, c: int, d: int) -> float:
    """Correlation of the two arms, corrected for continuity; 0 if a margin is empty."""
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    product = float(a * d - b * c)
    if product > 0:
        product = max(product - (a + b + c + d) / 2, 0.0)
    return product / math.sqrt(margins) if margins else 0.0


def _joint(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(one * one - 2 * phi * one * other + other * other, 0.0))


def exact_mcnemar(only_new: int, only_base: int) -> float:
    """Two-sided exact p-value of discordant pairs, 1 where there are none."""
    n = only_new + only_base
    tail = sum(math.comb(n, k) for k in range(min(only_new, only_base) + 1))
    return min(2 * tail / (1 << n), 1.0)  # whole numbers: a float ends at 1,024 pairs


def paired_t_interval(differences: Sequence[float], *, level: float = 0.95) -> Interval:
    """Interval of the mean difference.

    Raises:
        DataError: there are fewer than two differences.
    """
    if len(differences) < 2:
        raise DataError(f"interval of a mean: {len(differences)} difference, at least 2 are needed")
    mean, se = _mean_and_se(differences)
    half = _t_quantile((1 + level) / 2, len(differences) - 1) * se
    return Interval(mean, mean - half, mean + half)


def _mean_and_se(values: Sequence[float]) -> tuple[float, float]:
    mean = math.fsum(values) / len(values)
    squares = math.fsum((value - mean) ** 2 for value in values)
    return mean, math.sqrt(squares / (len(values) - 1) / len(values))


def _t_quantile(q: float, degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, q))


def ratio_interval(base: Sequence[float], new: Sequence[float], *, level: float = 0.95) -> Interval:
    """Interval of sum(new) / sum(base), texts being the units: paired t on the log scale.

    Linearised around both means, so it also serves fewer than 50 texts, where a percentile
    bootstrap covers too little.

    Args:
        base: bits of each text under the base, all above 0; `new` likewise.
        new: bits of the same texts under the new arm.
        level: confidence level in (0, 1).
    """
    mean_base, mean_new = math.fsum(base) / len(base), math.fsum(new) / len(new)
    log_ratio = math.log(mean_new / mean_base)
    shares = [n / mean_new - b / mean_base for b, n in zip(base, new, strict=True)]
    spread = paired_t_interval(shares, level=level)
    low, high = (log_ratio + end for end in (spread.low, spread.high))
    return Interval(math.exp(log_ratio), math.exp(low), math.exp(high))


def sign_flip_test(differences: Sequence[float], *, seed: int = 0) -> float:
    """Two-sided permutation p-value of the mean difference under random signs.

    Exact over all 2^n patterns up to n = 16, else 9,999 seeded draws plus the observed one.
    """
    import numpy as np

    values = np.asarray(differences, dtype=float)
    if not values.any():
        return 1.0
    n = len(values)
    observed = abs(values.sum()) - 1e-12 * np.abs(values).sum()
    if n <= EXACT_FLIPS:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float(np.mean(np.abs(signs @ values) >= observed))
    signs = 1 - 2 * np.random.default_rng(seed).integers(0, 2, (N_DRAWS, n))
    return float((1 + np.sum(np.abs(signs @ values) >= observed)) / (1 + N_DRAWS))


def clustered_se(differences: Sequence[float], clusters: Sequence[Hashable]) -> float | None:
    """Standard error of the mean difference if items of a cluster go together.

    Returns:
        sqrt(C/(C-1) x sum over clusters of (sum of deviations)^2) / n; None below two clusters.
    Reference: Miller (2024), arXiv 2411.00640.
    """
    mean = math.fsum(differences) / len(differences) if differences else 0.0
    sums: dict[Hashable, float] = defaultdict(float)
    for difference, cluster in zip(differences, clusters, strict=True):
        sums[cluster] += difference - mean
    if len(sums) < 2:
        return None
    squares = math.fsum(total * total for total in sums.values())
    return math.sqrt(len(sums) / (len(sums) - 1) * squares) / len(differences)


def mde80(n: int, share_of_losses: float, *, alpha: float = 0.05) -> float | None:
    """Smallest gain that exact McNemar finds with 80 % power.

    Args:
        n: items.
        share_of_losses: share of items that get worse.
        alpha: two-sided level.

    Returns:
        A gain in (0, 1], to 0.001; None if no gain is found so often.
    """
    largest = 1 - 2 * share_of_losses
    if n < 1 or largest <= 0 or _power(n, largest, share_of_losses, alpha) < 0.8:
        return None
    low, high = 0.0, largest
    while high - low > 1e-4:
        middle = (low + high) / 2
        if _power(n, middle, share_of_losses, alpha) < 0.8:
            low = middle
        else:
            high = middle
    return math.ceil(high * 1000 - 0.1) / 1000


def _power(n: int, gain: float, losses: float, alpha: float) -> float:
    """Probability that wins exceed losses significantly: binomial in discordant pairs and wins."""
    import numpy as np
    from scipy.special import bdtrc, gammaln, xlog1py, xlogy

    wins = gain + losses
    discordant = min(wins + losses, 1.0)
    d = np.arange(n + 1)
    log_share = gammaln(n + 1) - gammaln(d + 1) - gammaln(n - d + 1)
    log_share += xlogy(d, discordant) + xlog1py(n - d, -discordant)
    needed = _wins_needed(n, alpha)
    found = np.where(needed > d, 0.0, bdtrc(needed - 1, d, wins / discordant))
    return float(np.sum(np.exp(log_share) * found))


@lru_cache(maxsize=64)
def _wins_needed(n: int, alpha: float) -> Any:
    """Fewest wins that are significant, for 0 to n discordant pairs; n + 1 where none are."""
    import numpy as np
    from scipy.special import bdtrc

    d, wins = np.arange(n + 1)[:, None], np.arange(1, n + 1)[None, :]
    tail = np.where(wins > d, 1.0, bdtrc(wins - 1, np.maximum(d, wins), 0.5))
    significant = 2 * tail <= alpha
    return np.where(significant.any(1), significant.argmax(1) + 1, n + 1)


def mde80_mean(differences: Sequence[float], *, alpha: float = 0.05) -> float | None:
    """Smallest mean difference that a paired t test finds with 80 % power at this spread.

    None below two differences, and where all are equal: that tells nothing of the spread.
    """
    if len(differences) < 2:
        return None
    degrees = len(differences) - 1
    both = _t_quantile(1 - alpha / 2, degrees) + _t_quantile(0.8, degrees)
    error = _mean_and_se(differences)[1]
    return both * error if error else None


def trend_interval(
    differences: Sequence[float], doses: Sequence[float], *, level: float = 0.95
) -> Interval | None:
    """Slope of the differences over the dose, least squares; None where the dose is constant."""
    n = len(differences)
    if n < 3 or len(set(doses)) < 2:
        return None
    mean_x, mean_y = math.fsum(doses) / n, math.fsum(differences) / n
    pairs = list(zip(doses, differences, strict=True))
    squares = math.fsum((x - mean_x) ** 2 for x in doses)
    slope = math.fsum((x - mean_x) * (y - mean_y) for x, y in pairs) / squares
    residual = math.fsum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in pairs)
    half = _t_quantile((1 + level) / 2, n - 2) * math.sqrt(residual / (n - 2) / squares)
    return Interval(slope, slope - half, slope + half)


def holm(pvalues: Mapping[str, float]) -> dict[str, float]:
    """Holm's adjusted p-values, in the order of the input."""
    adjusted: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(pvalues, key=lambda name: (pvalues[name], name))):
        largest = max(largest, min((len(pvalues) - rank) * pvalues[name], 1.0))
        adjusted[name] = largest
    return {name: adjusted[name] for name in pvalues}


def non_inferior(interval: Interval, *, margin: float) -> bool:
    """Whether a loss of `margin` or more is ruled out; larger values are better."""
    return interval.low > -margin

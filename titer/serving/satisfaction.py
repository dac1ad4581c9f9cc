"""Which of two versions people were more content with: two looks, both fixed in the plan.

Invariant: what a look says is a function of the plan and of the ratings up to the moment when the
look was due; asking earlier, later or often changes nothing, and between looks nothing is shown.

The unit is the person, for the arm was drawn by person: each counts once, with the mean of the
ratings. Before the first look and between the two, no difference is computed.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, variance

from titer.conversations.chats import Conversation, Rating, utc
from titer.serving.experiments import Experiment

HELPED, HURT, EQUIVALENT, INCONCLUSIVE = "helped", "hurt", "equivalent", "inconclusive"
"""The words of the evaluation; a test holds them equal."""


@dataclass(frozen=True)
class Rated:
    """One rating that counts towards an arm."""

    user: str
    is_b: bool
    score: float
    at: str
    answer: tuple[str, int | None]
    """Conversation and turn: who rates an answer again changes their mind."""


@dataclass(frozen=True)
class Counted:
    """All ratings of an experiment, in order of time, and how many do not count, by reason."""

    ratings: list[Rated]
    left_out: dict[str, int]


@dataclass(frozen=True)
class Look:
    """The comparison at one look."""

    n_users: int
    n_a: int
    n_b: int
    n_ratings: int
    at: str
    """When it was due: the first rating of the last person."""
    mean_a: float
    mean_b: float
    low: float
    high: float
    """Ends of the interval of B minus A that holds at both looks together."""
    decision: str


@dataclass(frozen=True)
class State:
    """Where an experiment stands."""

    n_users: int
    n_ratings: int
    left_out: dict[str, int]
    looks: list[Look]
    """Those that were due, at most two; none after one that decided."""
    is_over: bool
    """Whether the plan has its answer; inconclusive is one, after the last look."""

    @property
    def decision(self) -> str | None:
        """The answer, null where the plan has none yet."""
        return self.looks[-1].decision if self.is_over else None


def state(experiment: Experiment, conversations: Iterable[Conversation]) -> State:
    """What the plan allows to be known now.

    Args:
        experiment: the plan.
        conversations: of its domain.
    """
    counted = count(experiment, conversations)
    users = _in_order(counted.ratings)
    looks: list[Look] = []
    criticals = critical_values(experiment.min_users / experiment.max_users, experiment.alpha)
    for n, critical in zip((experiment.min_users, experiment.max_users), criticals, strict=True):
        if len(users) < n or (looks and looks[-1].decision != INCONCLUSIVE):
            break
        looks.append(_look(experiment, counted.ratings, users[:n], critical))
    is_over = bool(looks) and (looks[-1].decision != INCONCLUSIVE or len(looks) == 2)
    return State(len(users), len(counted.ratings), counted.left_out, looks, is_over)


# ---- what counts --------------------------------------------------------------------------------


def count(experiment: Experiment, conversations: Iterable[Conversation]) -> Counted:
    """Ratings of answers that a person had from the arm that is theirs."""
    found: list[Rated] = []
    left_out: dict[str, int] = {}
    for conversation in conversations:
        for rating in conversation.ratings:
            reason = _reason(experiment, conversation, rating)
            if reason is None:
                found.append(_rated(experiment, conversation, rating))
            else:
                left_out[reason] = left_out.get(reason, 0) + 1
    found.sort(key=lambda one: (one.at, one.user))
    return Counted(found, dict(sorted(left_out.items())))


def _reason(experiment: Experiment, row: Conversation, rating: Rating) -> str | None:
    """Why a rating does not count, null where it does."""
    if row.user is None:
        return "nobody knows whose"
    if rating.at is None:
        return "without a time"
    if utc(rating.at) < experiment.started_at or row.created_at < experiment.started_at:
        return "from before the start"
    if experiment.ended_at is not None and utc(rating.at) >= experiment.ended_at:
        return "from after the end"
    if _wrote(row, rating) != {experiment.version(row.user)}:
        return "of another version than the person's arm"
    return None


def _wrote(row: Conversation, rating: Rating) -> set[str | None]:
    """Versions of the answers that a rating is about."""
    turns = row.turns if rating.turn is None else [row.turns[rating.turn]]
    return {turn.version or row.version for turn in turns if turn.role == "assistant"}


def _rated(experiment: Experiment, row: Conversation, rating: Rating) -> Rated:
    assert row.user is not None and rating.at is not None  # see `_reason`
    is_b = experiment.version(row.user) == experiment.b
    return Rated(row.user, is_b, rating.score, utc(rating.at), (row.id, rating.turn))


def _in_order(ratings: Sequence[Rated]) -> list[str]:
    """People by their first rating."""
    return list(dict.fromkeys(one.user for one in ratings))


# ---- one look -----------------------------------------------------------------------------------


def _look(
    experiment: Experiment, ratings: Sequence[Rated], users: Sequence[str], critical: float
) -> Look:
    chosen = set(users)
    due = next(one.at for one in ratings if one.user == users[-1])
    seen = [one for one in ratings if one.at <= due and one.user in chosen]
    arms = [_means(one for one in seen if one.is_b == is_b) for is_b in (False, True)]
    a, b = ([means[user] for user in sorted(means)] for means in arms)
    low, high = interval(a, b, critical)
    return Look(
        n_users=len(users), n_a=len(a), n_b=len(b), n_ratings=len(seen), at=due,
        mean_a=fmean(a) if a else math.nan, mean_b=fmean(b) if b else math.nan,
        low=low, high=high, decision=decide(low, high, experiment.margin),
    )  # fmt: skip


def _means(ratings: Iterable[Rated]) -> dict[str, float]:
    """Each person's mean; of an answer that was rated twice the last rating."""
    last: dict[str, dict[tuple[str, int | None], float]] = {}
    for one in ratings:
        last.setdefault(one.user, {})[one.answer] = one.score
    return {user: fmean(scores.values()) for user, scores in last.items()}


def interval(a: Sequence[float], b: Sequence[float], critical: float) -> tuple[float, float]:
    """Welch's interval of the mean of b minus the mean of a, at the level of a normal quantile.

    Args:
        a: one value per person; `b` likewise.
        critical: quantile of the normal distribution, turned into that of t with the same tail
            (Jennison and Turnbull 2000, section 3.8).

    Returns:
        Low and high end; infinite where an arm has fewer than two people, or none differs, and
        where the tail is smaller than a number can be.
    Reference: Welch (1947); Satterthwaite's degrees of freedom.
    """
    from scipy.special import ndtr, stdtrit

    if min(len(a), len(b)) < 2:
        return -math.inf, math.inf
    parts = [variance(values) / len(values) for values in (a, b)]
    spread = sum(parts)
    if spread == 0:
        return -math.inf, math.inf  # everybody alike: the data say nothing of their own spread
    squares = sum(
        part * part / (len(values) - 1) for part, values in zip(parts, (a, b), strict=True)
    )
    # of a tail of 0 stdtrit gives the wrong end, +inf: low would be +inf, and any data had helped
    quantile = abs(float(stdtrit(spread * spread / squares, ndtr(-critical))))
    difference, half = fmean(b) - fmean(a), quantile * math.sqrt(spread)
    return difference - half, difference + half


def decide(low: float, high: float, margin: float) -> str:
    """The word for an interval of B minus A, by the rules of the evaluation."""
    if low > 0:
        return HELPED
    if high < 0:
        return HURT
    return EQUIVALENT if -margin < low and high < margin else INCONCLUSIVE


# ---- the stop rule ------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def critical_values(fraction: float, alpha: float) -> tuple[float, float]:
    """Normal quantiles of two looks that together err with probability alpha, two-sided.

    On each side the first spends 2 - 2 Phi(z / sqrt(fraction)), z being the quantile of alpha / 4,
    and the second the rest of alpha / 2, given that the first did not decide. Intervals with these
    quantiles cover at both looks at once. A first look so early that its share is no number above 0
    has an infinite quantile and decides nothing; the second then spends all, as in the limit.

    Args:
        fraction: share of people at the first look, in (0, 1).
        alpha: error rate of both looks.

    Reference: Lan and DeMets (1983) with the O'Brien-Fleming type function; repeated intervals:
    Jennison and Turnbull (1989). Worked case: fraction .5, alpha .05 gives 2.963 and 1.969.
    """
    from scipy.special import ndtr, ndtri  # statistics.NormalDist has no tail beyond 8.3

    z = -float(ndtri(alpha / 4))
    spent = 4 * float(ndtr(-z / math.sqrt(fraction)))
    first = -float(ndtri(spent / 2))
    # taken alone, the second look errs in at most alpha and in at least what the first has left
    low, high = -float(ndtri(alpha / 2)), -float(ndtri((alpha - spent) / 2))
    if low == high:
        return first, low
    for _ in range(60):
        middle = (low + high) / 2
        if _crossed_late(first, middle, fraction) > alpha - spent:
            low = middle
        else:
            high = middle
    return first, (low + high) / 2


def _crossed_late(first: float, second: float, fraction: float) -> float:
    """Probability under no difference that only the second look decides.

    Given z at the first look, that of the second is normal with mean z sqrt(fraction) and variance
    1 - fraction; integrated by Gauss and Legendre.
    """
    import numpy as np
    from scipy.special import ndtr

    nodes, weights = np.polynomial.legendre.leggauss(200)
    z = first * nodes
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi) * first * weights
    mean, spread = z * math.sqrt(fraction), math.sqrt(1 - fraction)
    return float(
        np.sum(density * (ndtr((-second - mean) / spread) + ndtr((mean - second) / spread)))
    )

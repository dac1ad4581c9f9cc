"""What several runs of one plan show together: training seeds, and a placebo.

One run is about one checkpoint. Seeds tell how much another training of the same recipe would
differ; a placebo, trained on the same tokens with the answers exchanged, tells how much of a gain
is knowledge. Invariant: a pure function of the runs' stats.json; nothing is trained here.
Reference: Miller (2024), on apart noise of questions and of runs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean, stdev
from typing import Any

from titer.errors import DataError
from titer.evaluation.arms import FINE_TUNES
from titer.evaluation.statistics import (
    N_DRAWS,
    Interval,
    exact_mcnemar,
    newcombe_interval,
    paired_t_interval,
)
from titer.evaluation.verdict import HELPED, towards_better

Stats = Mapping[str, Any]

MIN_SEEDS = 3
"""Fewer say nothing about the recipe."""


def seeds(runs: Mapping[int, Stats]) -> dict[str, Any]:
    """Content of reports/studies/seeds.json.

    Args:
        runs: training seed -> stats.json of a whole run with it.
    Returns:
        `{study, seeds, arms}`; per fine-tune a row for each seed, the mean gain, its standard
        deviation over the seeds, the standard error of one run over the questions, and two
        intervals of the mean: t over the seeds, and a two-way bootstrap over seeds and questions.
    Raises:
        DataError: fewer than three seeds.
    """
    if len(runs) < MIN_SEEDS:
        raise DataError(f"{len(runs)} seeds: at least {MIN_SEEDS} are needed to say anything")
    ordered = {seed: runs[seed] for seed in sorted(runs)}
    found = {arm: _seed_arm(arm, ordered) for arm in FINE_TUNES}
    return {"study": "seeds", "seeds": list(ordered), "arms": _given(found)}


def _given(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}


def _seed_arm(arm: str, runs: Mapping[int, Stats]) -> dict[str, Any] | None:
    rows = [_row(arm, stats) | {"seed": seed} for seed, stats in runs.items() if _ran(arm, stats)]
    if len(rows) < MIN_SEEDS:
        return None
    gains = [row["delta"] for row in rows]
    compared = [_differences(arm, runs[row["seed"]]) for row in rows]
    level = 1 - _alpha(runs)
    # over the seeds alone it knows nothing of the questions: with three it is wide, as it should be
    over_seeds = paired_t_interval(gains, level=level)
    two_way = two_way_interval(compared, level=level) if all(compared) else None
    ends = [one for one in (over_seeds, two_way) if one is not None]
    return {
        "rows": rows,
        "endpoint": rows[0]["endpoint"],
        "mean": fmean(gains),
        "sd_seeds": stdev(gains),
        "se_questions": fmean(se) if (se := [_se(one) for one in compared if one]) else None,
        "t_interval": asdict(over_seeds),
        "two_way_interval": asdict(two_way) if two_way else None,
        "recipe": _claim([towards_better(rows[0]["endpoint"], one) for one in ends]),
    }


def _claim(ends: Sequence[Interval]) -> str:
    """What may be said of the recipe, from intervals that rise with quality: the wider decides."""
    if all(one.low > 0 for one in ends):
        return "helps"
    return "hurts" if all(one.high < 0 for one in ends) else "cannot tell"


def _alpha(runs: Mapping[int, Stats]) -> float:
    return float(next(iter(runs.values()))["plan"]["alpha"])


def _ran(arm: str, stats: Stats) -> bool:
    block = stats["comparisons"].get(arm) or {}
    return block.get("status") == "ok" and bool((block.get("primary") or {}).get("n"))


def _row(arm: str, stats: Stats) -> dict[str, Any]:
    block = stats["comparisons"][arm]
    primary = block["primary"]
    kept = {key: primary[key] for key in ("endpoint", "n", "base", "arm", "delta", "low", "high")}
    return kept | {"verdict": block["verdict"]}


def _differences(arm: str, stats: Stats) -> dict[str, int]:
    """New minus base, -1, 0 or 1, of each closed test item; empty for another endpoint."""
    block = stats["comparisons"][arm]
    if block["primary"]["endpoint"] != "closed_acc":
        return {}
    base = block["base"]
    return {
        item["id"]: int(item["arms"][arm]["correct"]) - int(item["arms"][base]["correct"])
        for item in stats["items"]
        if arm in item["arms"] and base in item["arms"]
    }


def _se(differences: Mapping[str, int]) -> float:
    values = list(differences.values())
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def two_way_interval(runs: Sequence[Mapping[str, int]], *, level: float) -> Interval:
    """Percentile interval of the mean gain, seeds and questions drawn again at once.

    Args:
        runs: one mapping of question -> difference for each seed; only questions that all
            runs have count.
        level: confidence level in (0, 1).

    With few seeds it is too narrow on the seeds' side, hence it stands beside the t interval over
    the seeds.
    """
    import numpy as np

    shared = sorted(set.intersection(*(set(one) for one in runs)))
    table = np.array([[one[key] for key in shared] for one in runs], dtype=np.float64)
    n_seeds, n_items = table.shape
    draws = np.random.default_rng(0)
    means = np.empty(N_DRAWS)
    for number in range(N_DRAWS):
        rows = np.bincount(draws.integers(n_seeds, size=n_seeds), minlength=n_seeds) / n_seeds
        columns = np.bincount(draws.integers(n_items, size=n_items), minlength=n_items) / n_items
        means[number] = rows @ table @ columns
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(table.mean()), float(low), float(high))


def placebo(real: Stats, exchanged: Stats) -> dict[str, Any]:
    """Content of reports/studies/placebo.json.

    Args:
        real: stats.json of the run as it is.
        exchanged: stats.json of the same run with the answers exchanged within each recipe.
    Returns:
        `{study, arms}`; per fine-tune both gains over the base, the real fine-tune minus the
        placebo on the same questions and choices with interval and exact test, and whether the
        placebo passes: it must not be judged to have helped.
    Raises:
        DataError: no fine-tune ran in both.
    """
    found = {arm: _placebo_arm(arm, real, exchanged) for arm in FINE_TUNES}
    if not _given(found):
        raise DataError("placebo: no fine-tune ran with the answers as they are and exchanged")
    return {"study": "placebo", "arms": _given(found)}


def _placebo_arm(arm: str, real: Stats, exchanged: Stats) -> dict[str, Any] | None:
    if not (_ran(arm, real) and _ran(arm, exchanged)):
        return None
    rows = {"real": _row(arm, real), "placebo": _row(arm, exchanged)}
    return rows | {
        "difference": _against(arm, real, exchanged),
        "passes": rows["placebo"]["verdict"] != HELPED,
    }


def _against(arm: str, real: Stats, exchanged: Stats) -> dict[str, Any] | None:
    """The real fine-tune minus the placebo on the closed items that both answered.

    Exchanged answers state other facts, so that an item may get choices of another class: it is
    then another question.
    """
    one, other = (_right(arm, stats) for stats in (real, exchanged))
    shared = sorted(one.keys() & other.keys())
    if not shared:
        return None
    counts = [sum((one[k], other[k]) == pair for k in shared)
              for pair in ((True, True), (True, False), (False, True), (False, False))]  # fmt: skip
    ends = newcombe_interval(*counts, level=1 - float(real["plan"]["alpha"]))
    return {"n": len(shared), "p": exact_mcnemar(counts[1], counts[2]), **asdict(ends)}


def _right(arm: str, stats: Stats) -> dict[tuple[str, ...], bool]:
    """Whether each closed item was answered, by its id and choices."""
    return {
        (item["id"], *item["choices"]): bool(item["arms"][arm]["correct"])
        for item in stats["items"]
        if arm in item["arms"]
    }

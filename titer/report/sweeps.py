"""The jobs of a sweep: what each tried and reached, as a table, a text plot and a picture.

Invariant: read from the folder that Hydra wrote, in the order of the jobs; nothing is written.
"""

import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from titer import files
from titer.errors import DataError, FormatError, TiterError
from titer.report import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HYDRA = ".hydra/overrides.yaml"
"""Written by Hydra when a job begins."""
SEED = "seed"
"""The setting that is luck, not a choice."""
BAR = 30
"""Characters of the longest bar."""


@dataclass(frozen=True)
class Trial:
    """One job of a sweep."""

    number: int
    settings: dict[str, str]
    """Overrides that set a value, in the order of the command."""
    overrides: tuple[str, ...]
    """All overrides as Hydra recorded them."""
    objective: float | None
    """null: not finished, failed, or without an objective."""
    stage: str | None
    state: str
    """finished, failed or unfinished."""


def read(folder: Path) -> list[Trial]:
    """Every job that began below a folder of `--multirun`, by number.

    Raises:
        DataError: no job has begun there.
        FormatError: what a job left is damaged.
    """
    places = [path for path in folder.glob("*") if path.name.isdecimal()]
    found = [_trial(path) for path in sorted(places, key=lambda path: int(path.name))]
    trials = [trial for trial in found if trial is not None]
    if not trials:
        raise DataError(f"{folder}: no job of a sweep (no <number>/{HYDRA}). Give a sweep_ folder")
    return trials


def _trial(folder: Path) -> Trial | None:
    row: dict[str, Any] = {}
    state = "unfinished"
    for name, word in (("error.json", "failed"), ("result.json", "finished")):
        if (folder / name).exists():
            row, state = files.read_json_object(folder / name), word
    if not row and not (folder / HYDRA).exists():
        return None
    written = row["overrides"] if "overrides" in row else _recorded(folder / HYDRA)
    objective = row.get("objective")
    is_number = isinstance(objective, int | float) and abs(objective) <= sys.float_info.max
    if not isinstance(written, list) or not all(isinstance(one, str) for one in written):
        raise FormatError(f"{folder}: overrides are no list of texts. Remove the job's folder")
    if objective is not None and not is_number:
        raise FormatError(
            f"{folder}: the objective is a {type(objective).__name__} that is no number of the "
            "usual size. Remove the job's folder, or run the sweep again"
        )
    overrides = tuple(written)
    return Trial(int(folder.name), _settings(overrides), overrides, objective,
                 row.get("stage"), state)  # fmt: skip


def _recorded(path: Path) -> Any:
    """What Hydra wrote when the job began; nothing where it was killed at it."""
    try:
        found = yaml.safe_load(files.read_text(path))
    except (yaml.YAMLError, ValueError, RecursionError, TiterError):
        return []
    return found if isinstance(found, list) else []


def _settings(overrides: Sequence[str]) -> dict[str, str]:
    pairs = [o.lstrip("+").partition("=") for o in overrides if "=" in o]
    ours = [(key, value) for key, _, value in pairs if not key.startswith(("sweep", "hydra"))]
    return dict(ours)


def ranked(trials: Sequence[Trial], *, maximise: bool = False) -> list[Trial]:
    """Finished trials with an objective, best first; equal ones by number."""
    done = [trial for trial in trials if trial.objective is not None]
    sign = -1 if maximise else 1
    return sorted(done, key=lambda trial: (sign * (trial.objective or 0.0), trial.number))


def has_seeds(trials: Sequence[Trial]) -> bool:
    """Whether the trials ran under several seeds."""
    return len({trial.settings[SEED] for trial in trials if SEED in trial.settings}) > 1


def over_seeds(trials: Sequence[Trial]) -> tuple[list[Trial], int]:
    """One trial per setting, its objective the mean over seeds, and over how many of them.

    Each stands for the first of its jobs that finished, without the seed. One that finished under
    fewer seeds than another has no objective, since its mean leaves more to luck.

    Raises:
        DataError: no setting has finished under two seeds.
    """
    groups: dict[tuple[str, ...], list[Trial]] = {}
    for trial in trials:
        groups.setdefault(_without_seed(trial.overrides), []).append(trial)
    reached = {
        key: {t.settings.get(SEED): t.objective for t in group if t.objective is not None}
        for key, group in groups.items()
    }
    n_seeds = max(map(len, reached.values()), default=0)
    if n_seeds < 2:
        raise DataError(
            "the jobs differ by their seed too, and no setting has finished under two seeds: the "
            "best may be luck. Give every setting the same seeds: --multirun seed=41,42,43 ..."
        )
    means = {
        key: statistics.fmean(by_seed.values()) if len(by_seed) == n_seeds else None
        for key, by_seed in reached.items()
    }
    return [
        replace(
            _finished_first(group), overrides=key, settings=_settings(key), objective=means[key]
        )
        for key, group in groups.items()
    ], n_seeds


def _finished_first(group: Sequence[Trial]) -> Trial:
    return next((trial for trial in group if trial.objective is not None), group[0])


def _without_seed(overrides: Sequence[str]) -> tuple[str, ...]:
    return tuple(one for one in overrides if one.lstrip("+").partition("=")[0] != SEED)


def varied(trials: Sequence[Trial]) -> list[str]:
    """Settings that differ between trials, in the order of the command; all where none differs."""
    keys = list(dict.fromkeys(key for trial in trials for key in trial.settings))
    differing = [key for key in keys if len({t.settings.get(key) for t in trials}) > 1]
    return differing or keys


def table(trials: Sequence[Trial], *, maximise: bool = False) -> list[str]:
    """Lines of a table: the best first, then what failed or did not finish."""
    order = ranked(trials, maximise=maximise)
    order += [trial for trial in trials if trial not in order]
    keys = varied(trials)
    rows = [["job", "objective", *keys]]
    rows += [[str(t.number), _objective(t), *(t.settings.get(k, "") for k in keys)] for t in order]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]


def _objective(trial: Trial) -> str:
    return trial.state if trial.objective is None else f"{trial.objective:.6f}"


def bars(trials: Sequence[Trial], *, maximise: bool = False) -> list[str]:
    """A text plot, one bar per finished trial: its distance from the best, longest for the worst.

    Best first; the best has no bar.
    """
    order = ranked(trials, maximise=maximise)
    best, worst = order[0].objective or 0.0, order[-1].objective or 0.0
    span = abs(worst - best) or 1.0
    return [
        f"{trial.number:>4}  {(trial.objective or 0.0):.4f} "
        + "#" * round(BAR * abs((trial.objective or 0.0) - best) / span)
        for trial in order
    ]


def counted(trials: Sequence[Trial]) -> str:
    """How many were tried, in words, with mean and spread where only the seed differs."""
    states = [trial.state for trial in trials]
    parts = [f"{states.count(state)} {state}" for state in ("finished", "failed", "unfinished")]
    shown = ", ".join(part for part in parts if not part.startswith("0 "))
    done = [trial.objective for trial in trials if trial.objective is not None]
    text = f"{len(trials)} trials: {shown}"
    if is_replicated(trials) and len(done) > 1:
        mean, spread = statistics.mean(done), statistics.stdev(done)
        text += f"; objective {mean:.6f}, standard deviation over seeds {spread:.6f}"
    return text


def is_replicated(trials: Sequence[Trial]) -> bool:
    """Whether the trials differ by their seed alone, so that none of them is a better setting."""
    return len(trials) > 1 and varied(trials) == [SEED]


def is_tied(trials: Sequence[Trial]) -> bool:
    """Whether several trials finished and all reached the same: what they vary had no effect."""
    reached = [trial.objective for trial in ranked(trials)]
    return len(reached) > 1 and len(set(reached)) == 1


def picture(trials: Sequence[Trial], *, maximise: bool = False) -> str:
    """An SVG: the objective by trial with the best so far, and against each varied setting."""
    keys = varied(trials)
    done = [trial for trial in trials if trial.objective is not None]

    def paint(figure: "Figure") -> None:
        axes = figure.subplots(len(keys) + 1, 1, squeeze=False)[:, 0]
        _by_trial(axes[0], done, maximise=maximise)
        for panel, key in zip(axes[1:], keys, strict=True):
            _by_setting(panel, key, done)

    return drawing.draw("sweep", 2.2 * (len(keys) + 1), paint)


def _by_trial(panel: "Axes", done: Sequence[Trial], *, maximise: bool) -> None:
    reached = [trial.objective or 0.0 for trial in done]
    best, word = (max, "largest") if maximise else (min, "smallest")
    so_far = [best(reached[: n + 1]) for n in range(len(reached))]
    numbers = [trial.number for trial in done]
    panel.plot(numbers, reached, "o", color=drawing.UP, label="objective")
    panel.step(numbers, so_far, where="post", color=drawing.INK, label=f"{word} so far")
    panel.set(xlabel="trial", ylabel="objective")
    panel.legend()


def _by_setting(panel: "Axes", key: str, done: Sequence[Trial]) -> None:
    with_key = [trial for trial in done if key in trial.settings]
    values = [_number(trial.settings[key]) for trial in with_key]
    reached = [trial.objective or 0.0 for trial in with_key]
    numbers = [value for value in values if value is not None]
    if len(numbers) == len(values):
        panel.plot(numbers, reached, "o", color=drawing.UP)
        if numbers and min(numbers) > 0 and max(numbers) >= 10 * min(numbers):
            panel.set_xscale("log")
    else:
        panel.plot([trial.settings[key] for trial in with_key], reached, "o", color=drawing.UP)
    panel.set(xlabel=key, ylabel="objective")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None

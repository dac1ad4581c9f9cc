"""`titer sweep show|best <folder>`: what a sweep tried, and the command that keeps the winner."""

import argparse
import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from titer.report.sweeps import Trial

PLOT = "sweep.svg"
"""Written by `show` into the folder of the sweep."""
ARMS = {"train_qlora": "qlora", "train_full": "full"}
"""Stage -> key below score.trials."""
PLAIN = re.compile(r"[A-Za-z0-9_./:+-]+")
"""What Hydra's grammar takes without quotes."""


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sweep",
        help="show and rank the jobs of a sweep",
        description="Show and rank the jobs of a Hydra multirun. Example: titer sweep best "
        "runs/train_qlora/sweep_2026-11-21_10-00-00",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    texts = {
        show: "print every job and a plot, and write sweep.svg beside them",
        best: "print the five best jobs and the dvc command that brings the best one back",
    }
    for run, text in texts.items():
        verb = verbs.add_parser(run.__name__, help=text, description=text)
        verb.add_argument("folder", type=Path, help="a folder sweep_... below runs/")
        verb.add_argument("--maximise", action="store_true", help="larger objectives are better")
        verb.set_defaults(run=run)


def show(arguments: argparse.Namespace) -> None:
    """Print table, plot and count; write the picture.

    Raises:
        DataError: the folder holds no job.
    """
    from titer import files
    from titer.report import sweeps

    trials = sweeps.read(arguments.folder)
    lines = sweeps.table(trials, maximise=arguments.maximise)
    if any(trial.objective is not None for trial in trials):
        lines += ["", "distance from the best:", *sweeps.bars(trials, maximise=arguments.maximise)]
        picture = sweeps.picture(trials, maximise=arguments.maximise)
        files.write_text(arguments.folder / PLOT, picture + "\n")
        lines += ["", f"written to {arguments.folder / PLOT}"]
    lines += [sweeps.counted(trials)]
    if any(trial.state == "unfinished" for trial in trials):
        # quoted for Hydra where it needs it, and then for the shell
        folder = str(arguments.folder)
        folder = folder if PLAIN.fullmatch(folder) else json.dumps(folder, ensure_ascii=False)
        lines += [f"to continue: the same command with {shlex.quote(f'hydra.sweep.dir={folder}')}"]
    print("\n".join(lines))


def best(arguments: argparse.Namespace) -> None:
    """Print ranking and command; the command also records how many trials were tried.

    Where the jobs ran under several seeds too, settings are ranked by their mean over them.

    Raises:
        DataError: no job of the sweep has finished, all are equal, the jobs differ by their seed
            alone, or no setting has finished under two of several seeds.
    """
    from titer import runner
    from titer.errors import DataError
    from titer.report import sweeps

    trials = sweeps.read(arguments.folder)
    if not sweeps.ranked(trials):
        raise DataError(f"{arguments.folder}: no finished job (no */{runner.RESULT})")
    if sweeps.is_tied(trials):
        raise DataError(
            f"{arguments.folder}: all {len(sweeps.ranked(trials))} finished jobs reached the same "
            "objective, so none is better. Vary settings that the stage reads: titer sweep show"
        )
    if sweeps.is_replicated(trials):
        raise DataError(
            f"{arguments.folder}: the jobs differ by their seed alone, and the best seed is luck, "
            "not a setting. See: titer sweep show, titer study seeds"
        )
    settings, notes = trials, []
    if sweeps.has_seeds(trials):
        settings, n_seeds = sweeps.over_seeds(trials)
        notes = _notes_on_seeds(settings, n_seeds)
    order = sweeps.ranked(settings, maximise=arguments.maximise)
    winner = order[0]
    choices, configuration = runner.chosen()
    choices |= {key: value for key, value in winner.settings.items() if key in choices}
    overrides = [o for o in winner.overrides if not o.startswith(("sweep=", "hydra"))]
    spelled = [shlex.quote(runner.dvc_override(o, choices)) for o in overrides]
    if winner.stage in ARMS:
        arm = ARMS[winner.stage]
        before = getattr(configuration.score.trials, arm)
        spelled.append(f"score.trials.{arm}={before + len(trials)}")
        if before:
            notes.append(
                f"score.trials.{arm}: {before} in params.yaml + {len(trials)} of this sweep; "
                "leave that -S out where params.yaml counts this sweep already"
            )
    for trial in order[:5]:
        print(f"# {trial.objective:.6f}  {' '.join(trial.overrides)}")
    for note in notes:
        print(f"# {note}")
    print("dvc exp run " + " ".join(f"-S {override}" for override in spelled))


def _notes_on_seeds(settings: "Sequence[Trial]", n_seeds: int) -> list[str]:
    """How several seeds were taken together, and which settings could not be."""
    left_out = [
        " ".join(one.overrides) or f"job {one.number}" for one in settings if one.objective is None
    ]
    return [
        f"means over {n_seeds} seeds; seed= is left out, since the best seed is luck, no setting",
        *(f"not ranked, finished under fewer than {n_seeds} seeds: {one}" for one in left_out),
    ]

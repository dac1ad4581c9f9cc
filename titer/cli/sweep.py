"""`titer sweep show|best <folder>`: what a sweep tried, and the command that keeps the winner."""

import argparse
import shlex
from pathlib import Path
from typing import Any

PLOT = "sweep.svg"
"""Written by `show` into the folder of the sweep."""
ARMS = {"train_qlora": "qlora", "train_full": "full"}
"""Stage -> key below score.trials."""


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
        files.write_text(arguments.folder / PLOT, sweeps.picture(trials) + "\n")
        lines += ["", f"written to {arguments.folder / PLOT}"]
    lines += [sweeps.counted(trials)]
    if any(trial.state == "unfinished" for trial in trials):
        lines += [f"to continue: the same command with hydra.sweep.dir={arguments.folder}"]
    print("\n".join(lines))


def best(arguments: argparse.Namespace) -> None:
    """Print ranking and command; the command also records how many trials were tried.

    Raises:
        DataError: no job of the sweep has finished, or the jobs differ by their seed alone.
    """
    from titer import runner
    from titer.errors import DataError
    from titer.report import sweeps

    trials = sweeps.read(arguments.folder)
    order = sweeps.ranked(trials, maximise=arguments.maximise)
    if not order:
        raise DataError(f"{arguments.folder}: no finished job (no */{runner.RESULT})")
    if sweeps.is_replicated(trials):
        raise DataError(
            f"{arguments.folder}: the jobs differ by their seed alone, and the best seed is luck, "
            "not a setting. See: titer sweep show, titer study seeds"
        )
    for trial in order[:5]:
        print(f"# {trial.objective:.6f}  {' '.join(trial.overrides)}")
    winner = order[0]
    choices, _ = runner.load_params()
    choices |= {key: value for key, value in winner.settings.items() if key in choices}
    overrides = [o for o in winner.overrides if not o.startswith(("sweep=", "hydra"))]
    spelled = [shlex.quote(runner.dvc_override(o, choices)) for o in overrides]
    if winner.stage in ARMS:
        spelled.append(f"score.trials.{ARMS[winner.stage]}={len(trials)}")
    print("dvc exp run " + " ".join(f"-S {override}" for override in spelled))

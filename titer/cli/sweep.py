"""`titer sweep best <folder>`: the ranking, and the command that brings the winner back."""

import argparse
import shlex
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sweep",
        help="rank the jobs of a sweep",
        description="Rank the jobs of a Hydra multirun. Example: titer sweep best "
        "runs/train_qlora/sweep_2026-11-21_10-00-00",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    text = "print the five best jobs and the dvc command that brings the best one back"
    verb = verbs.add_parser("best", help=text, description=text)
    verb.add_argument("folder", type=Path, help="a folder sweep_... below runs/")
    verb.add_argument("--maximise", action="store_true", help="larger objectives are better")
    verb.set_defaults(run=best)


def best(arguments: argparse.Namespace) -> None:
    """Print ranking and command.

    Raises:
        DataError: no job of the sweep has finished.
    """
    from titer import runner
    from titer.errors import DataError

    rows = list(runner.runs(arguments.folder))
    if not rows:
        raise DataError(f"{arguments.folder}: no finished job (no */result.json)")
    rows = rows[::-1] if arguments.maximise else rows
    for row in rows[:5]:
        print(f"# {row['objective']:.6f}  {' '.join(row['overrides'])}")
    choices, _ = runner.load_params()
    overrides = [o for o in rows[0]["overrides"] if not o.startswith(("sweep=", "hydra"))]
    pairs = (override.split("=", 1) for override in overrides)
    choices |= {key: value for key, value in pairs if key in choices}
    spelled = (shlex.quote(runner.dvc_override(o, choices)) for o in overrides)
    print("dvc exp run " + " ".join(f"-S {override}" for override in spelled))

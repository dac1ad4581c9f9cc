"""`titer check`: every setting is looked at before any stage deletes an out."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "check",
        help="validate params.yaml, every file of conf/ and the benchmark's lock",
        description="Validate params.yaml and every file of conf/ against the schema, and what the "
        "chosen settings need on disk, in about a second. Example: titer check",
    )
    parser.set_defaults(run=check)


def check(arguments: argparse.Namespace) -> None:
    """Print one line when all is well."""
    from titer import runner
    from titer.cli.inputs import check_inputs

    summary = runner.check_all()
    choices, config = runner.chosen()
    check_inputs(config, choices, runner.ROOT)
    print(summary)

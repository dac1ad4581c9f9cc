"""`titer preflight [qlora|full] [key=value...]`: what training would do, and whether it may."""

import argparse
from typing import Any

from titer.config import FINE_TUNES


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "preflight",
        help="show a training row with its mask, tokens, memory, disk and time, and run all checks",
        description="Show what a fine-tune would train on and what it would need, and run the "
        "checks that training runs, without loading weights. Example: titer preflight qlora "
        "model.max_length=512",
    )
    parser.add_argument(
        "words", nargs="*", metavar="qlora|full|key=value",
        help="which fine-tune (default: qlora), and settings other than those of params.yaml",
    )  # fmt: skip
    parser.set_defaults(run=preflight)


def preflight(arguments: argparse.Namespace) -> None:
    """Print the preview.

    Raises:
        ConfigError: an unknown word or setting, or inputs that were not made yet.
        DataError: a check refuses; it is the same line with which training would refuse.
    """
    from titer import runner
    from titer.cli.places import stage_places
    from titer.errors import ConfigError, did_you_mean

    arm, overrides = "qlora", list(arguments.words)
    if overrides and "=" not in overrides[0]:
        arm = overrides.pop(0)
    if arm not in FINE_TUNES:
        raise ConfigError(
            f"titer preflight {arm}: one of qlora, full{did_you_mean(arm, FINE_TUNES)}"
        )
    choices, config = runner.overridden(overrides)
    stage = f"train_{arm}"
    runner.check_inputs(runner.plain(config), stage, choices)
    at = stage_places(stage, runner.ROOT)
    for path in vars(at.reads).values():
        if not path.exists():
            raise ConfigError(
                f"{path.relative_to(runner.ROOT)}: absent, and {stage} reads it. dvc checkout "
                "brings it back, or dvc repro makes it"
            )
    _show(arm, config, at, runner.ROOT)


def _show(arm: str, config: Any, at: Any, root: Any) -> None:
    import os
    import sys

    from titer.config import full_run, qlora_run
    from titer.modeling.loading import quiet_known_noise

    quiet_known_noise()  # before transformers imports what makes it
    from titer.training import checks, outputs, preflight, preview

    settings = (qlora_run if arm == "qlora" else full_run)(config)
    base = at.reads.base
    if arm == "full":
        reason = preflight.why_not_full(
            config.full.enabled, settings, base=base, memory_gib=config.hardware.memory_gib
        )
        if reason is not None:
            print(f"train_full would not run: {reason}")
            return
    found = preview.look(settings, outputs.read_data(at, settings), base=base, out=root / "models")
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print("\n".join(preview.lines(found, settings, colour=colour)))
    checks.require(found.report.checks)
    print(f"train_{arm} may run")

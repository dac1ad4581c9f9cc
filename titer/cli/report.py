"""`titer report pack|verify`: all numbers in one zip, and the same numbers computed again."""

import argparse
import string
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "report",
        help="pack what a reviewer needs, or compute a pack's numbers again",
        description="Zip outputs, marks, hashes and environment of the present result, without any "
        "text of a training row; or compute every number of such a zip again, without a GPU. "
        "Example: titer report verify runs/pack.zip",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    text = "write the pack of the present result"
    verb = verbs.add_parser("pack", help=text, description=f"{text}.")
    verb.add_argument("--out", type=Path, help="default: runs/pack.zip")
    verb.set_defaults(run=pack)
    text = "compute every number of a pack again and compare"
    verb = verbs.add_parser("verify", help=text, description=f"{text}.")
    verb.add_argument("pack", type=Path, help="a zip of `titer report pack`")
    verb.set_defaults(run=verify)


def pack(arguments: argparse.Namespace) -> None:
    """Write the pack.

    Raises:
        DataError: score has not run, or a file is not known to be what its stage made.
    """
    from titer import runner
    from titer.cli import doctor
    from titer.report import pack as packs

    choices, _ = runner.load_params()
    reads, writes = _places(choices)
    chosen = [f"conf/{group}/{name}.yaml" for group, name in choices.items()]
    doctor.check_outs(runner.ROOT, writes.values(), inputs=reads.values())
    out = arguments.out or runner.ROOT / "runs" / "pack.zip"
    n_files = packs.write(runner.ROOT, out, reads=reads, writes=writes, extra=chosen)
    print(f"{out}: {n_files} files, {out.stat().st_size / 2**20:.1f} MiB, no text of training rows")


def _places(choices: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """What score reads and writes with these choices, name -> path."""
    from titer import runner

    reads, writes = (
        {name: string.Template(path).substitute(choices) for name, path in places.items()}
        for places in runner.declaration("score")
    )
    return reads, writes


def verify(arguments: argparse.Namespace) -> None:
    """Print what came out the same, and what did not.

    Raises:
        DataError: a number differs.
        FormatError: not a pack, a changed one, or one whose files are not those of score.
    """
    from titer import runner
    from titer.errors import DataError
    from titer.report import pack as packs

    def declared(root: Path) -> tuple[dict[str, str], dict[str, str]]:
        return _places(runner.read_yaml(root / "params.yaml"))

    def settings(root: Path) -> Any:
        values = runner.read_yaml(root / "params.yaml")
        domain = runner.read_yaml(root / "conf" / "domain" / f"{values['domain']}.yaml")
        return packs.asked_from(values, domain, root)

    with tempfile.TemporaryDirectory() as folder:
        checked = packs.check(arguments.pack, Path(folder), declared=declared, settings=settings)
    for name in checked.equal:
        print(f"equal      {name}")
    for name, where in checked.different.items():
        print(f"DIFFERENT  {name}: {where}")
    print("taken as packed: counts of the training rows, leaks found in them, a judge's opinions")
    if checked.different:
        raise DataError(f"{len(checked.different)} of the files that score writes differ")
    print(f"{checked.n_files} files as packed; every number was computed again and is the same")

"""`titer report pack|verify`: all numbers in one zip, and the same numbers computed again."""

import argparse
import re
import string
import tempfile
from collections.abc import Mapping, Sequence
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
        DataError: score has not run, a file is not known to be what its stage made, or a setting
            is not the one that it was made with.
    """
    from titer import runner
    from titer.cli import doctor
    from titer.report import pack as packs

    choices, _ = runner.load_params()
    reads, writes = _places(choices)
    chosen = [f"conf/{group}/{name}.yaml" for group, name in choices.items()]
    _check_settings(chosen)
    doctor.check_outs(runner.ROOT, writes.values(), inputs=reads.values())
    out = arguments.out or runner.ROOT / "runs" / "pack.zip"
    n_files = packs.write(runner.ROOT, out, reads=reads, writes=writes, extra=chosen)
    print(f"{out}: {n_files} files, {out.stat().st_size / 2**20:.1f} MiB, no text of training rows")


def _check_settings(chosen: Sequence[str]) -> None:
    """Refuse settings other than the result's, which a pack would show beside it."""
    from titer import runner
    from titer.errors import DataError

    again = "the pack would not be of this result. Run: dvc repro"
    for stage, body in runner.dvc_stages("dvc.lock").items():
        for file, made_with in (body.get("params") or {}).items():
            if file.startswith("conf/") and file not in chosen:
                raise DataError(f"params.yaml: {file} is not chosen, {stage} ran with it: {again}")
            now = _flat(runner.as_dvc_reads(runner.ROOT / file))
            for key, was in _flat(made_with).items():
                if now.get(key) != was:
                    raise DataError(
                        f"{file}: {key} is {now.get(key)}, {stage} ran with {was}: {again}"
                    )


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Values by dotted key."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{above}{key}"
        found |= _flat(value, f"{name}.") if isinstance(value, dict) and value else {name: value}
    return found


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
        return _places(_packed(root))

    def settings(root: Path) -> Any:
        values = _packed(root)
        _check_judge(root, values)
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
    print(
        f"{checked.n_files} files as packed; every number but those taken as packed was computed "
        "again and is the same"
    )


def _packed(root: Path) -> dict[str, Any]:
    """Settings of an unpacked tree; a choice is a plain name, so that it leads out of no folder."""
    from titer import runner
    from titer.errors import FormatError

    values = runner.read_yaml(root / "params.yaml")
    for group in runner.groups():
        name = str(values[group])
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise FormatError(
                f"params.yaml: {group} = {name!r}: no name of a file in conf/{group}. Ask for the "
                "pack again"
            )
    return values


def _check_judge(root: Path, values: Mapping[str, Any]) -> None:
    """A judge's opinions are taken as packed, so at least the settings must have asked for them."""
    from titer import files
    from titer.errors import FormatError

    path = _places(values)[1]["stats"]
    status = files.read_json_object(root / path)["judge"]["status"]
    is_on = bool(values["score"]["judge"]["enabled"])
    if (status != "off") != is_on:
        raise FormatError(
            f"{path} holds a judge with status {status!r}, and params.yaml says "
            f"score.judge.enabled: {str(is_on).lower()}. Ask for the pack again"
        )

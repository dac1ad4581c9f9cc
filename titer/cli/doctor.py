"""`titer doctor`: what kills and failing disks left behind, explained, and mended on request."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="find and mend what kills and failing disks left behind and DVC cannot mend",
        description="Look for locks that nobody holds, a damaged dvc.lock, half-written files, "
        "checkpoints of other settings and stages whose DVC died. Says what it would do, changes "
        "nothing without --fix, and exits with 1 where something is wrong. Example: titer doctor",
    )
    parser.add_argument("--fix", action="store_true", help="mend what was found")
    parser.add_argument(
        "--fsck",
        action="store_true",
        help="also hash every object of DVC's cache again (with --fix: set damaged ones aside)",
    )
    parser.set_defaults(run=doctor)


def doctor(arguments: argparse.Namespace) -> None:
    """Print every finding with its remedy.

    Raises:
        DataError: something is wrong and was not mended, or has to be made again.
    """
    from titer import runner
    from titer.errors import DataError
    from titer.repair import findings

    found = findings.all_of(runner.ROOT, runner.present_marks)
    for one in found:
        print(f"{one.where}: {one.what}\n    to mend: {one.remedy}")
        if arguments.fix:
            one.mend()
            print("    done")
    n_damaged = _fsck(runner.ROOT, fix=arguments.fix) if arguments.fsck else 0
    n_open = n_damaged + (0 if arguments.fix else len(found))
    if n_open:
        raise DataError(_left(n_open, n_damaged, fix=arguments.fix))
    print(f"{len(found)} mended. Now: dvc repro" if found else "nothing is wrong")


def _left(n_open: int, n_damaged: int, *, fix: bool) -> str:
    if fix:
        return f"{n_damaged} objects of DVC's cache were damaged and set aside: run what is named"
    return f"{n_open} to mend, nothing was changed. Run: titer doctor --fix"


def _fsck(root: Path, *, fix: bool) -> int:
    """Print every damaged object of DVC's cache with whose it is; their number."""
    from titer.repair import findings, objects

    cache = cache_folder(root)
    found = objects.damaged(cache, root, findings.stages(root), _bar)
    for one in found:
        owner = f"{one.owner.path}, made by {one.owner.stage}" if one.owner else "an earlier result"
        print(f"{one.object}: damaged, {owner}\n    to bring it back: {one.cure()}")
        if fix:
            objects.set_aside(one, root / ".dvc" / "tmp" / "damaged")
            print(f"    set aside as .dvc/tmp/damaged/{one.md5}")
    n_objects = len(objects.listed(cache)) + (len(found) if fix else 0)
    print(f"DVC's cache: {n_objects} objects hashed, {len(found)} damaged")
    return len(found)


def _bar(things: Sequence[Any]) -> Iterable[Any]:
    from tqdm.auto import tqdm

    bar: Iterable[Any] = tqdm(things, "hashing again", unit="file", delay=2)
    return bar


def cache_folder(root: Path) -> Path:
    """Where DVC keeps its objects.

    Raises:
        DataError: DVC cannot say.
    """
    from titer.cli.status import ask_dvc
    from titer.errors import DataError

    done = ask_dvc(root, "cache", "dir")
    if done.returncode:
        raise DataError(f"dvc cache dir, in {root}: {' '.join(done.stderr.split())}")
    return root / done.stdout.strip()


def check_outs(root: Path, outs: Iterable[str], *, inputs: Iterable[str] = ()) -> None:
    """Hash outs again before they leave the project.

    A project without a dvc.lock has none: what lies there was made by hand.

    Args:
        outs: paths of what stages make; one that is there without being in dvc.lock is refused.
        inputs: paths that are looked at where a stage makes them.

    Raises:
        DataError: a file differs from what its stage made, or nothing tells whether it does.
    """
    from titer.errors import DataError, FormatError
    from titer.repair import findings, objects

    path = root / findings.LOCK
    if not path.is_file():
        return
    try:
        stages = findings.stages_in(path.read_bytes())
    except FormatError as why:
        raise DataError(
            f"{findings.LOCK}: {why}, so nothing tells whether a file changed. Run: titer doctor"
        ) from None
    known = {out["path"] for body in stages.values() for out in body.get("outs") or []
             if out.get("md5")}  # fmt: skip
    outs = list(outs)
    for out in outs:
        if out not in known and (root / out).exists():
            raise DataError(
                f"{out}: not in {findings.LOCK}, so no stage has ended that made it. Run: dvc repro"
            )
    objects.check_outs(cache_folder(root), root, stages, [*outs, *inputs], _bar)

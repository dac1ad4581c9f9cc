"""`titer status`, and `titer` alone: what ran, what is stale, the last verdict, what to do next."""

import argparse
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

RUNNING = re.compile(r"\(PID (\d+)\)")
"""How DVC names who holds its lock."""
ABSENT = ("deleted", "not in cache")
"""What DVC says of a file that this folder lacks, as all outputs are lacking in a new clone."""
NOT_HERE = "of its files are not here"
NEVER, STALE = "never ran", "stale: "
FORMER = "The last verdict is of former settings, inputs or code; dvc repro makes it anew:"
SHOWN = 3
"""Changes named per stage; of more, the number is told."""


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "status",
        help="what ran, what is stale, the last verdict and the next command",
        description="Ask DVC what an edit reached, and say what to run next; changes nothing. "
        "`titer` alone does the same. Example: titer status",
    )
    parser.set_defaults(run=show)


def show(arguments: argparse.Namespace) -> None:
    """Print where one stands.

    Raises:
        ConfigError: params.yaml or conf/ holds a mistake.
        DataError: DVC cannot say.
    """
    from titer import __version__, runner

    choices, config = runner.chosen()
    chosen = " · ".join(f"{group} {name}" for group, name in choices.items())
    print(f"Titer {__version__}: {chosen} · seed {config.seed}\n")
    changed = _changed(runner.ROOT)
    if isinstance(changed, str):
        print(f"A run is under way: {changed}. Its stages cannot be asked before it ends.\n")
        states = {}
    else:
        states = states_of(runner.dvc_stages("dvc.yaml"), runner.dvc_stages("dvc.lock"), changed)
        for name, words in states.items():
            print(f"  {name:<16} {words}")
        print()
    for line in _verdicts(runner.ROOT, are_former=states.get("score", "").startswith(STALE)):
        print(textwrap.fill(line, 100, subsequent_indent="  "))
    print(f"\nNext: {_next(runner.ROOT, changed)}")


def states_of(
    stages: Mapping[str, Any], recorded: Iterable[str], changed: Mapping[str, Any]
) -> dict[str, str]:
    """Every stage in words; one that reads what another will make anew is stale after that one.

    Args:
        stages: of dvc.yaml.
        recorded: names in dvc.lock.
        changed: of `dvc status --json`, which names no stage for what is not made yet.
    """
    from titer import runner

    own = {name: state(name in recorded, changed.get(name, ())) for name in stages}
    runs = [name for name, words in own.items() if words == NEVER or words.startswith(STALE)]
    for name in own.keys() - runs:
        above = runner.upstream(name, stages)
        if before := [other for other in runs if other in above]:
            own[name] = f"{STALE}after {_listed(before)}"
    return own


def state(ran: bool, changes: Sequence[Any]) -> str:
    """One stage in words: done, stale and why, or never ran.

    Args:
        ran: dvc.lock holds it.
        changes: of `dvc status --json`, of this stage.
    """
    if not ran:
        return NEVER
    why = list(reasons(changes))
    if not why:
        return "done"
    if why[0].endswith(NOT_HERE):  # and nothing else: they come last
        return f"ran, but {why[0]}"
    return f"{STALE}{_listed(why)}"


def _listed(names: Sequence[str]) -> str:
    """The first few, and how many more."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def reasons(changes: Iterable[Any]) -> Iterable[str]:
    """Each change that DVC names, in words: settings first, then files; absent files last."""
    absent = 0
    files: list[str] = []
    for change in changes:
        if isinstance(change, str):
            yield change
            continue
        for path, what in (entry for part in change.values() for entry in part.items()):
            if isinstance(what, Mapping):  # the keys of a file of settings
                yield from (f"{key} {word}" for key, word in what.items())
            elif what in ABSENT:
                absent += 1
            else:
                files.append(f"{path} {what}")
    yield from files
    if absent:
        yield f"{absent} {NOT_HERE}"


def ask_dvc(root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run the dvc of this environment, which need not be on the path, in a project."""
    place = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(["dvc", *words], cwd=root, env=place, capture_output=True, text=True)


def _changed(root: Path) -> dict[str, Any] | str:
    """What DVC finds changed, by stage; a text where another process holds its lock."""
    from titer.errors import DataError

    done = ask_dvc(root, "status", "--json")
    if done.returncode == 0:
        found: dict[str, Any] = json.loads(done.stdout)
        return found
    holder = RUNNING.search(done.stderr)
    if holder or "Unable to acquire lock" in done.stderr:
        return f"process {holder[1]}" if holder else "another DVC command"
    said = " ".join(done.stderr.split())
    raise DataError(f"dvc status, in {root}: {said}. `titer doctor` finds what DVC cannot mend")


def _verdicts(root: Path, *, are_former: bool = False) -> list[str]:
    """The last verdicts in the words of the report, or that there is none.

    Args:
        are_former: score would not decide on the same things now.
    """
    from titer import files
    from titer.report import verdicts

    path = root / "results" / "stats.json"
    if not path.is_file():
        return ["No verdict yet: results/stats.json is not there."]
    with files.as_written(path, "Run: dvc checkout results/stats.json"):
        return [FORMER] * are_former + [
            f"{one['name']}: {one['word']}. {' '.join(one['lines'])}"
            for one in verdicts.of(files.read_json(path))
        ]


def _next(root: Path, changed: dict[str, Any] | str) -> str:
    """The next sensible command, and what it is for."""
    if isinstance(changed, str):
        return "wait for it; its progress is where it was started"
    if not (root / "dvc.lock").is_file() or changed:
        return "titer check && dvc repro"
    if _uncommitted(root):
        return 'git add -A && git commit -m "what was tried"    (keeps this result comparable)'
    return (
        "open reports/report.html; edit params.yaml and run dvc repro; "
        "or keep this one: titer model register --help"
    )


def _uncommitted(root: Path) -> bool:
    """Whether results stand in the folder that no commit holds; false where git cannot say."""
    done = subprocess.run(
        ["git", "status", "--porcelain", "--", "dvc.lock", "results", "reports"],
        cwd=root, capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode == 0 and bool(done.stdout.strip())

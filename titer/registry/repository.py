"""What Git and DVC say of the project, through their command lines.

Invariant: nothing here changes the working tree, a tag or a remote.
"""

import json
import subprocess
import sys
from pathlib import Path

from titer.errors import DataError, FormatError

MAX_SHOWN = 3
DOWNLOADS = ("get", "artifacts")
"""Verbs of DVC that bring files."""


def check_clean(root: Path) -> None:
    """Refuse a tree that no commit describes.

    Raises:
        DataError: Git or DVC knows of a change; names the first ones.
    """
    lines = _run(root, "git", "status", "--porcelain", "--untracked-files=all").splitlines()
    if lines:
        raise DataError(
            f"{len(lines)} uncommitted changes ({_first([line[3:] for line in lines])}): a version "
            "is a commit. Run: git add, git commit, then the same command again"
        )
    changed = json.loads(_run(root, "dvc", "status", "--json") or "{}")
    if changed:
        raise DataError(
            f"dvc.lock does not describe this tree: {len(changed)} stages changed "
            f"({_first(sorted(changed))}). Run: dvc repro, git commit, then the same command again"
        )


def check_artifact(root: Path, domain: str, arm: str, path: str) -> None:
    """Refuse a name that dvc.yaml does not list, so that DVC's own commands find the version too.

    Args:
        root: the project.
        domain, arm: of the name; dvc.yaml may write `${domain}` for the one that is chosen.
        path: of the model.

    Raises:
        DataError: says which line to add.
        FormatError: dvc.yaml is missing or no YAML.
    """
    import yaml

    try:
        found = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        text = " ".join(str(error).split())
        raise FormatError(f"dvc.yaml: cannot be read ({text})") from None
    found = found if isinstance(found, dict) else {}
    listed = found["artifacts"] if isinstance(found.get("artifacts"), dict) else {}
    of_any_domain = f"${{domain}}-{arm}"
    given = [listed.get(name) for name in (f"{domain}-{arm}", of_any_domain)]
    if path not in [one.get("path") for one in given if isinstance(one, dict)]:
        raise DataError(
            f"dvc.yaml: `artifacts:` has no {domain}-{arm} with path {path}. Add and commit: "
            f'"{of_any_domain}": {{path: {path}, type: model}}'
        )


def get(root: Path, path: str, commit: str, out: Path) -> None:
    """Bring a file or folder of a commit, from the cache or else the remote.

    Raises:
        DataError: it is in neither.
    """
    _run(root, "dvc", "get", str(root), path, "--rev", commit, "--out", str(out))


def get_artifact(root: Path, name: str, version: str, out: Path) -> None:
    """Bring the model of a version, from the cache or else the remote.

    Raises:
        DataError: it is in neither.
    """
    _run(root, "dvc", "artifacts", "get", str(root), name, "--rev", version, "--out", str(out))


def _first(names: list[str]) -> str:
    more = ", ..." if len(names) > MAX_SHOWN else ""
    return f"{', '.join(names[:MAX_SHOWN])}{more}"


def _run(root: Path, program: str, verb: str, *arguments: str) -> str:
    # the dvc of this environment, whether or not it is activated
    found = str(Path(sys.executable).with_name("dvc")) if program == "dvc" else program
    # a download of gigabytes shows DVC's own bars to whoever sits there
    is_shown = verb in DOWNLOADS and sys.stderr.isatty()
    try:
        done = subprocess.run(
            [found, verb, *arguments], cwd=root, check=False, text=True,
            stdout=subprocess.PIPE, stderr=None if is_shown else subprocess.PIPE,
        )  # fmt: skip
    except OSError as error:
        raise DataError(f"{program}: {error.strerror}. Install it, see README.md") from None
    if done.returncode:
        cure = ". Where it was registered: dvc push; here: dvc remote list"
        # of an artifact the first error is that DVC's paid service has no settings
        place = -1 if verb == "artifacts" else 0
        reason = _reason(done.stderr, place) or f"exit code {done.returncode}"
        raise DataError(f"{program} {verb}: {reason}{cure if verb in DOWNLOADS else ''}")
    return done.stdout


def _reason(stderr: str | None, place: int) -> str:
    """The line at a place among those that name an error, else among those that say anything."""
    lines = [line for line in (stderr or "").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR: ", "fatal: "))]
    found = (errors or lines or [""])[place]
    return found.removeprefix("ERROR: ").removeprefix("fatal: ")

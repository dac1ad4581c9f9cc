"""A notebook that runs the pipeline of one commit again, on Colab or on any machine with Python.

Invariant: the same commit and settings give the same bytes; no secret is in it, only the names of
those that it looks up where it runs. Environment variables of the notebook:
TITER_COLAB_SKIP_INSTALL=1 takes the packages of the Python that runs it, TITER_COLAB_FOLDER names
the folder of the clone, titer-run where it is not set.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from titer import files
from titer.errors import ConfigError, DataError

MADE = ("dvc.lock", "results", "reports")
"""What the pipeline makes: the notebook makes it again."""
MAX_SHOWN = 3
SECRETS = ("HF_TOKEN", "NCBI_API_KEY", "NCBI_EMAIL")

ABOUT_SECRETS = (
    f"## Secrets\nLooked up in Colab's own store, where you keep them: {', '.join(SECRETS)}. "
    "Sample papers and an open model need none."
)

PREPARE = """\
import os, shutil, subprocess, sys
from pathlib import Path

REPOSITORY = {repository!r}
COMMIT = {commit!r}
SETTINGS = {settings!r}
EXTRA = {extra!r}
NEEDS_GPU = {needs_gpu!r}

PROJECT = Path(os.environ.get("TITER_COLAB_FOLDER", "titer-run")).resolve()
SKIP_INSTALL = os.environ.get("TITER_COLAB_SKIP_INSTALL") == "1"
BIN = Path(sys.executable).parent if SKIP_INSTALL else PROJECT / ".venv" / "bin"


def run(*command, cwd=PROJECT):
    \"\"\"Run a command, show what it says at once, and stop the notebook if it fails.\"\"\"
    env = os.environ | {{"PATH": f"{{BIN}}{{os.pathsep}}{{os.environ['PATH']}}"}}
    with subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout:
            print(line, end="")
    if process.returncode:
        raise RuntimeError(f"{{' '.join(map(str, command))}}: ended with {{process.returncode}}")
"""
GPU = """\
if shutil.which("nvidia-smi"):
    run("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader", cwd=".")
elif NEEDS_GPU:
    raise RuntimeError("no GPU, and these settings need one. Choose Runtime, Change runtime type, "
                       "a GPU, then run all cells again")
else:
    print("no GPU; these settings need none")
"""
CLONE = """\
if not PROJECT.is_dir():
    run("git", "clone", "--quiet", REPOSITORY, str(PROJECT), cwd=".")
run("git", "checkout", "--quiet", COMMIT)
run("git", "log", "--max-count=1", "--format=%H %s")
"""
INSTALL = """\
if SKIP_INSTALL:
    print("TITER_COLAB_SKIP_INSTALL=1: the packages of this Python are used")
else:
    run(sys.executable, "-m", "pip", "install", "--quiet", "-c", "constraints.txt", "virtualenv")
    run(sys.executable, "-m", "virtualenv", "--quiet", str(PROJECT / ".venv"))
    run(str(BIN / "python"), "-m", "pip", "install", "--quiet", "-c", "constraints.txt",
        "-e", f".[{EXTRA}]" if EXTRA else ".")
"""
LOOK_UP = """\
try:
    from google.colab import userdata
except ImportError:
    userdata = None
for name in {secrets!r}:
    try:
        if userdata and name not in os.environ:
            os.environ[name] = userdata.get(name)
    except Exception:
        pass  # not stored, or not open to this notebook: most runs need none of them
"""
TRAIN = """\
options = [word for setting in SETTINGS for word in ("-S", setting)]
run("dvc", *(["exp", "run", *options] if SETTINGS else ["repro"]))
"""
VERDICT = """\
from IPython.display import Markdown, display

report = (PROJECT / "reports" / "report.md").read_text(encoding="utf-8")
display(Markdown(report.partition("\\n## What was compared")[0]))
run("dvc", "metrics", "diff")
"""
DOWNLOAD = """\
taken = PROJECT / "runs" / "colab"
for folder in ("models/qlora", "reports"):
    shutil.copytree(PROJECT / folder, taken / folder, dirs_exist_ok=True)
shutil.copy(PROJECT / "results" / "metrics.json", taken)
archive = shutil.make_archive(str(PROJECT / "runs" / "titer_qlora"), "zip", taken)
try:
    from google.colab import files
    files.download(archive)
except ImportError:
    print(archive)
"""


@dataclass(frozen=True)
class Origin:
    """Where the notebook gets the project from."""

    repository: str
    """URL or folder, without user or password."""
    commit: str
    """Forty digits."""
    is_pushed: bool
    """Whether a branch of a remote holds the commit, as far as Git knows."""


def find_origin(root: Path, repository: str | None = None) -> Origin:
    """The commit that is checked out, and where others get it.

    Args:
        root: of the project.
        repository: URL or folder; null: Git's remote `origin`.
    Raises:
        ConfigError: no repository is named and Git knows none.
        DataError: not a Git repository, or changes that no commit holds.
    """
    commit = _git(root, "rev-parse", "HEAD")
    changed = [line.split(maxsplit=1)[1] for line in _git(
        root, "status", "--porcelain", "--", ".", *(f":!{path}" for path in MADE)
    ).splitlines()]  # fmt: skip
    if changed:
        shown = ", ".join(changed[:MAX_SHOWN]) + (", ..." if len(changed) > MAX_SHOWN else "")
        raise DataError(
            f"{len(changed)} uncommitted changes ({shown}): the notebook runs a commit. Run: git "
            "add, git commit, then the same command again"
        )
    if repository is None:
        remotes = _git(root, "remote").split()
        if "origin" not in remotes:
            raise ConfigError(
                "no Git remote called origin, so a notebook could not get the project. Name its "
                "URL: titer export colab --repository URL"
            )
        repository = _git(root, "remote", "get-url", "origin")
    if Path(repository).is_dir():
        repository = str(Path(repository).resolve())
    holding = _git(root, "branch", "--remotes", "--contains", commit)
    return Origin(public_url(repository), commit, is_pushed=bool(holding))


def public_url(repository: str) -> str:
    """The address without user and password; `git@host:path` as https, which asks for no key."""
    if "://" not in repository:
        host, colon, path = repository.rpartition("@")[2].partition(":")
        is_remote = colon and "/" not in host and "@" in repository
        return f"https://{host}/{path}" if is_remote else repository
    parts = urlsplit(repository)
    where = parts.netloc.rpartition("@")[2]
    if parts.scheme == "ssh":  # its port is not that of https
        return urlunsplit(("https", where.partition(":")[0], parts.path, "", ""))
    return urlunsplit((parts.scheme, where, parts.path, "", ""))


def notebook(
    origin: Origin, *, choices: dict[str, str], settings: Sequence[str], needs_gpu: bool
) -> Any:
    """The notebook, valid by nbformat's own schema.

    Args:
        origin: of the project.
        choices: model, domain, papers and hardware, for the reader.
        settings: `key=value` on top of params.yaml of the commit.
        needs_gpu: stop early where there is none.
    """
    import nbformat

    v4: Any = nbformat.v4  # untyped
    given = {
        "repository": origin.repository, "commit": origin.commit, "settings": list(settings),
        "extra": "gpu" if needs_gpu else "", "needs_gpu": needs_gpu,
    }  # fmt: skip
    cells = [
        v4.new_markdown_cell(_introduction(origin, choices, settings)),
        v4.new_code_cell(PREPARE.format(**given)),
    ]
    for title, code in (
        ("## GPU", GPU),
        ("## The project, at one commit", CLONE),
        ("## Packages, pinned by constraints.txt, beside those of Colab", INSTALL),
        (ABOUT_SECRETS, LOOK_UP.format(secrets=list(SECRETS))),
        ("## All stages, training included", TRAIN),
        ("## The verdict, and what differs from the commit", VERDICT),
        ("## The adapter, its report and its figures as one file", DOWNLOAD),
    ):
        cells += [v4.new_markdown_cell(title), v4.new_code_cell(code)]
    for number, cell in enumerate(cells):
        cell["id"] = f"titer-{number:02}"  # nbformat's own are random
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
        **({"accelerator": "GPU", "colab": {"gpuType": "T4"}} if needs_gpu else {}),
    }
    made = v4.new_notebook(cells=cells, metadata=metadata)
    nbformat.validate(made)
    return made


def write(path: Path, made: Any) -> None:
    """Write a notebook."""
    import nbformat

    text: str = nbformat.v4.writes_json(made)  # type: ignore[no-untyped-call]
    files.write_text(path, f"{text.rstrip()}\n")


def _introduction(origin: Origin, choices: dict[str, str], settings: Sequence[str]) -> str:
    chosen = ", ".join(f"{key}={value}" for key, value in sorted(choices.items()))
    on_top = f" On top of that: {', '.join(settings)}." if settings else ""
    return (
        "# The training again\n\n"
        f"Commit `{origin.commit}`, settings of its params.yaml: {chosen}.{on_top} Run all cells "
        "from the top. Files of your own that Git does not hold are not in the clone: copy them "
        "to the same place below data/own before the stages run."
    )


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, check=False, text=True, capture_output=True
        )
    except FileNotFoundError:
        raise DataError("git is not installed, and a notebook runs a commit. Install git") from None
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"ended with {done.returncode}"
        raise DataError(f"git {arguments[0]}: {said}")
    return done.stdout.strip()

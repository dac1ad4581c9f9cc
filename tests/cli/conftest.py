"""A copy of the project that a test may spoil, and the command `titer` run in it."""

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import commands
from tests.commands import Done
from tests.registry.made_up_versions import two_versions
from titer import runner
from titer.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "import sys; from titer.cli.main import main; sys.exit(main())"
CHOICES = {"model": "pocket", "domain": "autoimmune", "papers": "sample", "hardware": "cpu"}

Titer = Callable[..., tuple[int, str, str]]
"""The fixture `titer`: arguments to exit code, output, errors."""


@dataclass(frozen=True)
class Ended(Done):
    """How a process of its own ended."""

    cpu_s: float
    """Of the process, whatever else the machine is doing."""


@dataclass(frozen=True)
class Project:
    """The copy."""

    root: Path

    def titer(self, *arguments: str, **environment: str) -> Done:
        """The command in this process, which spares the second that Python and imports take."""
        return commands.titer(self.root, *arguments, **environment)

    def process(self, *arguments: str, **environment: str) -> Ended:
        """The command as a person runs it, by the copy's own code.

        HF_HUB_OFFLINE of the test run is not handed on.
        """
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, *arguments], cwd=self.root, env=kept | environment,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Ended(done.returncode, done.stdout, done.stderr, used)

    def set(self, file: str, **values: str) -> None:
        """Give keys at the left margin of a YAML file other values, comments kept."""
        path = self.root / file
        text = path.read_text()
        for key, value in values.items():
            text, found = re.subn(rf"(?m)^{key}:[ \t]*[^\s#]+", f"{key}: {value}", text)
            assert found == 1, f"{file}: {key} stands there {found} times"
        path.write_text(text)

    def write(self, file: str, text: str) -> Path:
        """Write a file, its folder made."""
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Code, settings, benchmark and sample papers: the default choices, nothing of one's own."""
    copy = Project(tmp_path / "project")
    for name in ("titer", "conf", "data/benchmark", "data/samples"):
        shutil.copytree(ROOT / name, copy.root / name)
    for name in ("model", "autoimmune/papers", "autoimmune/questions"):
        (copy.root / "data" / "own" / name).mkdir(parents=True)
    shutil.copy(ROOT / "params.yaml", copy.root)
    copy.set("params.yaml", **CHOICES)
    return copy


@pytest.fixture
def titer(
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Titer:
    """The command in a project with two versions: exit code, output, errors."""
    root = tmp_path / "project"
    shutil.copytree(two_versions(tmp_path_factory.getbasetemp()), root, symlinks=True)
    shutil.copytree(ROOT / "conf", root / "conf")
    shutil.copy(ROOT / "params.yaml", root)
    monkeypatch.setattr(runner, "ROOT", root)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run

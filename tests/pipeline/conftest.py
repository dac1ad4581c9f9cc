"""Clones of the working tree in which DVC runs, on the default and on a tiny configuration."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.imports import ROOT

TINY_MODEL = """
steps: 12
batch_tokens: 512
vocab_size: 1024
hidden_size: 64
intermediate_size: 128
n_layers: 2
n_heads: 2
n_kv_heads: 1
"""


@dataclass
class Clone:
    """A Git and DVC repository of its own."""

    path: Path

    def run(self, *command: str, check: bool = True, threads: int = 1) -> Any:
        """Run a command of this environment in the clone."""
        bin_folder = Path(sys.executable).parent
        env = {
            **os.environ,
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.path),  # the clone's modules, not the installed tree's
            "OMP_NUM_THREADS": str(threads),
        }
        for name in [name for name in env if name.startswith("DVC_")]:
            del env[name]
        done = subprocess.run(
            command, cwd=self.path, env=env, capture_output=True, text=True, timeout=1800
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done

    def repro(self, *arguments: str, threads: int = 1) -> list[str]:
        """Names of the stages that `dvc repro` ran."""
        output = self.run("dvc", "repro", *arguments, threads=threads).stdout
        return [
            line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")
        ]

    def edit(self, file: str, change: Callable[[str], str]) -> None:
        """Change a text file; the change must change something."""
        path = self.path / file
        before = path.read_text()
        after = change(before)
        assert after != before, f"nothing to change in {file}"
        path.write_text(after)

    def read(self, file: str) -> Any:
        """A YAML or JSON file."""
        return yaml.safe_load((self.path / file).read_text())


def clone_of_the_working_tree(to: Path) -> Clone:
    """Tracked and new files as they are now, as one commit; no DVC cache, no outs."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in listed.splitlines():
        source = ROOT / name
        made = name.startswith(("results/", "reports/re", "reports/model", "dvc.lock"))
        if source.is_file() and not made:
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, to / name)
    clone = Clone(to)
    for command in (
        ("git", "init", "-q"),
        ("git", "add", "-A"),
        ("git", "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-qm", "x"),
    ):
        clone.run(*command)
    return clone


def make_tiny(clone: Clone, *, max_candidates: int = 4) -> None:
    """Shrink model, training and papers until a whole run takes about a minute.

    Of four candidates few items keep three distractors of their class; a test that looks at the
    scores themselves asks for the eight of a real run.
    """
    model = clone.read("conf/model/pocket.yaml")
    model["pretraining"] |= yaml.safe_load(TINY_MODEL)
    model["generation"]["max_new_tokens"] = 8
    (clone.path / "conf/model/pocket.yaml").write_text(yaml.safe_dump(model))
    params = clone.read("params.yaml")
    for section in ("qlora", "full"):
        params[section] |= {"epochs": 0.1, "evals": 2}
    params["examples"]["per_paper"] = 2
    params["eval"]["max_candidates"] = max_candidates
    (clone.path / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with a tiny configuration, all eight stages run once."""
    clone = clone_of_the_working_tree(tmp_path_factory.mktemp("tiny_pipeline"))
    make_tiny(clone)
    assert len(clone.repro()) == 8
    commit(clone)
    return clone


def commit(clone: Clone) -> None:
    """Commit what DVC left for Git."""
    clone.run("git", "add", "-A")
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    clone.run("git", *author, "commit", "-qm", "run", check=False)

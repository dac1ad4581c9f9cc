"""Runs of a small stage outside and inside DVC: what they leave when something goes wrong."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.imports import ROOT

HEAD = """
import os, sys, time
from pathlib import Path
from titer import errors, runner
from titer.runner import stage
runner.ROOT = Path(__file__).parent

@stage(uses=("qlora", "plan"), reads={}, writes={"result": "results/result.txt"},
       least_memory_bytes=0, least_address_bytes=0)
def train_qlora(cfg, at):
"""
TAIL = """
    files_of(at)
    return float(cfg.qlora.lora_r)

def files_of(at):
    at.checkpoints.mkdir(parents=True, exist_ok=True)
    at.writes.result.write_text("x")

train_qlora.main()
"""


class Project:
    """A folder with the real settings and a stage whose body a test gives."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copy(ROOT / "params.yaml", root)
        shutil.copytree(ROOT / "conf", root / "conf")
        (root / "dvc.yaml").write_text("stages:\n  train_qlora:\n    cmd: python job.py\n")

    def begin(self, body: str, *words: str, **environment: str) -> "subprocess.Popen[str]":
        (self.root / "job.py").write_text(f"{HEAD}    {body}\n{TAIL}")
        return subprocess.Popen(
            [sys.executable, "job.py", *words], cwd=self.root, text=True, stderr=subprocess.PIPE,
            stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        )  # fmt: skip

    def run(self, body: str, *words: str, **environment: str) -> tuple[int, str]:
        """Exit code and last line of the errors."""
        process = self.begin(body, *words, **environment)
        _, said = process.communicate(timeout=100)
        assert "Traceback" not in said, said
        return process.returncode, said.strip().splitlines()[-1] if said.strip() else ""

    def left(self, folder: str, name: str) -> dict[str, Any]:
        """What each job of a sweep left under a name, by number."""
        found = (self.root / folder).glob(f"*/{name}")
        return {path.parent.name: json.loads(path.read_text()) for path in sorted(found)}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_failed_gate_leaves_the_report_and_any_other_error_nothing(project: Project) -> None:
    result = project.root / "results/result.txt"
    for error, is_left in (("GateFailed", True), ("DataError", False)):
        body = f'files_of(at); raise errors.{error}("2 gates failed")'
        done = project.run(body, DVC_STAGE="train_qlora", DVC_ROOT=str(project.root))
        assert done == (1, "error: 2 gates failed")
        assert result.is_file() is is_left

"""Who works in a project, told from the command lines of its processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from titer.repair import findings, processes

DVC = """
import os, subprocess, sys
given = {**os.environ, "DVC_ROOT": os.getcwd(), "DVC_STAGE": "mine"}
child = subprocess.Popen([sys.executable, "-m", "stages.mine"], env=given)
sys.stdin.readline()
child.kill()
child.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("environment", ["venv", "my own project/.venv"])
def test_a_stage_is_no_orphan_whatever_the_path_of_its_dvc(
    tmp_path: Path, environment: str
) -> None:
    dvc = tmp_path / environment / "bin" / "dvc"
    dvc.parent.mkdir(parents=True)
    dvc.write_text(DVC)
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/mine.py").write_text(
        "import time\nprint('begun', flush=True)\ntime.sleep(60)\n"
    )
    running = subprocess.Popen(
        [sys.executable, str(dvc), "repro"], cwd=tmp_path, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        working = processes.of_project(tmp_path, processes.everyone())
        assert [one.argv[1:3] for one in working if one.by_dvc_of] == [("-m", "stages.mine")]
        assert list(findings.orphans(tmp_path)) == []
    finally:
        running.communicate("\n", timeout=30)

"""Stages on a full disk, with little memory, offline, and on machines that are set up oddly.

Either a stage ends as anywhere else, or with one line, no part of an out, and the same later.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import Clone
from tests.reliability import kill_matrix
from tests.reliability.conftest import STAGE

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
NOWHERE = "http://127.0.0.1:9"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def every_stage(*, by_default: bool = True) -> pytest.MarkDecorator:
    """The fastest stage by default, all of them when slow tests run."""
    cases: list[Any] = [pytest.param("collected", STAGE, id=STAGE)] if by_default else []
    cases += [pytest.param("finished", stage, id=f"all-{stage}", marks=pytest.mark.slow)
              for stage in kill_matrix.STAGES]  # fmt: skip
    return pytest.mark.parametrize(("whole", "stage"), cases)


@pytest.fixture
def run_of(whole: str, request: pytest.FixtureRequest) -> Path:
    """The undisturbed run to compare with."""
    path: Path = request.getfixturevalue(whole)
    return path


def repro(clone: Clone, stage: str, *before: str) -> Any:
    return clone.run(*before, "dvc", "repro", stage, check=False)


@every_stage(by_default=False)
def test_proxies_that_answer_nothing_are_in_no_ones_way(
    run_of: Path, stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, NOWHERE)
    clone = kill_matrix.without_stage(run_of, stage, tmp_path / "work")
    done = repro(clone, stage)
    assert done.returncode == 0, done.stderr
    assert kill_matrix.differences(run_of, clone.path, stage) == ()


@every_stage(by_default=False)
def test_a_home_that_takes_nothing(
    run_of: Path, stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/proc/titer")  # not even root may write there
    clone = kill_matrix.without_stage(run_of, stage, tmp_path / "work")
    done = repro(clone, stage)
    assert done.returncode == 0, done.stderr
    assert kill_matrix.differences(run_of, clone.path, stage) == ()


@every_stage(by_default=False)
def test_files_from_the_future(run_of: Path, stage: str, tmp_path: Path) -> None:
    """As they stand after a clock was set back."""
    clone = kill_matrix.without_stage(run_of, stage, tmp_path / "work")
    for path in clone.path.rglob("*"):
        if path.is_file() and ".git" not in path.parts:
            os.utime(path, (4102444800, 4102444800))  # 2100-01-01
    done = repro(clone, stage)
    assert done.returncode == 0, done.stderr
    assert kill_matrix.differences(run_of, clone.path, stage) == ()


@pytest.mark.skipif(not IS_ROOT, reason="a network namespace of its own needs root")
@every_stage()
def test_without_any_network(run_of: Path, stage: str, tmp_path: Path) -> None:
    clone = kill_matrix.without_stage(run_of, stage, tmp_path / "work")
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        pytest.skip("unshare is not permitted here")
    done = repro(clone, stage, "unshare", "-n")
    assert done.returncode == 0, done.stderr
    assert kill_matrix.differences(run_of, clone.path, stage) == ()


@pytest.mark.skipif(not IS_ROOT, reason="mounting needs root")
@every_stage()
def test_a_full_disk_ends_a_stage_in_one_line(run_of: Path, stage: str, tmp_path: Path) -> None:
    source = kill_matrix.without_stage(run_of, stage, tmp_path / "work")
    with small_disk(tmp_path / "disk") as disk:
        clone = Clone(Path(shutil.copytree(source.path, disk / "project", symlinks=True)))
        ballast = fill(disk, but_bytes=64 * 1024)
        done = repro(clone, stage)
        assert done.returncode != 0
        assert_one_line(done.stdout + done.stderr, ("disk is full", "disk filled", "GB free"))
        for name in kill_matrix.outs(run_of, stage):
            assert not (clone.path / name).is_file(), f"part of {name}"
        ballast.unlink()
        done = repro(clone, stage)
        assert done.returncode == 0, done.stderr
        assert kill_matrix.differences(run_of, clone.path, stage) == ()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(folder)]
    if subprocess.run(words, capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, *, but_bytes: int) -> Path:
    """A file that leaves a disk this much room."""
    path = disk / "ballast"
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - but_bytes)
    return path


@every_stage()
def test_little_memory_ends_a_stage_in_one_line(run_of: Path, stage: str, tmp_path: Path) -> None:
    """The limit holds for the stage's process alone: DVC needs more than some stages do."""
    clone = kill_matrix.without_stage(run_of, stage, tmp_path / "work")
    limit = limits_kib(stage)
    clone.edit("dvc.yaml", lambda text: text.replace(
        f"cmd: python -m stages.{stage}\n",
        f"cmd: ulimit -v {limit} && python -m stages.{stage}\n"))  # fmt: skip
    done = repro(clone, stage)
    assert done.returncode != 0
    assert_one_line(done.stdout + done.stderr, ("gave no more memory", "are left by"))
    assert not [name for name in kill_matrix.outs(run_of, stage) if (clone.path / name).is_file()]
    clone.run("git", "checkout", "--", "dvc.yaml")
    done = repro(clone, stage)
    assert done.returncode == 0, done.stderr
    assert kill_matrix.differences(run_of, clone.path, stage) == ()


def limits_kib(stage: str) -> int:
    """Enough for Python and Hydra. Torch crashed without a word at 900,000, and OpenBLAS hung in
    score at 2,200,000."""
    return 200_000 if stage == STAGE else 2_200_000


def assert_one_line(text: str, words: tuple[str, ...]) -> None:
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, text
    assert any(word in lines[0] for word in words), lines[0]
    assert "Traceback" not in text

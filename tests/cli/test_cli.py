"""The command `titer`: quick help, exit codes, the benchmark's lock, the ranking of a sweep."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from titer import __version__
from titer.cli.main import main

LOCK = "data/benchmark/autoimmune/benchmark.lock.json"


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Five finished jobs and one that failed."""
    objectives = [2.5, 2.25, 3.0, 2.75, 4.0, None]
    for number, objective in enumerate(objectives):
        overrides = [
            "sweep=qlora_lr",
            f"model.max_length={64 * (number + 1)}",
            f"qlora.learning_rate={number + 1}e-4",
            "model=qwen3_8b",
            "+qlora.target_modules='q_proj,v_proj'",
            "hydra.verbose=true",
        ]
        folder = tmp_path / "sweep" / str(number)
        folder.mkdir(parents=True)
        row = {"objective": objective, "overrides": overrides}
        (folder / "result.json").write_text(json.dumps(row))
    (tmp_path / "sweep" / "6").mkdir()
    return tmp_path / "sweep"


def test_help_is_quick_and_names_every_command(project: Any) -> None:
    done = project.titer("--help")
    assert (done.code, done.err) == (0, "")
    for word in ("check", "pin", "domain", "benchmark", "export", "sweep", "dvc repro"):
        assert word in done.out
    assert done.cpu_s < 0.5


@pytest.mark.parametrize(
    "words",
    [
        ["check"],
        ["pin"],
        ["domain", "new"],
        ["benchmark", "lock"],
        ["export", "lm-eval"],
        ["sweep", "best"],
    ],
)
def test_every_command_has_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    assert " ".join(["titer", *words]) in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["chekc"], ["benchmark"], ["sweep", "worst"], ["pin"]])
def test_an_unknown_or_incomplete_command_is_exit_code_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[-1].startswith("titer")


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"titer {__version__}\n"


def test_check_is_one_line_and_quick(project: Any) -> None:
    done = project.titer("check")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "configuration ok: domain=autoimmune, hardware=cpu, model=pocket, papers=sample\n"
    )
    assert done.cpu_s < 2


def test_a_lock_is_stale_after_an_edit_and_written_anew(project: Any) -> None:
    (project.root / LOCK).unlink()
    assert project.titer("benchmark", "lock").code == 0
    with (project.root / "data/benchmark/general/general.jsonl").open("a") as file:
        file.write("\n")
    stale = project.titer("check")
    assert (stale.code, stale.out) == (1, "")
    assert stale.err == (
        f"error: {project.root / LOCK}: stale (general/general.jsonl). Run: titer benchmark lock\n"
    )
    written = project.titer("benchmark", "lock")
    assert written.out.startswith(f"{LOCK}: ")
    assert project.titer("check").code == 0


def test_a_missing_lock_is_one_line(project: Any) -> None:
    (project.root / LOCK).unlink()
    done = project.titer("check")
    assert done.err == (f"error: {project.root / LOCK}: no such file. Run: titer benchmark lock\n")


def test_the_best_job_comes_first_and_back_through_dvc(project: Any, sweep: Path) -> None:
    done = project.titer("sweep", "best", str(sweep))
    *ranking, command = done.out.splitlines()
    assert [line.split()[1] for line in ranking] == [
        "2.250000", "2.500000", "2.750000", "3.000000", "4.000000",
    ]  # fmt: skip
    assert shlex.split(command) == [
        "dvc", "exp", "run",
        "-S", "conf/model/qwen3_8b.yaml:max_length=128",
        "-S", "qlora.learning_rate=2e-4",
        "-S", "model=qwen3_8b",
        "-S", "qlora.target_modules='q_proj,v_proj'",
    ]  # fmt: skip


def test_the_largest_objective_is_best_on_request(project: Any, sweep: Path) -> None:
    done = project.titer("sweep", "best", str(sweep), "--maximise")
    assert done.out.startswith("# 4.000000  ")
    assert "qlora.learning_rate=5e-4" in done.out.splitlines()[-1]


@pytest.mark.parametrize("name", ["empty", "absent"])
def test_a_sweep_without_a_finished_job_is_one_line(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["sweep", "best", str(tmp_path / name)]) == 1
    assert capsys.readouterr().err == (
        f"error: {tmp_path / name}: no finished job (no */result.json)\n"
    )

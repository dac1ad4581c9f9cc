"""The command `titer`: quick help, exit codes, the benchmark's lock, the ranking of a sweep."""

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from titer import __version__
from titer.cli import examples
from titer.cli.main import main, parser

LOCK = "data/benchmark/autoimmune/benchmark.lock.json"


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Five finished jobs, one without an objective, one that was killed, one that failed."""
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
        row = {"stage": "train_qlora", "run": "r", "objective": objective, "overrides": overrides}
        (folder / "result.json").write_text(json.dumps(row))
    killed, failed = tmp_path / "sweep" / "6", tmp_path / "sweep" / "10"
    (killed / ".hydra").mkdir(parents=True)
    (killed / ".hydra" / "overrides.yaml").write_text("- qlora.learning_rate=9e-4\n")
    failed.mkdir()
    (failed / "error.json").write_text(
        json.dumps({"error": "training diverged", "overrides": ["qlora.learning_rate=1"]})
    )
    return tmp_path / "sweep"


def test_help_is_quick_and_names_every_command(project: Any) -> None:
    done = project.process("--help")
    assert (done.code, done.err) == (0, "")
    for word in ("check", "pin", "domain", "benchmark", "export", "sweep", "dvc repro"):
        assert word in done.out
    assert done.cpu_s < 0.5


@pytest.mark.parametrize("leaf", [*examples.leaves(parser())], ids=lambda leaf: leaf.prog)
def test_every_command_has_help_with_an_example_that_it_takes(
    leaf: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*leaf.prog.split()[1:], "--help"])
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith(f"usage: {leaf.prog} ")
    assert "%%" not in shown
    _, found, example = " ".join(f"{leaf.description} {leaf.epilog or ''}".split()).partition(
        f"Example: {leaf.prog}"
    )
    assert found
    assert leaf.parse_args(shlex.split(example.partition(" && ")[0].rstrip(".")))
    assert [action.dest for action in leaf._actions if action.help is None] == []


@pytest.mark.parametrize("words", [["chekc"], ["benchmark"], ["sweep", "worst"], ["pin"]])
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
    done = project.process("check")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "configuration ok: domain=autoimmune, hardware=cpu, model=pocket, papers=sample\n"
    )
    # the quickest of three: a busy machine slows single runs to half their speed
    assert min(done.cpu_s, *(project.process("check").cpu_s for _ in range(2))) < 2


def test_a_lock_is_stale_after_an_edit_and_written_anew(project: Any) -> None:
    (project.root / LOCK).unlink()
    assert project.process("benchmark", "lock").code == 0
    with (project.root / "data/benchmark/general/general.jsonl").open("a") as file:
        file.write("\n")
    stale = project.process("check")
    assert (stale.code, stale.out) == (1, "")
    assert stale.err == (
        f"error: {project.root / LOCK}: stale (general/general.jsonl). Run: titer benchmark lock\n"
    )
    written = project.process("benchmark", "lock")
    assert written.out.startswith(f"{LOCK}: ")
    assert project.process("check").code == 0


def test_a_missing_lock_is_one_line(project: Any) -> None:
    (project.root / LOCK).unlink()
    done = project.process("check")
    assert done.err == (f"error: {project.root / LOCK}: no such file. Run: titer benchmark lock\n")


def test_the_best_job_comes_first_and_back_through_dvc(project: Any, sweep: Path) -> None:
    done = project.process("sweep", "best", str(sweep))
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
        "-S", "score.trials.qlora=8",
    ]  # fmt: skip


def test_the_largest_objective_is_best_on_request(project: Any, sweep: Path) -> None:
    done = project.process("sweep", "best", str(sweep), "--maximise")
    assert done.out.startswith("# 4.000000  ")
    assert "qlora.learning_rate=5e-4" in done.out.splitlines()[-1]


def test_a_sweep_is_shown_as_a_table_and_a_plot(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "show", str(sweep)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["job", "objective", "model.max_length", "qlora.learning_rate",
                                "model", "qlora.target_modules"]  # fmt: skip
    assert [line.split()[:2] for line in lines[1:9]] == [
        ["1", "2.250000"], ["0", "2.500000"], ["3", "2.750000"], ["2", "3.000000"],
        ["4", "4.000000"], ["5", "finished"], ["6", "unfinished"], ["10", "failed"],
    ]  # fmt: skip
    bars = lines[lines.index("distance from the best:") + 1 :][:5]
    assert [line.count("#") for line in bars] == [0, 4, 9, 13, 30]
    assert lines[-2:] == [
        "8 trials: 6 finished, 1 failed, 1 unfinished",
        f"to continue: the same command with hydra.sweep.dir={sweep}",
    ]
    picture = (sweep / "sweep.svg").read_text()
    assert picture.startswith("<svg")
    assert "qlora.learning_rate" in picture


def test_the_best_of_several_seeds_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, objective in enumerate([1.0, 2.0, 3.0]):
        row = {"objective": objective, "overrides": ["qlora.epochs=2", f"seed={number}"]}
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "result.json").write_text(json.dumps(row))
    assert main(["sweep", "best", str(tmp_path)]) == 1
    assert "the jobs differ by their seed alone" in capsys.readouterr().err
    assert main(["sweep", "show", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "3 trials: 3 finished; objective 2.000000, standard deviation over seeds 1.000000"
    )


def test_equal_jobs_have_no_winner(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As where the sweep varies what the stage does not read."""
    for path in sweep.glob("*/result.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"objective": 2.5}))
    assert main(["sweep", "best", str(sweep)]) == 1
    assert capsys.readouterr().err.startswith(
        f"error: {sweep}: all 6 finished jobs reached the same objective, so none is better."
    )


def test_a_folder_with_a_blank_is_quoted_for_hydra_and_the_shell(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = sweep.rename(sweep.parent / "mein sweep ä")
    assert main(["sweep", "show", str(folder)]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    word = shlex.split(line.removeprefix("to continue: the same command with "))
    (override,) = (OverridesParser.create().parse_override(one) for one in word)
    assert override.value() == str(folder)


def test_the_picture_names_what_is_best(sweep: Path) -> None:
    drawn = {}
    for words in ([], ["--maximise"]):
        main(["sweep", "show", str(sweep), *words])
        drawn[bool(words)] = (sweep / "sweep.svg").read_text()
    assert "smallest so far" in drawn[False] and "largest so far" in drawn[True]


def test_trials_of_earlier_sweeps_are_added_up(project: Any, sweep: Path) -> None:
    project.set("params.yaml", **{"  trials": "{qlora: 6, full: 2}  #"})
    *_, note, command = project.titer("sweep", "best", str(sweep)).out.splitlines()
    assert command.endswith(" -S score.trials.qlora=14")
    assert note == (
        "# score.trials.qlora: 6 in params.yaml + 8 of this sweep; leave that -S out where "
        "params.yaml counts this sweep already"
    )


def jobs(folder: Path, *done: tuple[int, int, float | None]) -> Path:
    """Jobs of two ranks under several seeds: rank, seed, objective; null for one that failed."""
    for number, (rank, seed, objective) in enumerate(done):
        overrides = ["sweep=seeds", f"qlora.lora_r={rank}", f"seed={seed}"]
        row = {"stage": "train_qlora", "objective": objective, "overrides": overrides}
        name = "error.json" if objective is None else "result.json"
        (folder / str(number)).mkdir()
        (folder / str(number) / name).write_text(json.dumps(row))
    return folder


def test_a_setting_is_ranked_by_its_mean_over_seeds(project: Any, tmp_path: Path) -> None:
    # rank 32 has the best single job, rank 8 the better mean of what finished
    folder = jobs(
        tmp_path, (16, 41, 2.0), (16, 42, 2.2), (32, 41, 1.5), (32, 42, 3.5), (8, 41, 1.6),
        (8, 42, None),
    )  # fmt: skip
    assert project.titer("sweep", "best", str(folder)).out.splitlines() == [
        "# 2.100000  sweep=seeds qlora.lora_r=16",
        "# 2.500000  sweep=seeds qlora.lora_r=32",
        "# means over 2 seeds; seed= is left out, since the best seed is luck, no setting",
        "# not ranked, finished under fewer than 2 seeds: sweep=seeds qlora.lora_r=8",
        "dvc exp run -S qlora.lora_r=16 -S score.trials.qlora=6",
    ]


def test_settings_that_met_one_seed_each_are_not_ranked(project: Any, tmp_path: Path) -> None:
    folder = jobs(tmp_path, (16, 41, 2.0), (32, 42, 1.5))
    done = project.titer("sweep", "best", str(folder))
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: the jobs differ by their seed too, and no setting has fin")
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("seeds", ["41,42", "41,041,42", "41,42,x", "41,42,-1", ""])
def test_a_study_of_fewer_than_three_seeds_is_one_line(project: Any, seeds: str) -> None:
    done = project.titer("study", "seeds", "--seeds", seeds)
    assert (done.code, done.out) == (2, "")
    text = f"--seeds {seeds}: at least 3 different whole numbers, joined by commas"
    assert done.err == f"error: {text}\n"


@pytest.mark.parametrize("name", ["empty", "absent"])
def test_a_sweep_without_a_finished_job_is_one_line(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["sweep", "best", str(tmp_path / name)]) == 1
    assert capsys.readouterr().err == (
        f"error: {tmp_path / name}: no job of a sweep (no <number>/.hydra/overrides.yaml). "
        "Give a sweep_ folder\n"
    )


def test_a_reader_that_has_seen_enough_ends_the_command_quietly() -> None:
    """As in `titer domain | head`."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "titer.cli.main", "domain"]
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, text=True)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (0, "")

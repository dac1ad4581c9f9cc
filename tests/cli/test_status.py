"""`titer` alone: what DVC itself says of a project, in words that a newcomer can use."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.imports import ROOT
from titer import runner
from titer.cli import main, status


def run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two stages, run and committed."""
    stages = {
        "one": {"cmd": "cp a.txt b.txt", "deps": ["a.txt"], "params": ["rate"], "outs": ["b.txt"]},
        "two": {"cmd": "sleep ${pause}; cp b.txt c.txt", "deps": ["b.txt"], "outs": ["c.txt"]},
    }
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (tmp_path / "params.yaml").write_text("rate: 1\npause: 0\n")
    (tmp_path / "a.txt").write_text("a")
    run(tmp_path, "git", "init", "-q")
    run(tmp_path, "dvc", "init", "-q")
    run(tmp_path, "dvc", "repro", "-q")
    return tmp_path


def changed(project: Path) -> dict[str, list[str]]:
    found = status._changed(project)
    assert isinstance(found, dict)
    return {name: list(status.reasons(why)) for name, why in found.items()}


def test_a_finished_project_has_nothing_stale(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert changed(project) == {}
    monkeypatch.setattr(runner, "ROOT", project)
    assert set(runner.dvc_stages("dvc.lock")) == {"one", "two"}
    assert status.state(True, ()) == "done"


def test_an_edited_setting_is_named(project: Path) -> None:
    (project / "params.yaml").write_text("rate: 2\npause: 0\n")
    assert changed(project) == {"one": ["rate modified"]}


def test_an_edited_file_and_an_edited_command_are_named(project: Path) -> None:
    (project / "a.txt").write_text("other")
    (project / "params.yaml").write_text("rate: 1\npause: 0.1\n")
    assert changed(project) == {"one": ["a.txt modified"], "two": ["changed command"]}


def test_absent_files_are_counted_not_listed(project: Path) -> None:
    (project / "b.txt").unlink()
    assert changed(project)["two"] == ["1 of its files are not here"]


def test_many_changes_are_shortened() -> None:
    changes = [{"changed deps": {f"{n}.txt": "modified" for n in range(5)}}]
    said = status.state(True, changes)
    assert said == "stale: 0.txt modified, 1.txt modified, 2.txt modified and 2 more"


def test_a_stage_that_never_ran_says_so() -> None:
    assert status.state(False, [{"changed outs": {"x": "deleted"}}]) == "never ran"


def test_what_reads_a_stale_stage_is_stale_after_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "ROOT", project)
    stages, lock = runner.dvc_stages("dvc.yaml"), runner.dvc_stages("dvc.lock")

    def states() -> dict[str, str]:
        found = status._changed(project)
        assert isinstance(found, dict)
        return status.states_of(stages, lock, found)

    assert states() == {"one": "done", "two": "done"}
    (project / "params.yaml").write_text("rate: 2\npause: 0\n")
    assert states() == {"one": "stale: rate modified", "two": "stale: after one"}


def test_a_verdict_of_former_settings_says_so(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = {
        "train_qlora": {"cmd": "cp a.txt b.txt", "deps": ["a.txt"], "params": ["qlora.lora_r"],
                        "outs": ["b.txt"]},
        "score": {"cmd": "cp b.txt c.txt", "deps": ["b.txt"], "outs": ["c.txt"]},
    }  # fmt: skip
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    text = (ROOT / "params.yaml").read_text()
    (project / "params.yaml").write_text(text)
    shutil.copytree(ROOT / "conf", project / "conf")
    (project / "results").mkdir()
    stats = {"comparisons": {"qlora": {"reason": "made up"}}}
    (project / "results/stats.json").write_text(json.dumps(stats))
    (project / "b.txt").unlink()
    run(project, "dvc", "repro", "-q")
    monkeypatch.setattr(runner, "ROOT", project)

    assert main.main(["status"]) == 0
    assert status.FORMER not in capsys.readouterr().out
    (project / "params.yaml").write_text(text.replace("lora_r: 32", "lora_r: 16"))
    assert main.main(["status"]) == 0
    printed = capsys.readouterr().out
    assert "  score            stale: after train_qlora\n" in printed
    assert f"\n{status.FORMER}\n" in printed


def test_a_setting_that_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (ROOT / "params.yaml").read_text().splitlines()
    kept = [line for line in lines if not line.startswith("seed:")]
    (tmp_path / "params.yaml").write_text("\n".join(kept))
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    assert main.main(["status"]) == 2
    assert capsys.readouterr().err == "error: no value for seed\n"


def test_a_run_under_way_is_no_error(project: Path) -> None:
    (project / "params.yaml").write_text("rate: 2\npause: 8\n")
    running = subprocess.Popen(["dvc", "repro", "-q"], cwd=project)
    try:
        end = time.monotonic() + 8
        while isinstance(found := status._changed(project), dict) and time.monotonic() < end:
            time.sleep(0.1)
        assert found in (f"process {running.pid}", "another DVC command")
        assert status._next(project, found).startswith("wait")
    finally:
        running.kill()
        running.wait()


def test_without_a_command_this_project_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in runner.dvc_stages("dvc.yaml")) or "under way" in printed
    assert "Next: " in printed

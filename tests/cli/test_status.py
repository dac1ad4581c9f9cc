"""`titer` alone: what DVC itself says of a project, in words that a newcomer can use."""

import subprocess
import time
from pathlib import Path

import pytest
import yaml

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

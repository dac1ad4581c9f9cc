"""What a stage or a command that fails leaves behind, and what it says of a full disk."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from titer import files, runner
from titer.cli import main
from titer.errors import DataError


def fail(folder: Path) -> None:
    """A stage that fails after it wrote a file and a part of a folder."""
    writes = SimpleNamespace(answers=folder / "answers.json", model=folder / "model")
    with pytest.raises(DataError, match="too few"), runner.whole_or_none(writes):
        files.write_json(writes.answers, [])
        files.write_text(writes.model / "config.json", "{}")
        raise DataError("too few")


def test_a_stage_that_fails_in_dvc_leaves_none_of_its_outs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_STAGE", "benchmark_qlora")
    fail(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_fails_by_hand_keeps_what_the_next_attempt_goes_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DVC_STAGE", raising=False)
    fail(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.json", "model"]


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), RuntimeError("PytorchStreamWriter failed writing")],
)
def test_a_command_on_a_full_disk_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def show(_: Any) -> None:
        raise error

    monkeypatch.setattr(main.status, "show", show)
    assert main.main(["status"]) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "error: the disk filled. Free some space (dvc gc -w removes cached results of other "
        "settings) and run the same command again\n"
    )


def test_ctrl_c_in_a_command_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(main.status, "show", lambda _: os.kill(os.getpid(), signal.SIGINT))
    try:
        assert main.main(["status"]) == 130
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL  # a second one says nothing more
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "error: told to stop. Run the same command again\n"


def test_any_other_error_of_a_command_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def show(_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(main.status, "show", show)
    with pytest.raises(RuntimeError, match="a bug"):
        main.main(["status"])

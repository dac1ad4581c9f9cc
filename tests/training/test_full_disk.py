"""A disk that fills while a checkpoint is written: one line, and nothing of the run is lost."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import trees
from tests.training.test_sft import FULL, data, train
from titer.errors import TooLittleDisk
from titer.training import sft
from titer.training.checkpoints import last_checkpoint, needing_room


def run_mount(*arguments: str) -> int:
    return subprocess.run(["mount", "-t", "tmpfs", *arguments], capture_output=True).returncode


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system for one checkpoint of the tiny model (1.7 MB) but not for two."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None or run_mount("-o", "size=3m", "tmpfs", str(folder)):
        pytest.skip("no right to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills_leaves_the_checkpoint_before_and_the_same_command_continues(
    tiny_model: Path, tmp_path: Path, small_disk: Path
) -> None:
    def run() -> sft.Run:
        return sft.train(
            FULL, base=tiny_model, data=data(), out=tmp_path / "cut",
            checkpoints=small_disk / "ck", logs=tmp_path / "logs",
        )  # fmt: skip

    with pytest.raises(TooLittleDisk, match=r"dvc gc -w.*run the same command to go on") as error:
        run()
    assert "\n" not in str(error.value)
    last = last_checkpoint(small_disk / "ck")
    assert last is not None and last.name == "checkpoint-2"
    assert not (tmp_path / "cut").exists()
    assert run_mount("-o", "remount,size=16m", "tmpfs", str(small_disk)) == 0
    whole = train(tmp_path, tiny_model, FULL, "whole")
    assert run().losses == whole.losses
    assert trees.differences(tmp_path / "whole", tmp_path / "cut") == []


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        pytest.param(OSError(28, "No space left on device"), True, id="errno"),
        pytest.param(RuntimeError("inline_container.cc:672] . unexpected pos"), True, id="torch"),
        pytest.param(OSError(13, "Permission denied"), False, id="another"),
        pytest.param(RuntimeError("inline_container.cc:215] . Couldn't parse the version"), False,
                     id="a damaged file"),
        pytest.param(RuntimeError("shapes differ"), False, id="a bug"),
    ],
)  # fmt: skip
def test_only_a_full_disk_is_told_as_one(tmp_path: Path, error: Exception, is_full: bool) -> None:
    for name, state in (
        ("checkpoint-2", '{"step": 2}'),
        ("checkpoint-4", '{"step'),
        ("checkpoint-6", None),
    ):
        (tmp_path / name).mkdir()
        if state is not None:
            (tmp_path / name / "trainer_state.json").write_text(state)
    with pytest.raises(TooLittleDisk if is_full else type(error)), needing_room(tmp_path):
        raise error
    assert len(list(tmp_path.iterdir())) == (1 if is_full else 3)

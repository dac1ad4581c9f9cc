"""An export is there whole or not at all."""

from pathlib import Path

import pytest

from titer.errors import DataError
from titer.export.landing import landing


def test_a_folder_takes_the_place_of_the_earlier_one_as_a_whole(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with landing(tmp_path / "out") as folder:
            folder.mkdir()
            (folder / name).write_text(name)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["second"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_takes_the_place_of_the_earlier_one(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with landing(tmp_path / "deep" / "out") as path:
            path.write_text(text)
    assert (tmp_path / "deep" / "out").read_text() == "second"


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    with pytest.raises(KeyboardInterrupt), landing(tmp_path / "out") as folder:
        folder.mkdir()
        (folder / "half").write_text("half")
        raise KeyboardInterrupt
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the disk is full"), landing(tmp_path / "out") as path:
        path.write_text("half")
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []

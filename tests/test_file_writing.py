"""Files are whole or untouched, the same bytes each time, and their errors name path and line."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests import trees
from titer import files
from titer.errors import DataError, FormatError


def failing(*_: Any) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    monkeypatch.setattr(os, call, failing)
    with pytest.raises(DataError, match=r"a\.txt: the disk is full \(No space left on device\)"):
        files.write_text(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written \(.*\)\. Make its folder writable"):
        files.write_text(tmp_path / "file" / "a.txt", "new")


def test_a_row_that_json_lacks_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    files.write_jsonl(path, [{"a": 1}])
    with pytest.raises(ValueError, match="Out of range float values"):
        files.write_jsonl(path, [{"a": 2}, {"a": float("nan")}])
    assert list(files.read_jsonl(path)) == [{"a": 1}]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
def test_what_json_lacks_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(ValueError, match="Out of range float values"):
        files.write_json(tmp_path / "a.json", {"score": value})
    assert not (tmp_path / "a.json").exists()


def test_a_file_can_be_read_by_all_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        files.write_text(tmp_path / "new folder" / "a.txt", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "new folder" / "a.txt").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_rows_come_back_and_equal_rows_give_equal_bytes(tmp_path: Path, name: str) -> None:
    rows = [{"b": 1, "a": "anti-β₂ \u2028 \x85 line"}, {"a": [None, True, 0.1]}]
    one, other = tmp_path / "one" / name, tmp_path / "other" / name
    files.write_jsonl(one, rows)
    files.write_jsonl(other, [dict(reversed(row.items())) for row in rows])
    assert list(files.read_jsonl(one)) == rows
    assert one.read_bytes() == other.read_bytes()


def test_a_gzip_header_holds_neither_name_nor_time(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    files.write_jsonl(path, [{"a": 1}])
    raw = path.read_bytes()
    assert raw[3] == 0, "no name flag"
    assert raw[4:8] == bytes(4), "no time"
    assert gzip.decompress(raw) == b'{"a": 1}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n\n{"a": \n', ":3: not JSON: Expecting value"),
        ("[1]\n", ":1: a list, expected a JSON object"),
        ("\ufeff{}\n", ":1: not JSON: Unexpected UTF-8 BOM (decode using utf-8-sig)"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FormatError) as error:
        list(files.read_jsonl(path))
    assert str(error.value) == f"{path}{message}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1,\n"b": x}', ":2: not JSON: Expecting value"),
        (b'{"a": "\xff"}', ":1: byte 0xff is no UTF-8. Save the file as UTF-8"),
    ],
)
def test_a_file_that_is_no_json_is_named_with_its_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(FormatError) as error:
        files.read_json(path)
    assert str(error.value).startswith(f"{path}{message}")


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.jsonl.gz"])
def test_a_missing_file_is_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(FormatError) as error:
        files.read_json(path) if path.suffix == ".json" else list(files.read_jsonl(path))
    assert str(error.value) == f"{path}: no such file"


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.jsonl.gz"])
def test_what_is_no_file_to_read_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / "file").write_text("")
    for path, why in ((tmp_path / name, "Is a directory"),
                      (tmp_path / "file" / name, "Not a directory")):  # fmt: skip
        with pytest.raises(FormatError) as error:
            files.read_json(path) if path.suffix == ".json" else list(files.read_jsonl(path))
        assert str(error.value) == f"{path}: cannot be read ({why})"


def test_a_refusal_to_whoever_takes_the_rows_is_not_told_as_one_of_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    files.write_jsonl(path, [{"a": 1}])
    with pytest.raises(OSError, match="No space left"):
        for _ in files.read_jsonl(path):
            failing()


def test_a_csv_has_exactly_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    files.write_csv(path, [{"b": None, "a": 1}, {"a": "x,y"}], ["a", "b"])
    assert path.read_bytes() == b'a,b\n1,\n"x,y",\n'
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        files.write_csv(path, [{"c": 1}], ["a", "b"])


def test_a_tree_has_one_hash_that_names_and_contents_change(tmp_path: Path) -> None:
    files.write_text(tmp_path / "x" / "a", "1")
    files.write_text(tmp_path / "x" / "b", "2")
    before = files.sha256_tree(tmp_path / "x")
    (tmp_path / "x" / "b").rename(tmp_path / "x" / "c")
    renamed = files.sha256_tree(tmp_path / "x")
    files.write_text(tmp_path / "x" / "c", "3")
    assert len({before, renamed, files.sha256_tree(tmp_path / "x")}) == 3


def test_rounding_reaches_every_depth() -> None:
    value = {"a": [1 / 3, (2 / 3, "x")], "n": 3, "flag": True, "none": None}
    expected = {"a": [0.3333, [0.6667, "x"]], "n": 3, "flag": True, "none": None}
    assert files.rounded(value, 4) == expected


def record(**changed: Any) -> dict[str, Any]:
    return {
        "score": 1,
        "timing": {"load_s": 2.0},
        "answers": [{"response": "x", "time_seconds": 1.5, "timestamp": "now"}],
    } | changed


def write_tree(folder: Path, name: str, content: Any) -> Path:
    files.write_text(folder / "deep" / name, json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("name", "other", "differs"),
    [
        ("run.json", record(timing={"load_s": 9.0, "more": 1}), False),
        ("run.json", record(answers=[{"response": "x", "time_seconds": 7}]), False),
        ("run.json", record(score=2), True),
        ("run.json", record(answers=[{"response": "y"}]), True),
        ("run.json", record(seconds=1), True),
        ("run.jsonl", record(timing={"load_s": 9.0}), True),
    ],
    ids=["timing", "answer's times", "value", "response", "another field", "no .json"],
)  # fmt: skip
def test_trees_may_differ_in_the_time_fields_of_json_files_only(
    tmp_path: Path, name: str, other: dict[str, Any], differs: bool
) -> None:
    first = write_tree(tmp_path / "one", name, record())
    second = write_tree(tmp_path / "two", name, other)
    assert trees.differences(first, second) == ([f"deep/{name}"] if differs else [])


def test_a_file_that_one_tree_lacks_is_a_difference(tmp_path: Path) -> None:
    one = write_tree(tmp_path / "one", "a.json", {})
    other = write_tree(tmp_path / "two", "b.json", {})
    assert trees.differences(one, other) == ["deep/a.json", "deep/b.json"]


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(28, "No space left on device"), True),
        (Exception("Error while serializing: I/O error: No space left on device"), True),
        (RuntimeError("PytorchStreamWriter failed writing file data/0"), True),
        (OSError(13, "Permission denied"), False),
        (RuntimeError("shapes differ"), False),
    ],
)
def test_a_full_disk_is_known_in_the_words_of_each_library(error: Exception, full: bool) -> None:
    assert files.is_full(error) == full


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({}, "no 'models'"),
        ({"models": []}, "list index out of range"),
        ({"models": 5}, "'int' object is not subscriptable"),
    ],
)
def test_a_record_of_another_form_is_one_line(record: dict[str, Any], why: str) -> None:
    with pytest.raises(FormatError) as error, files.as_written("run.json", "Run: dvc checkout"):
        record["models"][0]
    assert str(error.value) == f"run.json: not as Titer writes it ({why}). Run: dvc checkout"


def test_a_refusal_within_a_record_keeps_its_own_words() -> None:
    with pytest.raises(DataError, match="too few"), files.as_written("a", "b"):
        raise DataError("too few")

"""A bad row is named with its place, what was found and what is allowed; the others are read."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.errors import FormatError
from titer.examples.formats import FORMATS, json_list
from titer.examples.formats.reading import Reading, detect

GOOD = b'{"question": "Why?", "answer": "So."}'
SHAPE = '. Allowed: {"question", "answer", "source"}'
OBJECT = ". Allowed: one JSON object per row"
LINES = {
    "cut off": (GOOD[:20], "not JSON: it breaks off" + OBJECT),
    "latin-1": (b'{"question": "Sj\xf6gren?", "answer": "So."}', "not UTF-8 (byte 0xf6, the 17th)"),
    "two in one line": (GOOD + GOOD, "not JSON: unexpected content after document" + OBJECT),
    "another form": (b'{"messages": []}', "keys messages: a row of chat in a file of qa" + SHAPE),
    "unknown keys": (b'{"prompt": "Why?"}', "keys prompt: no known form" + SHAPE),
    "no object": (b"[1]", "a list" + OBJECT),
    "not a number": (b'{"question": NaN, "answer": "So."}', "not JSON: "),
    "zero bytes": (b"\0\0\0", "zero bytes only" + OBJECT),
    "deep": (b'{"question": ' + b"[" * 5000, "not JSON: "),
    "a lone surrogate": (b'{"question": "\\ud800", "answer": "So."}', "not JSON: "),
    "no text": (
        b'{"question": 3, "answer": "So."}',
        "message 1: content is a number, expected a te",
    ),
    "true": (b'{"question": "Why?", "answer": true}', "message 2: content is true or false, expec"),
    "a list": (
        b'{"question": "Why?", "answer": ["So."]}',
        "message 2: content is a list, expected",
    ),
    "blank": (b'{"question": " ", "answer": "So."}', "message 1: content must be a text"),
    "source": (b'{"question": "Why?", "answer": "So.", "source": []}', "source: a list, expected"),
    "html": (b"<html><body>404</body></html>", "not JSON: "),
}


@pytest.mark.parametrize("case", LINES)
def test_a_bad_line_is_named_and_the_others_are_read(tmp_path: Path, case: str) -> None:
    line, found = LINES[case]
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\n".join([GOOD, b"", line, GOOD, b""]))
    reading = Reading(path)
    assert len(list(reading)) == 2
    (fault,) = reading.faults
    assert str(fault).startswith(f"{path}:3: {found}")
    assert ". Allowed: " in str(fault) and "\n" not in str(fault)


@pytest.mark.parametrize("case", [one for one in LINES if one not in ("two in one line", "deep")])
def test_a_bad_record_of_a_list_is_named_and_the_others_are_read(tmp_path: Path, case: str) -> None:
    line, _ = LINES[case]
    if case == "cut off":
        line += b'"'
    path = tmp_path / "x.json"
    path.write_bytes(b"[\n" + b",\n".join([GOOD, line, GOOD]) + b"\n]\n")
    reading = Reading(path)
    examples = list(reading)
    assert (len(examples), reading.n_faults) == (2, 1)
    assert str(reading.faults[0]).startswith(f"{path}:3: ")
    assert "record 2" in str(reading.faults[0])


@pytest.mark.parametrize("indent", [None, 2, 0])
def test_a_list_that_breaks_off_gives_what_stands_before(
    tmp_path: Path, indent: int | None
) -> None:
    rows = [{"question": f"Why {n}?", "answer": '[{"So\\"} ]'} for n in range(3)]
    text = json.dumps(rows, indent=indent)
    path = tmp_path / "x.json"
    path.write_text(text[:-20])
    reading = Reading(path)
    assert [row.prompt for row in reading] == ["Why 0?", "Why 1?"]
    (fault,) = reading.faults
    assert fault.found == "not JSON: it breaks off" and "record 3" in fault.place


def test_a_record_that_breaks_off_within_a_list_does_not_take_the_next(tmp_path: Path) -> None:
    rows = [{"question": f"Why {n}?", "answer": "So.", "x": [{"y": {}}]} for n in range(3)]
    text = json.dumps(rows, indent=2).replace('"answer": "So.",', '"answer": "So', 1)
    path = tmp_path / "x.json"
    path.write_text(text)
    reading = Reading(path)
    assert [row.prompt for row in reading] == ["Why 1?", "Why 2?"]
    assert reading.n_faults == 1


def test_a_record_cut_in_the_middle_of_a_list_does_not_take_the_next(tmp_path: Path) -> None:
    rows = [{"question": f"Why {n}?", "answer": "So.", "x": [{"y": {}}]} for n in range(4)]
    pieces = json.dumps(rows, indent=2).split("\n  {")
    pieces[2] = pieces[2][:60]  # within the list of x
    path = tmp_path / "x.json"
    path.write_text("\n  {".join(pieces))
    reading = Reading(path)
    assert [row.prompt for row in reading] == ["Why 0?", "Why 2?", "Why 3?"]
    (fault,) = reading.faults
    assert (fault.place, fault.found) == (f"{path}:11: record 2", "not JSON: it breaks off")


def test_an_empty_first_element_does_not_tell_how_elements_begin() -> None:
    """Written with indent=0, nested lists begin a line as elements do."""
    rows: list[dict[str, Any]] = [{}, {"": [[]]}]
    raw = json.dumps(rows, indent=0).encode()
    assert [row for _, row in json_list.elements([raw])] == rows


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_list_is_read_the_same_however_its_bytes_are_cut(data: st.DataObject) -> None:
    inner = st.recursive(st.text(max_size=5) | st.integers(0, 9), st.lists, max_leaves=4)
    rows = data.draw(st.lists(st.dictionaries(st.text(max_size=4), inner, max_size=3), max_size=4))
    raw = json.dumps(rows, indent=data.draw(st.sampled_from([None, 0, 1])),
                     ensure_ascii=data.draw(st.booleans())).encode()  # fmt: skip
    size = data.draw(st.integers(1, 40))
    blocks = [raw[start : start + size] for start in range(0, len(raw), size)]
    assert [row for _, row in json_list.elements(blocks)] == rows


@given(raw=st.binary(max_size=60))
@settings(max_examples=60, deadline=None)
def test_no_bytes_at_all_raise_anything_but_a_format_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    folder = tmp_path_factory.mktemp("raw")
    for ending in ("jsonl", "json", "csv", "parquet", "txt", "jsonl.gz", "bin"):
        for content in (raw, b"[\n" + GOOD + b",\n" + raw, b"question,answer\nWhy?,So.\n" + raw):
            path = folder / f"x.{ending}"
            path.write_bytes(content)
            try:
                for example in Reading(path, is_mixed=True):
                    assert example.answer
            except FormatError as error:
                assert str(error).startswith(str(path)) and "\n" not in str(error)


def test_a_long_line_is_named_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("containers", "json_list"):
        monkeypatch.setattr(f"titer.examples.formats.{module}.MAX_BYTES", 200)
    path = tmp_path / "x.jsonl"
    path.write_bytes(GOOD + b"\n" + b"x" * 1000 + b"\n" + GOOD + b"\n")
    reading = Reading(path)
    assert len(list(reading)) == 2
    assert [str(one) for one in reading.faults] == [
        f"{path}:2: a line of more than 200 bytes. Allowed: shorter lines"
    ]
    listed = tmp_path / "x.json"
    long = b'{"question": "' + b"x" * 300 + b'", "answer": "So."}'
    listed.write_bytes(b"[" + b",".join([GOOD, long, GOOD]) + b"]")
    reading = Reading(listed)
    assert [row.prompt for row in reading] == ["Why?", "Why?"]
    assert str(reading.faults[0]) == f"{listed}:1: record 2: more than 200 bytes. Allowed: less"


CELLS = {
    "too few cells": ("Why?", ":3: 1 cells. Allowed: 2 cells, as in line 1"),
    "too many cells": ("a,b,c", ":3: 3 cells. Allowed: 2 cells"),
    "an empty answer": ("Why?,", ":3: message 2: content must be a text that is not empty"),
    "latin-1": ("Sj\udcf6gren?,So.", ":3: bytes that are no UTF-8"),
    "a stray quote": ('"Why" so?,So.', ":3: no CSV ("),
}


@pytest.mark.parametrize("case", CELLS)
def test_a_bad_row_of_a_table_is_named_and_the_others_are_read(tmp_path: Path, case: str) -> None:
    cells, found = CELLS[case]
    path = tmp_path / "x.csv"
    text = f'question,answer\n"Why, so?","So.\nThus."\n{cells}\nHow?,So.\n'
    text = text.replace('"So.\nThus."', "So.")
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    reading = Reading(path)
    assert [row.prompt for row in reading] == ["Why, so?", "How?"]
    assert str(reading.faults[0]).startswith(f"{path}{found}")


def test_damaged_packed_files_give_what_stands_before(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress((GOOD + b"\n") * 5000)[:-20])
    reading = Reading(path)
    n = len(list(reading))
    assert 0 <= n <= 5000 and reading.n_faults >= 1
    assert "the file breaks off" in reading.faults[-1].found


WHOLE = {
    "utf-16": ("x.jsonl", GOOD.decode().encode("utf-16"), ":1: UTF-16. Allowed: UTF-8"),
    "empty": ("x.jsonl", b"\n", ": empty. Allowed: at least one row"),
    "no parquet": ("x.parquet", GOOD, ":1: no Parquet file"),
    "unknown ending": ("x.doc", b"\xd0\xcf", ": no known ending. Allowed: .jsonl, .ndjson, .json"),
    "unknown keys": ("x.jsonl", b'{"b": 1, "a": 2}', ":1: keys a, b: no known form. Allowed: inst"),
    "latin-1": (
        "x.csv",
        b"question,answer\nSj\xf6gren?,So.\n",
        ":2: bytes that are no UTF-8. Allo",
    ),
    "a latin-1 name": (
        "x.csv",
        b"question,answer,L\xe4nge\nWhy?,So.,\n",
        ":1: bytes that are no UTF",
    ),
    "an open quote": (
        "x.csv",
        b'question,answer\n"Why?,So.\nHow?,So.\n',
        ":2: no CSV (unexpected end",
    ),
    "a header": (
        "x.csv",
        b"question,answer\n",
        ":1: only a header. Allowed: at least one row below",
    ),
    "an old Mac": (
        "x.csv",
        b"question,answer\rWhy?,So.\r",
        ":1: a line that ends in \\r alone. Allow",
    ),
    "a workbook": ("x.csv", b"PK\x03\x04\x14\0", ":1: a workbook of Excel or another ZIP archive"),
    "semicolons": (
        "x.csv",
        b"\xef\xbb\xbfquestion;answer\r\nWhy?;So, or so.\r\n",
        ":1: cells that semicolons separate. Allowed: commas; save it as CSV with commas",
    ),
    "tabs": (
        "x.csv",
        b"question\tanswer\nWhy?\tSo.\n",
        ":1: cells that tabs separate. Allowed: com",
    ),
    "commas": (
        "x.tsv",
        b"question,answer\nWhy?,So.\n",
        ":1: cells that commas separate. Allowed: ta",
    ),
    "one name twice": (
        "x.csv",
        b"question,answer,question\nWhy?,So.,zzz\n",
        ":1: 2 columns named 'question'. Allowed: each name once",
    ),
    "no JSON": ("x.jsonl", GOOD + GOOD, ":1: not JSON: unexpected content after document"),
    "no row": ("x.json", b"[]", ":1: no row with a key. Allowed: instruction: "),
    "two forms": (
        "x.jsonl",
        b'{"instruction": "a", "output": "b", "response": "c"}',
        ":1: fits instruction and alpaca (keys instruction, output, response). Name one: --format "
        "instruction, or call the file x.instruction.jsonl",
    ),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_file_of_no_form_is_one_line(tmp_path: Path, case: str) -> None:
    name, raw, found = WHOLE[case]
    path = tmp_path / name
    path.write_bytes(raw)
    with pytest.raises(FormatError) as error:
        Reading(path)
    assert str(error.value).startswith(f"{path}{found}")
    assert "\n" not in str(error.value)


def test_a_name_decides_where_two_forms_fit(tmp_path: Path) -> None:
    path = tmp_path / "x.alpaca.jsonl"
    path.write_bytes(b'{"instruction": "a", "output": "b", "response": "c"}\n')
    reading = Reading(path)
    assert [row.answer for row in reading] == ["b"]
    assert reading.ignored == {"response": 1}


def test_the_mark_of_utf_8_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    for name, raw in (("x.jsonl", GOOD), ("x.json", b"[" + GOOD + b"]"),
                      ("x.csv", b"question,answer\nWhy?,So.\n")):  # fmt: skip
        path = tmp_path / name
        path.write_bytes(b"\xef\xbb\xbf" + raw)
        assert [row.prompt for row in Reading(path)] == ["Why?"]


def test_tools_and_further_keys_are_ignored_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    messages = [
        {"role": "user", "content": "Why?", "name": "Ada"}, call,
        {"role": "tool", "content": "42", "tool_call_id": "1"},
        {"role": "assistant", "content": "So."},
    ]  # fmt: skip
    path.write_text(json.dumps({"messages": messages, "tools": [{}]}) + "\n")
    reading = Reading(path)
    (example,) = reading
    assert [turn["content"] for turn in example.messages] == ["Why?", "So."]
    assert reading.ignored == {"tools": 1, "messages of tools": 2, "messages.name": 1}


def test_questions_of_a_plain_text_are_pairs_and_turns_are_conversations(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("Q: Why?\nA: So.\n\nQ: How?\nA: Thus.\n---\nUser: a\nAssistant: b\nUser: c\n"
                    "Assistant: d\n---\nA sentence.\n")  # fmt: skip
    reading = Reading(path, FORMATS["text"])
    assert [len(row.messages) for row in reading] == [2, 2, 4]
    assert reading.n_unanswered == 1


def test_detection_looks_past_a_damaged_first_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(GOOD[:9] + b"\n" + GOOD + b"\n")
    assert detect(path).name == "qa"


ENDS = {
    "jsonl": rb'{"question": "Why?\r\nHow?\rWho?", "answer": "So.\r\nThus."}',
    "csv": b'question,answer\r\n"Why?\r\nHow?\rWho?","So.\r\nThus."\r\n',
    "txt": b"Question: Why?\r\nHow?\rWho?\r\nAnswer: So.\r\nThus.\r\n---\r\n",
    "old.txt": b"Question: Why?\rHow?\rWho?\rAnswer: So.\rThus.\r---\rA sentence.\r",
    "alpaca.jsonl": rb'{"instruction": "Why?", "input": "How?\r\nWho?", "output": "So.\rThus."}',
    "chat.jsonl": rb'{"messages": [{"role": "user", "content": "Why?\r\nHow?\rWho?"},'
    rb'{"role": "assistant", "content": "So.\r\nThus."}]}',
    "sharegpt.jsonl": rb'{"conversations": [{"from": "human", "value": "Why?\r\nHow?\rWho?"},'
    rb'{"from": "gpt", "value": "So.\r\nThus."}]}',
    "text_records.jsonl": rb'{"text": "Q: Why?\r\nHow?\rWho?\rA: So.\r\nThus."}',
}


@pytest.mark.parametrize("name", ENDS)
def test_line_ends_of_other_systems_do_not_reach_the_messages(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"x.{name}"
    path.write_bytes(ENDS[name])
    (example,) = Reading(path)
    assert [turn["content"] for turn in example.messages] == ["Why?\nHow?\nWho?", "So.\nThus."]


def test_a_history_has_line_feeds_too(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    row = {"instruction": "a", "output": "b", "history": [["c\r\nd", "e\rf"]]}
    path.write_text(json.dumps(row))
    (example,) = Reading(path)
    assert [turn["content"] for turn in example.messages] == ["c\nd", "e\nf", "a", "b"]


def test_a_column_without_a_name_is_ignored_and_counted_where_it_holds_a_text(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("question,answer,,\nWhy?,So.,,\nHow?,So.,zzz, \n")
    reading = Reading(path)
    assert [row.prompt for row in reading] == ["Why?", "How?"]
    assert (reading.n_faults, reading.ignored) == (0, {"column 3 without a name": 1})


def test_no_row_is_read_below_two_columns_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("question,answer,question\nWhy?,So.,zzz\n")
    reading = Reading(path, FORMATS["qa"])
    assert (list(reading), reading.n_faults) == ([], 1)

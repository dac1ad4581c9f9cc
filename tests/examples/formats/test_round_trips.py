"""write(read(x)) == x for every format in every kind of file that can hold it."""

import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples.papers import make_example
from titer.examples.formats import FORMATS, text_records
from titer.examples.formats.base import CSV, LINES, LIST, PARQUET, TEXT
from titer.examples.formats.reading import Reading, detect
from titer.examples.formats.writing import write

ENDINGS = {LINES: "jsonl", LIST: "json", CSV: "csv", PARQUET: "parquet", TEXT: "txt"}
CASES = [(name, kind) for name, form in FORMATS.items() for kind in form.files]

any_text = st.text(max_size=40).map(lambda text: text.replace("\r", "\n"))
said = any_text.filter(lambda text: bool(text) and not text.isspace())
origin = {"source": any_text, "paper_id": any_text, "title": any_text}
turns = st.lists(st.tuples(said, said), min_size=1, max_size=3)
rating = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9)


def chat_row(found: list[tuple[str, str]], system: str | None, keys: tuple[str, str]) -> list[Any]:
    role, content = keys
    names = ("user", "assistant") if role == "role" else ("human", "gpt")
    said = [(name, text) for turn in found for name, text in zip(names, turn, strict=True)]
    return [{role: name, content: text} for name, text in [("system", system), *said] if text]


def spoken(found: list[tuple[str, str]]) -> str:
    """The text of the turns; one that would read differently is a record without them."""
    messages = chat_row(found, None, ("role", "content"))
    text = text_records.text_of_messages(messages)
    plain = text_records.turns(text) == messages and "---" not in text
    return text if plain else "User: Why?\n\nAssistant: So."


own_row = st.builds(
    lambda q, a, weak: make_example(q, a, weak=weak, split="train").to_json(),
    said, said, st.booleans(),
)  # fmt: skip
ROWS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "instruction": st.fixed_dictionaries({"instruction": said, "response": said}),
    "alpaca": st.fixed_dictionaries(
        {"instruction": said, "output": said},
        optional={"input": any_text, "system": st.just("") | said,
                  "history": st.lists(st.lists(said, min_size=2, max_size=2), max_size=2)},
    ),
    "sharegpt": st.builds(
        lambda found, first, more: {
            "conversations": chat_row(found, first, ("from", "value")), **more
        },
        turns, st.none() | said,
        st.fixed_dictionaries({}, optional={"system": st.just("") | said, "id": any_text}),
    ),
    "chat": own_row | st.builds(
        lambda found, first, more: {
            "messages": chat_row(found, first, ("role", "content")), **more
        },
        turns, st.none() | said, st.fixed_dictionaries({}, optional=origin),
    ),
    "context": st.fixed_dictionaries(
        {"question": said, "context": any_text, "answer": said}, optional={"source": any_text}
    ),
    "qa": st.fixed_dictionaries({"question": said, "answer": said}, optional=origin),
    "satisfaction": st.fixed_dictionaries(
        {"user": said, "assistant": said},
        optional={"system": st.just("") | said, "satisfaction": rating},
    ),
    "text_records": st.builds(
        lambda found, more: {"text": spoken(found), **more},
        turns, st.fixed_dictionaries({}, optional=origin),
    ),
    "text": st.builds(lambda found: {"text": spoken(found)}, turns),
}  # fmt: skip


def test_every_format_has_rows_here() -> None:
    assert ROWS.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_a_row_comes_back_as_it_was(name: str, data: st.DataObject) -> None:
    row = data.draw(ROWS[name])
    ignored: Counter[str] = Counter()
    assert FORMATS[name].render(FORMATS[name].parse(row, ignored)) == row
    assert not ignored


@pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{n}-{k}" for n, k in CASES])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_file_comes_back_as_it_was(name: str, kind: str, data: st.DataObject) -> None:
    rows = data.draw(st.lists(ROWS[name], min_size=1, max_size=4))
    if kind in (CSV, PARQUET):
        rows = [{k: v for k, v in row.items() if k != "history"} for row in rows]
    form = FORMATS[name]
    with TemporaryDirectory() as folder:
        one, other = (Path(folder) / f"{stem}.{ENDINGS[kind]}" for stem in "ab")
        first = write(one, form, [form.parse(row, Counter()) for row in rows])
        assert (first.n, first.refused, first.lost) == (len(rows), Counter(), Counter())
        reading = Reading(one, form)
        found = list(reading)
        assert (reading.n_faults, reading.ignored) == (0, Counter())
        if kind != CSV:  # whose empty cells do not say whether a key was there
            assert [form.render(example) for example in found] == rows
        write(other, form, found)
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "text"])
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_the_format_of_a_written_file_is_found_again(name: str, data: st.DataObject) -> None:
    row = data.draw(ROWS[name])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_text(json.dumps(row) + "\n", encoding="utf-8")
        assert detect(path).name == name


MANY = make_example("Why?", "So.", id="", source="A book", paper_id="", fields={"satisfaction": 1})
LOST = {
    "instruction": {"source", "satisfaction", "title"},
    "alpaca": {"source", "satisfaction", "title"},
    "sharegpt": {"source", "satisfaction", "title"},
    "chat": {"satisfaction"},
    "context": {"satisfaction", "title"},
    "qa": {"satisfaction"},
    "satisfaction": {"source", "title"},
    "text_records": {"satisfaction"},
    "text": {"source", "satisfaction", "title"},
}


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_cannot_hold_is_counted(tmp_path: Path, name: str) -> None:
    form = FORMATS[name]
    done = write(tmp_path / f"x.{ENDINGS[form.files[0]]}", form, [MANY])
    assert (done.n, set(done.lost)) == (1, LOST[name])


@pytest.mark.parametrize("key", ["source", "paper_id", "title"])
def test_a_row_that_has_nothing_else_to_lose_counts_it_too(tmp_path: Path, key: str) -> None:
    row = {"question": "Why?", "answer": "So.", key: "x"}
    found = FORMATS["qa"].parse(row, Counter())
    done = write(tmp_path / "x.jsonl", FORMATS["instruction"], [found])
    assert (done.n, done.lost) == (1, {key: 1})


@pytest.mark.parametrize("name", ["chat", "qa"])
def test_only_chat_rows_keep_recipe_and_spans(tmp_path: Path, name: str) -> None:
    done = write(tmp_path / "x.jsonl", FORMATS[name], [make_example("Why?", "So.")])
    assert dict(done.lost) == ({} if name == "chat" else {"provenance": 1})


TALK = make_example("Why?", "So.", id="", messages=[
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."},
    {"role": "user", "content": "How?"}, {"role": "assistant", "content": "Thus."},
])  # fmt: skip
REFUSED = {"instruction": "a system prompt", "context": "a system prompt", "qa": "a system prompt",
           "satisfaction": "more than one turn"}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_a_conversation_goes_only_where_it_stays_whole(tmp_path: Path, name: str) -> None:
    form = FORMATS[name]
    path = tmp_path / f"x.{ENDINGS[form.files[0]]}"
    done = write(path, form, [TALK])
    assert dict(done.refused) == ({REFUSED[name]: 1} if name in REFUSED else {})
    if name not in REFUSED:
        assert [row.messages for row in Reading(path, form)] == [TALK.messages]


def test_a_history_does_not_go_into_a_table(tmp_path: Path) -> None:
    done = write(tmp_path / "x.csv", FORMATS["alpaca"], [TALK, MANY])
    assert (done.n, dict(done.refused)) == (1, {"a history, which a table cannot hold": 1})

"""A sheet of drawn rows: a fair draw, text that stays text, and answers that are yes or no."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from tests.examples.papers import make_example
from titer.errors import ConfigError, FormatError
from titer.examples import review_sheet
from titer.records import Example

ROWS = [(f"x:{n}", make_example(f"Why {n}?", f"Because of lamp number {n}.")) for n in range(40)]
HEAD = ",".join(review_sheet.COLUMNS)


def sheet(path: Path, rows: list[tuple[str, Example]] = ROWS, **named: int) -> list[dict[str, str]]:
    review_sheet.write(path, rows, **{"n": 10, "seed": 1, **named})
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_rows_are_drawn_once_each_in_the_order_of_the_file(tmp_path: Path) -> None:
    places = [row["place"] for row in sheet(tmp_path / "a.csv")]
    assert len(set(places)) == 10
    assert places == sorted(places, key=lambda place: int(place[2:]))
    renamed = [(f"elsewhere/{place}", row) for place, row in ROWS]
    again = [row["place"] for row in sheet(tmp_path / "b.csv", renamed)]
    assert again == [f"elsewhere/{place}" for place in places]
    other = [row["place"] for row in sheet(tmp_path / "c.csv", seed=2)]
    assert other != places


def test_every_row_is_drawn_about_equally_often(tmp_path: Path) -> None:
    drawn = Counter(
        row["place"] for seed in range(200) for row in sheet(tmp_path / f"{seed}.csv", seed=seed)
    )
    # 50 times each is expected, with a standard deviation of 6
    assert len(drawn) == 40 and min(drawn.values()) > 25 and max(drawn.values()) < 75


def test_a_row_says_what_a_reader_needs(tmp_path: Path) -> None:
    short = make_example("Which?", "ANA.", source="Book 3")
    (row,) = sheet(tmp_path / "a.csv", [("x:1", short)])
    assert (row["question"], row["answer"], row["source"]) == ("Which?", "ANA.", "Book 3")
    assert row["doubts"] == "too_short"
    assert all(row[name] == "" for name in (*review_sheet.ASPECTS, "note"))


def test_earlier_turns_stand_in_the_question(tmp_path: Path) -> None:
    asked = {"role": "user", "content": "Why?"}
    said = {"role": "assistant", "content": "So."}
    (row,) = sheet(
        tmp_path / "a.csv", [("x:1", make_example("", "", messages=[asked, said, asked, said]))]
    )
    assert row["question"] == "User: Why?\n\nAssistant: So.\n\nUser: Why?"


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1"])
def test_no_cell_is_a_formula(tmp_path: Path, text: str) -> None:
    (row,) = sheet(tmp_path / "a.csv", [("x:1", make_example(text, text))])
    assert row["question"] == row["answer"] == f"'{text}"


@pytest.mark.parametrize(
    ("name", "n", "said"),
    [("a.xlsx", 5, r"a\.xlsx: a sheet ends in \.csv"), ("a.csv", 0, "^--n 0: at least 1")],
)
def test_a_sheet_that_cannot_be_is_refused(tmp_path: Path, name: str, n: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        sheet(tmp_path / name, n=n)


def test_a_sheet_that_may_be_filled_in_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("answers of hours")
    with pytest.raises(ConfigError, match=r"a\.csv: is there already"):
        sheet(path)
    assert path.read_text() == "answers of hours"


def test_a_sheet_of_very_long_answers_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    csv.field_size_limit(131_072)  # Python's own, which another reader may have raised
    review_sheet.write(path, [("x:1", make_example("Why?", "So. " * 50_000))], n=1, seed=1)
    assert review_sheet.read(path)["accurate"].n == 0


def test_answers_are_counted_by_aspect(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'{HEAD}\nx:1,"Why?\nHow?",So.,,,yes,no,,,,,\nx:2,Q,A,,, YES,,,,,,fine\n')
    found = review_sheet.read(path)
    assert (found["accurate"].yes, found["accurate"].n) == (2, 2)
    assert (found["complete"].yes, found["complete"].n) == (0, 1)
    assert found["safe"].n == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("place,question\n", r":1: no column accurate, complete, .*titer data review$"),
        ("", r":1: no column place"),
        (HEAD.replace(",", ";"), ":1: cells that semicolons separate. Allowed: commas; save it as"),
        (f'{HEAD}\nx:1,"a\nb",A,,,yes,,,,,,\nx:2,Q,A,,,maybe,,,,,,\n',
         r":4: accurate: 'maybe'\. Allowed: yes, no, empty$"),
    ],
    ids=["no sheet", "empty", "semicolons", "another word"],
)  # fmt: skip
def test_what_is_no_answer_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=said):
        review_sheet.read(path)

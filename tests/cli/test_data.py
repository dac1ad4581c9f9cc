"""`titer data`: rows converted, inspected and validated, with exact words and exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

GOOD = [
    {
        "question": f"What is lamp number {n} good for?",
        "answer": f"It lights harbour {n} at night.",
        "source": f"Book {n}",
    }
    for n in range(3)
]


def rows(project: Any, *lines: str, name: str = "rows.jsonl") -> Path:
    path: Path = project.write(name, "".join(line + "\n" for line in lines))
    return path


def test_help_is_quick_and_names_the_verbs(project: Any) -> None:
    done = project.process("data", "--help")
    assert done.code == 0 and done.cpu_s < 1
    assert all(
        name in done.out for name in ("convert", "inspect", "validate", "review", "learning-curve")
    )


def test_rows_are_converted_and_what_is_lost_is_said(project: Any) -> None:
    rows(project, *map(json.dumps, GOOD), '{"question": "Why?"', json.dumps({"messages": []}))
    done = project.titer("data", "convert", "rows.jsonl", "out/x.csv", "--to", "alpaca")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "out/x.csv: 3 rows of alpaca, from qa",
        "cannot be used: rows.jsonl:4: not JSON: it breaks off. Allowed: one JSON object per row",
        "cannot be used: rows.jsonl:5: keys messages: a row of chat in a file of qa. Allowed: "
        '{"question", "answer", "source"}',
        "not held by alpaca: source (3 rows)",
    ]
    text = (project.root / "out/x.csv").read_text()
    assert text.splitlines()[:2] == [
        '"instruction","output","input","system"',
        '"What is lamp number 0 good for?","It lights harbour 0 at night.","",""',
    ]


def test_a_column_can_be_named(project: Any) -> None:
    rows(project, json.dumps({"question": "Why?", "answer": "So.", "url": "http://a", "x": 1}))
    done = project.titer("data", "convert", "rows.jsonl", "x.jsonl", "--column", "source=url")
    assert done.out.splitlines()[1:] == ["ignored: x (1 times)"]
    found = json.loads((project.root / "x.jsonl").read_text())
    assert found == {"question": "Why?", "answer": "So.", "source": "http://a"}


def test_a_column_that_no_row_has_is_refused(project: Any) -> None:
    rows(project, json.dumps({"question": "Why?", "answer": "So.", "url": "http://a"}))
    done = project.titer("data", "convert", "rows.jsonl", "x.jsonl", "--column", "source=urll")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: --column source=urll: no row has a column 'urll'; columns: question, answer, url\n"
    )
    assert not (project.root / "x.jsonl").exists()


def test_a_key_that_a_named_column_replaces_is_counted(project: Any) -> None:
    row = {"question": "Why?", "answer": "So.", "url": "http://a", "source": "A book"}
    rows(project, json.dumps(row), json.dumps({**row, "url": "http://b"}))
    done = project.titer("data", "convert", "rows.jsonl", "x.jsonl", "--column", "source=url")
    assert done.out.splitlines()[1:] == ["ignored: source, for which --column names url (2 times)"]
    found = (project.root / "x.jsonl").read_text().splitlines()
    assert [json.loads(line)["source"] for line in found] == ["http://a", "http://b"]


def test_rows_of_two_forms_are_valid_where_training_reads_both(project: Any) -> None:
    other = {"instruction": "What is lamp 9 good for?", "output": "It lights harbour 9."}
    rows(project, *map(json.dumps, [*GOOD, other]), name="data/own/autoimmune/training/rows.jsonl")
    done = project.titer("data", "validate", "data/own/autoimmune/training/rows.jsonl")
    assert done.code == 0, done.err
    assert "4 rows of qa (jsonl)" in done.out
    assert project.titer("check").code == 0


REFUSED = {
    "onto itself": (("rows.jsonl", "rows.jsonl"), 2, "rows.jsonl: read and written at once"),
    "no file": (("gone.jsonl", "x.jsonl"), 1, "gone.jsonl: no such file"),
    "a kind": (
        ("rows.jsonl", "x.parquet", "--to", "sharegpt"), 1,
        "x.parquet: sharegpt is written to files that end in .jsonl, .ndjson, .json",
    ),
    "a column": (("rows.jsonl", "x.jsonl", "--column", "a"), 2, "--column a: write it as"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_converted_is_one_line(project: Any, case: str) -> None:
    arguments, code, text = REFUSED[case]
    rows(project, *map(json.dumps, GOOD))
    done = project.titer("data", "convert", *arguments)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(f"error: {text}") and done.err.count("\n") == 1


def test_a_conversion_without_a_row_writes_nothing(project: Any) -> None:
    kept = rows(project, json.dumps(GOOD[0]), name="own/good.jsonl")
    rows(project, '{"question": "Why?"', '{"question": "Why?", "answer": 1}')
    done = project.titer("data", "convert", "rows.jsonl", "own/new.jsonl", "--format", "qa")
    assert (done.code, done.err) == (1, "error: rows.jsonl: no row was left to write\n")
    assert done.out.startswith("cannot be used: rows.jsonl:1: ")
    assert list(kept.parent.iterdir()) == [kept]


def test_a_conversion_overwrites_no_file(project: Any) -> None:
    kept = rows(project, json.dumps(GOOD[0]), name="own/good.jsonl")
    before = kept.read_bytes()
    rows(project, *map(json.dumps, GOOD))
    done = project.titer("data", "convert", "rows.jsonl", "own/good.jsonl")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: own/good.jsonl: is there already. Give another name, or remove the file, so that "
        "no row is lost\n"
    )
    assert kept.read_bytes() == before


def test_a_clean_file_is_valid_but_for_its_size(project: Any) -> None:
    rows(project, *map(json.dumps, GOOD))
    done = project.titer("data", "validate", "rows.jsonl")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == "rows.jsonl: 3 rows of qa (jsonl)"
    assert done.out.splitlines()[-1].startswith("only 3 rows: below 1,000 a fine-tune seldom")


def test_bad_rows_fail_the_validation_after_all_were_read(project: Any) -> None:
    text = "What does the anti-centromere antibody point to?"
    copied = json.loads(
        (project.root / "data/benchmark/autoimmune/open.jsonl").read_text().splitlines()[0]
    )["question"]
    leak = {"question": copied, "answer": f"{text} It is a long story, told here.", "source": "a"}
    rows(project, json.dumps(GOOD[0]), "{", json.dumps(leak), json.dumps(GOOD[0]))
    done = project.titer("data", "validate", "rows.jsonl")
    assert done.code == 1
    assert done.err == (
        "error: rows.jsonl: 1 rows cannot be used, 3 can. Mend them, or take the others out with: "
        "titer data convert\n"
    )
    lines = done.out.splitlines()
    assert "cannot be used: rows.jsonl:2: not JSON: it breaks off." in lines[1]
    assert "  rows.jsonl:4: as rows.jsonl:1" in lines
    assert any(line.startswith("  rows.jsonl:3: ") and " by rule " in line for line in lines)


def test_a_data_set_of_llama_factory_is_read_by_its_name(project: Any) -> None:
    rows(project, json.dumps({"ask": "Why?", "say": "So it is."}), name="lf/a.json")
    entry = {"file_name": "a.json", "columns": {"prompt": "ask", "response": "say"}}
    project.write("lf/dataset_info.json", json.dumps({"a": entry, "b": {"hf_hub_url": "x/y"}}))
    done = project.titer("data", "convert", "lf/dataset_info.json", "x.jsonl", "--to", "qa")
    assert done.err == ("error: lf/dataset_info.json:1: no name given. Allowed: --dataset a | b\n")
    named = ("--dataset", "a", "--to", "qa")
    done = project.titer("data", "convert", "lf/dataset_info.json", "x.jsonl", *named)
    assert done.out == "x.jsonl: 1 rows of qa, from alpaca\n"


def test_inspection_counts_tokens_and_shows_a_row_as_the_model_sees_it(
    project: Any, tiny_model: Path
) -> None:
    rows(project, *map(json.dumps, [*GOOD, GOOD[0]]))
    done = project.titer("data", "inspect", "rows.jsonl", "--tokenizer", str(tiny_model))
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "rows.jsonl: 4 rows of qa (jsonl)"
    assert "messages per row: 2 (4)" in lines
    assert "duplicates: 1 rows with an earlier row's prompt and answer" in lines
    assert any(line.startswith("longer than model.max_length=") for line in lines)
    assert "<|im_start|>user" in lines and "What is lamp number 0 good for?<|im_end|>" in lines


def test_an_inspection_without_a_model_is_one_line(project: Any) -> None:
    rows(project, *map(json.dumps, GOOD))
    done = project.titer("data", "inspect", "rows.jsonl")
    assert (done.code, done.out) == (4, "")
    assert "models/base: no model. Run: dvc repro download_model, or give --tokenizer" in done.err


def test_a_sheet_goes_to_a_reader_and_comes_back_as_shares(project: Any) -> None:
    rows(project, *map(json.dumps, GOOD), "{")
    done = project.titer("data", "review", "rows.jsonl", "sheet.csv", "--n", "2")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "sheet.csv: 2 of 3 rows. Write yes or no under:"
    assert lines[-2].startswith("cannot be used: rows.jsonl:4: ")
    assert lines[-1] == "then: titer data reviewed sheet.csv"
    empty = project.titer("data", "reviewed", "sheet.csv")
    assert (empty.code, empty.out) == (1, "")
    assert empty.err.startswith("error: sheet.csv: no row is answered. Write yes or no under acc")
    sheet = project.root / "sheet.csv"
    head, one, two = sheet.read_text().splitlines()
    empty_cells = ",,,,,,,"  # doubts, six aspects, note
    answered = (one.replace(empty_cells, ",,yes,no,,,,"), two.replace(empty_cells, ",,Yes ,,,,,"))
    sheet.write_text("\n".join((head, *answered)) + "\n")
    done = project.titer("data", "reviewed", "sheet.csv")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[:3] == [
        "accurate: 2 of 2 rows (100%, 95 % interval 34% to 100%)",
        "complete: 0 of 1 rows (0%, 95 % interval 0% to 79%)",
        "consistent: not answered",
    ]
    again = project.titer("data", "review", "rows.jsonl", "sheet.csv")
    assert again.code == 2 and "sheet.csv: is there already" in again.err
    assert ",yes,no," in sheet.read_text()


def test_no_sheet_is_written_without_a_row(project: Any) -> None:
    rows(project, '{"question": "Why?", "answer": 5}')
    done = project.titer("data", "review", "rows.jsonl", "sheet.csv")
    assert (done.code, done.err) == (
        1, "error: rows.jsonl: no row can be used, so there is no sheet to fill in\n"
    )  # fmt: skip
    assert "rows.jsonl:1: message 2: content is a number, expected a text" in done.out
    assert not (project.root / "sheet.csv").exists()


@pytest.mark.parametrize("shares", ["1", "0,1", "0.5,2", "a,b"])
def test_shares_that_are_none_are_refused(project: Any, shares: str) -> None:
    done = project.titer("data", "learning-curve", "--shares", shares)
    assert done.code == 2
    assert done.err.startswith(f"error: --shares {shares}: at least two shares above 0")


def test_no_seed_draws_no_curve(project: Any) -> None:
    done = project.titer("data", "learning-curve", "--seeds", "0")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: --seeds 0: at least 1, such as 3\n"


@pytest.mark.parametrize("epochs", ["nan", "inf", "0", "-1"])
def test_epochs_that_are_none_draw_no_curve(project: Any, epochs: str) -> None:
    done = project.titer("data", "learning-curve", "--epochs", epochs)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"error: --epochs {epochs}: a number above 0, such as 1.5\n"


def test_own_rows_alone_need_a_file_and_no_papers(project: Any) -> None:
    params = project.root / "params.yaml"
    params.write_text(params.read_text().replace("sources: both", "sources: own "))
    done = project.titer("check")
    assert done.code == 1
    assert "examples.sources = 'own': no files of your own. Put them into data/own/" in done.err
    rows(project, json.dumps(GOOD[0]), name="data/own/autoimmune/training/a.jsonl")
    assert project.titer("check").code == 0


def test_a_bad_own_row_is_found_before_any_stage_runs(project: Any) -> None:
    rows(project, json.dumps(GOOD[0]), "{", name="data/own/autoimmune/training/a.jsonl")
    done = project.titer("check")
    assert done.code == 1
    assert "training/a.jsonl:2: not JSON: it breaks off" in done.err
    assert "(1 such rows, 1 can be used). See them all: titer data validate" in done.err

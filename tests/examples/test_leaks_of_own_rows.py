"""Whoever feeds the benchmark's own questions and answers as training rows is stopped."""

import html
import json
import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.examples.papers import make_paper, make_settings
from tests.imports import ROOT
from titer.config import OnLeak
from titer.errors import LeakError
from titer.evaluation import benchmark
from titer.examples import own
from titer.examples.build import Built, build
from titer.examples.decontaminate import find_leaks
from titer.records import BenchmarkText

PAPERS = [make_paper(number) for number in range(1, 81)]
TIMES = 40


@pytest.fixture(scope="module")
def asked() -> list[BenchmarkText]:
    """Everything that the default domain asks, as the stage guards it."""
    named = {**benchmark.FILES, "safety": benchmark.SAFETY}
    paths = {name: ROOT / path.replace("${domain}", "autoimmune") for name, path in named.items()}
    return benchmark.texts_to_guard(SimpleNamespace(**paths))


@pytest.fixture(scope="module")
def questions(asked: list[BenchmarkText]) -> list[BenchmarkText]:
    """The ten open questions with their reference answers."""
    found = [item for item in asked if item.kind == "open"]
    assert len(found) == 10
    return found


def chat_row(question: str, answer: str) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer},
    ]
    return {"messages": messages}


def pair_row(question: str, answer: str) -> dict[str, Any]:
    return {"question": question, "answer": answer, "source": "evaluation"}


def text_row(question: str, answer: str) -> dict[str, Any]:
    text = f"Question: {question}\n\nAnswer: {answer}"
    return {"text": text, "source": "evaluation", "paper_id": "eval_1", "title": "Evaluation"}


FORMS = {"chat": chat_row, "pairs": pair_row, "records": text_row}


def made(folder: Path, rows: list[dict[str, Any]], name: str = "rows.jsonl") -> own.OwnRows:
    folder.mkdir(parents=True, exist_ok=True)
    is_list = name.endswith(".json")
    text = json.dumps(rows) if is_list else "".join(json.dumps(row) + "\n" for row in rows)
    (folder / name).write_text(text, encoding="utf-8")
    return own.read(folder)


def removed_items(built: Built, rows: own.OwnRows) -> dict[str, set[str]]:
    """By example the items that the ledger names for it, duplicates left out."""
    items: dict[str, set[str]] = {row.id: set() for row in rows.examples}
    for entry in built.removed:
        if entry["example_id"] in items and entry["rule"] != "duplicate":
            assert entry["matched"]
            items[entry["example_id"]].add(entry["item_id"])
    return items


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
@pytest.mark.parametrize("form", FORMS)
def test_ten_answers_forty_times_each_are_removed_and_named(
    tmp_path: Path, asked: list[BenchmarkText], questions: list[BenchmarkText], form: str, name: str
) -> None:
    rows = [FORMS[form](item.question, item.answer) for item in questions] * TIMES
    own_rows = made(tmp_path, rows, name)
    built = build(PAPERS, make_settings(), asked, extra=own_rows.examples)
    items = removed_items(built, own_rows)
    assert len(items) == TIMES * len(questions)
    assert all(items.values())
    assert {item for found in items.values() for item in found} >= {q.id for q in questions}
    assert not any(row.source == "own" for row in (*built.train, *built.validation))
    assert built.train, "the papers' examples stay"


def test_where_a_leak_fails_one_line_names_number_files_and_items(
    tmp_path: Path, asked: list[BenchmarkText], questions: list[BenchmarkText]
) -> None:
    for form, row in FORMS.items():
        rows = [row(item.question, item.answer) for item in questions] * TIMES
        own_rows = made(tmp_path, rows, f"{form}.jsonl")
    settings = make_settings(on_leak=OnLeak.fail)
    with pytest.raises(LeakError) as error:
        build(PAPERS, settings, asked, extra=own_rows.examples)
    assert str(error.value).startswith(
        "1200 training examples hold what the benchmark asks: 400 from chat.jsonl, 400 from "
        "pairs.jsonl, 400 from records.jsonl; 11 items: Q001, Q002, Q003, "
    )
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


ZERO_WIDTH = "\u200b"


def fullwidth(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def mathematical(text: str) -> str:
    return "".join(chr(0x1D41A + ord(c) - ord("a")) if "a" <= c <= "z" else c for c in text)


def typographic(text: str) -> str:
    return text.replace("-", "\u2011").replace("'", "\u2019").replace(" (", "\u00a0\u201c")


DISGUISES: dict[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "line breaks": lambda text: textwrap.fill(text, 25),
    "carriage returns": lambda text: textwrap.fill(text, 40).replace("\n", "\r\n"),
    "hyphenation of a PDF": lambda text: re.sub(r"(\w{4})(\w{4})", "\\1-\n\\2", text),
    "no punctuation": lambda text: re.sub(r"[^\w\s-]", "", text),
    "other punctuation": lambda text: re.sub(r"[,;.]", " \u2013", text),
    "Markdown emphasis": lambda text: re.sub(r"\b(\w{5,})\b", r"**\1**", text),
    "Markdown emphasis inside words": lambda text: re.sub(r"\b(\w\w)(\w{3,})\b", r"*\1*\2", text),
    "Markdown links": lambda text: re.sub(r"\b(\w{6,})\b", r"[\1](https://x.org/y)", text),
    "Markdown quote and list": lambda text: (
        "> - " + textwrap.fill(text, 60, subsequent_indent="> ")
    ),
    "HTML tags": lambda text: "<p>" + re.sub(r"\b(\w{6,})\b", r"<b>\1</b>", text) + "</p>",
    "HTML tags inside words": lambda text: re.sub(r"\b(\w)(\w+)\b", r"<i>\1</i>\2", text),
    "HTML entities": lambda text: html.escape(text).replace(" ", "&nbsp;").replace("e", "&#101;"),
    "HTML entities escaped twice": lambda text: text.replace(" ", "&amp;nbsp;"),
    "line breaks escaped twice": lambda text: textwrap.fill(text, 25).replace("\n", "\\n"),
    "typographic quotes and hyphens": typographic,
    "zero-width characters": lambda text: ZERO_WIDTH.join(text),
    "soft hyphens": lambda text: re.sub(r"(\w{3})(\w{3})", "\\1\u00ad\\2", text),
    "full-width letters": fullwidth,
    "mathematical letters": mathematical,
    "prefix and suffix": lambda text: f"Dear all, here it is: {text} So much for today, thank you.",
}


def unfound(
    rows: own.OwnRows, given: Sequence[BenchmarkText], asked: Sequence[BenchmarkText]
) -> list[str]:
    """The items among `given`, one per row, whose row was not found to ask them."""
    found = {(leak.example_id, leak.item_id) for leak in find_leaks(rows.examples, {}, asked)}
    pairs = zip(given, rows.examples, strict=True)
    return [item.id for item, row in pairs if (row.id, item.id) not in found]


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES.keys())
def test_a_disguise_does_not_help(
    tmp_path: Path,
    asked: list[BenchmarkText],
    questions: list[BenchmarkText],
    disguise: Callable[[str], str],
) -> None:
    changed = [(disguise(item.question), disguise(item.answer)) for item in questions]
    assert all(pair != (q.question, q.answer) for pair, q in zip(changed, questions, strict=True))
    rows = made(tmp_path, [form(*pair) for form in FORMS.values() for pair in changed])
    assert unfound(rows, questions * len(FORMS), asked) == []


HARMLESS = "Tell me something."
PARTS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "answer only": lambda question, answer: chat_row(HARMLESS, answer),
    "question only": lambda question, answer: chat_row(question, "I do not know."),
    "reversed": lambda question, answer: chat_row(answer, question),
    "half of the answer": lambda question, answer: chat_row(HARMLESS, answer[len(answer) // 2 :]),
    "in the system message": lambda question, answer: {
        "messages": [{"role": "system", "content": answer}, *chat_row("Go.", "So.")["messages"]]
    },
    "one word per turn": lambda question, answer: {
        "messages": [
            turn for word in answer.split() for turn in chat_row("Next.", word)["messages"]
        ]
    },
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS.keys())
def test_a_part_is_found_too(
    tmp_path: Path,
    asked: list[BenchmarkText],
    questions: list[BenchmarkText],
    part: Callable[[str, str], dict[str, Any]],
) -> None:
    rows = made(tmp_path, [part(item.question, item.answer) for item in questions])
    assert unfound(rows, questions, asked) == []


@pytest.mark.parametrize("form", FORMS)
def test_closed_safety_and_general_items_are_guarded_too(
    tmp_path: Path, asked: list[BenchmarkText], form: str
) -> None:
    guarded = [item for item in asked if item.kind != "open"]
    assert {item.kind for item in guarded} == {"closed", "safety", "general"}
    rows = made(tmp_path, [FORMS[form](q.question, q.answer or "Yes.") for q in guarded])
    assert unfound(rows, guarded, asked) == []


def test_rows_that_the_benchmark_does_not_ask_stay(
    tmp_path: Path, asked: list[BenchmarkText]
) -> None:
    rows = made(
        tmp_path,
        [
            chat_row(f"How do I log in to machine {number}?", f"Ask the desk for key {number}.")
            for number in range(20)
        ],
    )
    built = build(PAPERS, make_settings(), asked, extra=rows.examples)
    used = [row for row in (*built.train, *built.validation) if row.source == "own"]
    assert sorted(row.id for row in used) == sorted(row.id for row in rows.examples)

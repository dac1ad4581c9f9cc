"""Chat rows survive writing and reading, and a wrong row is named with its line."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.examples.papers import make_example, make_paper
from titer.errors import FormatError
from titer.examples.formats import chat
from titer.examples.recipes import RECIPES, paper_examples

ROW = make_example("Why?", "So.").to_json()


def write(path: Path, row: dict[str, Any]) -> Path:
    path.write_text(f"\n{json.dumps(ROW)}\n\n{json.dumps(row)}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["train.jsonl", "train.jsonl.gz"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    paper = make_paper(title="Sjögren\u2028and more?")
    examples = paper_examples(paper, recipes=list(RECIPES), per_paper=9, seed=1)
    chat.write(tmp_path / name, examples)
    assert chat.read(tmp_path / name) == examples


def test_the_same_examples_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        chat.write(tmp_path / name, [make_example("Why?", "So.")])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_unknown_keys_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", ROW | {"mood": "calm"})
    assert chat.read(path)[1] == make_example("Why?", "So.")


QUESTION = {"role": "user", "content": "Why?"}
FAULTS = {
    "messages: expected a list": {"messages": "Why?"},
    "at least a question and an answer": {"messages": [QUESTION]},
    "message 1: role must be one of system, user, assistant": {"messages": [{}, QUESTION]},
    "message 2: content must be a text": {
        "messages": [QUESTION, {"role": "assistant", "content": " "}]
    },
    "the last message is from user, expected assistant": {"messages": [QUESTION, QUESTION]},
}


@pytest.mark.parametrize(("text", "change"), FAULTS.items(), ids=FAULTS.keys())
def test_a_wrong_conversation_is_named(tmp_path: Path, text: str, change: dict[str, Any]) -> None:
    path = write(tmp_path / "x.jsonl", ROW | change)
    with pytest.raises(FormatError) as error:
        chat.read(path)
    assert str(error.value).startswith(f"{path}:4: ")
    assert text in str(error.value)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    row = {key: value for key, value in ROW.items() if key not in ("spans", "title")}
    with pytest.raises(FormatError, match=r"x.jsonl:4: chat row without title, spans \(keys: "):
        chat.read(write(tmp_path / "x.jsonl", row))

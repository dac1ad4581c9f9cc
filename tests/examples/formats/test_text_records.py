"""The four-key list holds prompt and answer as plain text."""

import json
from pathlib import Path

import pytest

from tests.examples.papers import make_example
from titer.examples.formats import text_records

EXAMPLE = make_example("Why does Sjögren's lamp smoke?", "The wick is long.")


def test_a_record_has_the_four_keys_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    text_records.write(path, [EXAMPLE])
    assert list(json.loads(path.read_text(encoding="utf-8"))[0].items()) == [
        ("text", "User: Why does Sjögren's lamp smoke?\n\nAssistant: The wick is long."),
        ("source", "pubmed"),
        ("paper_id", "pmid:1"),
        ("title", "A title"),
    ]


def test_turns_of_an_export_are_its_messages() -> None:
    system = {"role": "system", "content": "Be brief."}
    example = make_example("Why?\n\nNote: it smokes.", "So.", title="")
    example.messages = [system, *example.messages, *example.messages]
    assert text_records.turns(text_records.rows([example])[0]["text"]) == example.messages


@pytest.mark.parametrize(
    "text",
    ["", "An abstract.", "Question: Why?", "Q: Why?\nA: ", "Answer: So.", "Answer: So.\nQ: Why?"],
)
def test_a_text_without_question_and_answer_has_no_turns(text: str) -> None:
    assert text_records.turns(text) is None

"""The four-key list holds prompt and answer as plain text."""

import json
from pathlib import Path

import pytest

from tests.examples.papers import make_example
from titer.errors import FormatError
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


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    text_records.write(path, [EXAMPLE, EXAMPLE])
    assert text_records.read(path) == text_records.rows([EXAMPLE, EXAMPLE])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"text": "x"}, ":1: a JSON dict, expected a list of records"),
        (["x"], ": record 1: expected an object with text, source, paper_id, title"),
        (
            [{"text": "x", "source": "s", "paper_id": 1}],
            ": record 1: no text under paper_id, title (keys: paper_id, source, text)",
        ),
    ],
)
def test_a_wrong_list_is_named(tmp_path: Path, content: object, text: str) -> None:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(FormatError) as error:
        text_records.read(path)
    assert str(error.value) == f"{path}{text}"


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

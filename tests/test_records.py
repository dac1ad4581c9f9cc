"""Records: what is written comes back, and what a record says of itself follows from its fields."""

import json
from dataclasses import fields

import pytest

from titer.records import (
    Answer,
    ClosedItem,
    Example,
    Fact,
    Paper,
    Question,
    Record,
    is_open_licence,
)

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is measured?"},
    {"role": "assistant", "content": "anti-dsDNA"},
]
RECORDS = [
    Paper(
        paper_id="pmid:1", source="pubmed", title="A β-test",
        sections=[{"label": "AIM", "category": "OBJECTIVE", "text": "To see."},
                  {"label": "", "category": "", "text": "It was seen."}],
        synthetic=True, pmid="1", authors=["A B"], mesh=[{"ui": "D1", "name": "x", "major": True}],
        license={"id": "CC-BY-4.0", "url": None, "source": "arxiv"},
        corrections=[{"type": "ErratumIn", "pmid": None, "source": "J. 2"}],
    ),
    Example(
        id="e", messages=MESSAGES, recipe="conclusion", recipe_version=1, paper_id="pmid:1",
        source="pubmed", title="t", spans=[[0, 1, 5], [-1, 0, 3]], cluster_id="pmid:1",
    ),
    Fact("F1", "lupus", ["SLE"], "marker", "anti-Sm", [], ["ANA"], "", "", "", "", "memory"),
    ClosedItem(
        id="F1:forward:q1", set="facts", question="Which?", candidates=["a", "b"], gold=1,
        cluster="lupus", relation="marker", fact_id="F1", blind_question="Which, here?",
    ),
    Question("Q1", "lupus", "easy", "What?", key_points=[{"id": "k", "text": "x", "all": [["y"]]}]),
    Answer("Q1", "lupus", "easy", "What?", "That.", 0.5, "2026-01-01T00:00:00+00:00",
           ref_logprob=-1.5, flags=["truncated"]),
]  # fmt: skip


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_comes_back_from_json(record: Record) -> None:
    row = json.loads(json.dumps(record.to_json()))
    assert type(record).from_json(row) == record


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_keys_that_a_record_does_not_define_are_ignored(record: Record) -> None:
    assert type(record).from_json(record.to_json() | {"of a later version": 1}) == record


def test_a_record_without_a_required_field_is_refused() -> None:
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'difficulty'"):
        Question.from_json({"id": "Q1", "category": "c", "question": "What?"})


def test_a_question_of_ones_own_needs_four_keys() -> None:
    question = Question.from_json(
        {"id": "Q1", "category": "c", "difficulty": "easy", "question": "What?"}
    )
    assert question.reference_answer is None
    assert question.key_points == question.must_not == question.sources == []


def test_two_records_share_no_list() -> None:
    one, other = (Question("Q1", "c", "easy", "What?") for _ in range(2))
    one.tags.append("x")
    assert other.tags == []


def test_an_answer_begins_with_the_seven_keys_of_the_source_system() -> None:
    names = [field.name for field in fields(Answer)][:7]
    assert names == [
        "id", "category", "difficulty", "question", "response", "time_seconds", "timestamp",
    ]  # fmt: skip


def test_an_abstract_is_all_sections_joined() -> None:
    assert RECORDS[0].abstract == "To see. It was seen."  # type: ignore[attr-defined]


def test_an_example_knows_prompt_and_answer() -> None:
    example = Example.from_json(RECORDS[1].to_json())
    assert example.prompt == "Be brief.\nWhat is measured?"
    assert example.answer == "anti-dsDNA"


@pytest.mark.parametrize(
    ("licence", "may"),
    [
        ("cc0", True), ("CC0-1.0", True), ("cc-by", True), ("CC-BY-4.0", True),
        ("cc-by-sa", False), ("cc-by-nd", False), ("cc-by-nc", False), ("CC-BY-NC-4.0", False),
        ("arxiv nonexclusive-distrib", False), ("not known", False), (None, False),
    ],
)  # fmt: skip
def test_only_cc0_and_cc_by_may_be_passed_on(licence: str | None, may: bool) -> None:
    assert is_open_licence(licence) == may

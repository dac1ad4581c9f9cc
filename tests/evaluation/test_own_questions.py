"""Open questions of one's own: four keys are enough, and what is asked is guarded against leaks."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.evaluation.test_answering import EVAL, ROOT, SETTING, paths, take
from titer.errors import ConfigError, FormatError
from titer.evaluation import benchmark

QUESTION = {"id": "M1", "category": "lupus", "difficulty": "easy", "question": "What is a kelp?"}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """data/own/<domain>/questions of a project at tmp_path."""
    folder = tmp_path / "data" / "own" / "autoimmune" / "questions"
    folder.mkdir(parents=True)
    return folder


def write(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps([QUESTION]) if path.suffix == ".json" else json.dumps(QUESTION)
    path.write_text(text)
    return path.name


@pytest.mark.parametrize("name", ["mine.json", "mine.jsonl", "deep/mine.jsonl"])
def test_questions_of_ones_own_replace_the_domains(own: Path, tmp_path: Path, name: str) -> None:
    write(own / name)
    settings = replace(EVAL, questions=f"data/own/autoimmune/questions/{name}")
    found = benchmark.load(paths(own), settings, root=tmp_path)
    usual = benchmark.load(paths(own), EVAL, root=ROOT)
    safety = [question.id for question in usual.questions if question.type == "safety"]
    assert [question.id for question in found.questions] == ["M1", *safety]
    assert len(safety) == 20
    assert found.items == usual.items
    assert found.sha256 != usual.sha256


def test_a_question_without_a_reference_is_answered_and_not_scored(
    own: Path, tmp_path: Path, tiny_model: Path
) -> None:
    write(own / "mine.json")
    settings = replace(EVAL, questions="data/own/autoimmune/questions/mine.json")
    asked = benchmark.load(paths(own), settings, root=tmp_path)
    few = replace(asked, questions=asked.questions[:1], items=[], texts=[])
    (answer,) = take(few, tiny_model, replace(SETTING, eval=settings)).answers
    assert (answer.id, answer.question) == ("M1", "What is a kelp?")
    assert (answer.ref_logprob, answer.ref_bytes, answer.error) == (None, None, None)


def test_a_question_with_the_id_of_a_safety_item_is_refused(own: Path, tmp_path: Path) -> None:
    (own / "mine.json").write_text(json.dumps([QUESTION | {"id": "S001"}]))
    settings = replace(EVAL, questions="data/own/autoimmune/questions/mine.json")
    with pytest.raises(FormatError, match=r"mine.json: id S001 is that of a safety item"):
        benchmark.load(paths(own), settings, root=tmp_path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("data/benchmark/autoimmune/open.jsonl",
         "must lie below data/own/autoimmune/questions, which DVC watches"),
        ("data/own/autoimmune/questions/../q.jsonl",
         "must lie below data/own/autoimmune/questions, which DVC watches"),
        ("data/own/autoimmune/questions/q.txt", "must be .json or .jsonl"),
    ],
)  # fmt: skip
def test_questions_elsewhere_are_refused(
    own: Path, tmp_path: Path, given: str, message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        benchmark.load(paths(own), replace(EVAL, questions=given), root=tmp_path)
    assert str(error.value) == f"eval.questions = {given!r}: {message}"


@pytest.mark.parametrize("name", ["mine.json", "mine.jsonl", "deep/mine.jsonl"])
def test_every_question_that_could_be_asked_is_guarded(own: Path, name: str) -> None:
    write(own / name)
    guarded = benchmark.texts_to_guard(paths(own))
    (mine,) = [text for text in guarded if text.id == "M1"]
    assert (mine.question, mine.answer, mine.kind) == ("What is a kelp?", "", "open")


def test_every_kind_of_question_is_guarded(own: Path) -> None:
    kinds = {text.kind for text in benchmark.texts_to_guard(paths(own))}
    assert kinds == {"open", "safety", "closed", "general"}

"""A title that states something becomes a question with yes or no; any other title does not."""

import pytest

from tests.examples.papers import make_paper
from titer.examples.recipes import paper_examples, rebuild_answer
from titer.examples.yes_no import asked

CONTEXT = "In patients, smoking and early therapy were studied."


@pytest.mark.parametrize(
    ("title", "question", "is_yes"),
    [
        ("Early therapy is safe in gout", "Is early therapy safe in gout?", True),
        ("Aspirin is not safe in gout", "Is Aspirin safe in gout?", False),
        ("Smoking reduces lung function", "Does smoking reduce lung function?", True),
        ("Statins do not improve survival", "Do Statins improve survival?", False),
        ("Early therapy may be harmful", "May early therapy be harmful?", True),
    ],
)
def test_a_statement_is_asked(title: str, question: str, is_yes: bool) -> None:
    assert asked(title, CONTEXT) == (question, is_yes)


@pytest.mark.parametrize(
    "title",
    ["Risk factors for falls", "Does it help?", "Aspirin reduces pain: a trial",
     "ASPIRIN REDUCES PAIN", "No drug is safe", "Cells that die are seen"],
)  # fmt: skip
def test_what_is_no_plain_statement_is_not_asked(title: str) -> None:
    assert asked(title, CONTEXT) is None


def test_the_answer_is_the_word_before_the_conclusion_and_is_weak() -> None:
    paper = make_paper(title="Salt water does not cure lantern fever.")
    (example,) = paper_examples(paper, recipes=["yes_no"], per_paper=9, seed=7)
    assert example.prompt == "Does salt water cure lantern fever?"
    assert example.answer == "No. " + rebuild_answer(example, paper)
    assert example.weak

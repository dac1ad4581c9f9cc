"""A placebo has the same prompts and the same answers, and none of the knowledge."""

from collections import Counter

from tests.examples.papers import make_paper, make_settings
from titer.examples.build import build
from titer.examples.placebo import exchanged

PAPERS = [make_paper(number) for number in range(1, 41)]


def test_prompts_stay_and_answers_change_places_within_a_recipe() -> None:
    rows = build(PAPERS, make_settings(), []).train
    fake = exchanged(rows, seed=1)
    assert [(row.id, row.prompt, row.recipe) for row in fake] == [
        (row.id, row.prompt, row.recipe) for row in rows
    ]
    for recipe in {row.recipe for row in rows}:
        before, after = (
            Counter(row.answer for row in some if row.recipe == recipe) for some in (rows, fake)
        )
        assert before == after
    assert all(one.answer != other.answer for one, other in zip(rows, fake, strict=True))


def test_the_rows_given_are_not_changed_and_the_seed_decides() -> None:
    rows = build(PAPERS, make_settings(), []).train
    answers = [row.answer for row in rows]
    one, again, other = (exchanged(rows, seed=seed) for seed in (1, 1, 2))
    assert [row.answer for row in rows] == answers
    assert one == again != other


def test_a_single_row_of_a_recipe_keeps_its_answer() -> None:
    row = build(PAPERS, make_settings(), []).train[0]
    assert exchanged([row], seed=1)[0].answer == row.answer


def test_only_the_training_rows_are_exchanged_and_only_on_request() -> None:
    real, fake = (
        build(PAPERS, make_settings(exchange_answers=wanted), []) for wanted in (False, True)
    )
    assert real.validation == fake.validation
    assert real.heldout_papers == fake.heldout_papers
    assert not any(row.weak for row in real.train)
    assert all(row.weak for row in fake.train)

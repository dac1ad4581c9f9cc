"""The learning curve: nested parts, equal steps, and a sentence that follows from the losses."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.test_sft import FULL, data, example
from titer.errors import DataError
from titer.training import learning_curve
from titer.training.learning_curve import Curve, Point, part

ROWS = [example(n) for n in range(100)]


def test_a_smaller_part_lies_in_a_larger_one() -> None:
    parts = [{row.id for row in part(ROWS, share, 5)} for share in (0.1, 0.3, 1.0)]
    assert [len(one) for one in parts] == [10, 30, 100]
    assert parts[0] < parts[1] < parts[2]
    assert part(ROWS[::-1], 0.3, 5)[::-1] == part(ROWS, 0.3, 5)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [(2.0, 1.8, "More data would help"), (2.0, 1.99, "hardly help"), (2.0, 2.2, "made it worse")],
)
def test_the_sentence_follows_from_the_last_enlargement(
    before: float, after: float, said: str
) -> None:
    points = [Point(0.3, 30, before, 8, before), Point(1.0, 100, after, 8, after)]
    sentence = Curve(points, 3, 8).sentence()
    assert said in sentence
    assert "3.3 times the rows (30 to 100)" in sentence and "one seed" in sentence


def test_every_part_is_trained_for_the_same_steps(tiny_model: Path) -> None:
    found = learning_curve.draw(
        replace(FULL, evals=2), base=tiny_model, data=data(16), shares=[1.0, 0.5]
    )
    assert [(one.share, one.n_rows) for one in found.points] == [(0.5, 8), (1.0, 16)]
    assert found.n_steps == 8
    assert all(0 < one.loss <= one.last_loss and one.step <= 8 for one in found.points)


def test_too_few_rows_are_refused(tiny_model: Path) -> None:
    with pytest.raises(DataError, match=r"16 training rows: a share of 0.1 is 2, at least 8"):
        learning_curve.draw(FULL, base=tiny_model, data=data(16), shares=[0.1, 1.0])

"""The learning curve: nested parts, equal steps, and a sentence that follows from the losses."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.training.test_sft import FULL, data, example
from titer.errors import DataError
from titer.records import Example
from titer.training import learning_curve, sft
from titer.training.learning_curve import Curve, Point, part

ROWS = [example(n) for n in range(100)]
SETTINGS = replace(FULL, evals=2)


def test_a_smaller_part_lies_in_a_larger_one() -> None:
    parts = [{row.id for row in part(ROWS, share, 5)} for share in (0.1, 0.3, 1.0)]
    assert [len(one) for one in parts] == [10, 30, 100]
    assert parts[0] < parts[1] < parts[2]
    assert part(ROWS[::-1], 0.3, 5)[::-1] == part(ROWS, 0.3, 5)


def curve(*pairs: tuple[float, float]) -> Curve:
    """A curve of two points, a pair of losses per seed."""
    before, after = zip(*pairs, strict=True)
    steps = (8,) * len(pairs)
    points = [Point(0.3, 30, before, steps, before), Point(1.0, 100, after, steps, after)]
    return Curve(points, 3, 8)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [(2.0, 1.8, "More data would help"), (2.0, 1.99, "hardly help"), (2.0, 2.2, "made it worse")],
)
def test_the_sentence_follows_from_the_last_enlargement(
    before: float, after: float, said: str
) -> None:
    found = curve((before, after))
    assert said in found.sentence() and found.interval() is None
    assert "3.3 times the rows (30 to 100)" in found.sentence()
    assert "one seed, so that chance is not ruled out" in found.sentence()


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        # gains of 10, 9 and 11 %; 0.5, 0 and 1 %; -10, -9 and -11 %; 10, -2 and 4 %
        ([(2.0, 1.8), (2.0, 1.82), (2.0, 1.78)], "More data would help: the curve still falls. "),
        ([(2.0, 1.99), (2.0, 2.0), (2.0, 1.98)], "More of the same data would hardly help"),
        ([(2.0, 2.2), (2.0, 2.18), (2.0, 2.22)], "More data made it worse"),
        ([(2.0, 1.8), (2.0, 2.04), (2.0, 1.92)], "Cannot tell whether more data would help"),
    ],
    ids=["helps", "flat", "worse", "cannot tell"],
)
def test_what_is_said_is_outside_the_spread_of_the_seeds(
    pairs: list[tuple[float, float]], said: str
) -> None:
    assert curve(*pairs).sentence().startswith(said)


def test_a_spread_that_hides_the_change_is_no_help() -> None:
    # the mean is the 4 % that one seed would have called help
    assert "would help" in curve((2.0, 1.92)).sentence()
    assert curve((2.0, 1.8), (2.0, 2.04), (2.0, 1.92)).sentence().startswith("Cannot tell")


def test_the_interval_is_that_of_students_t() -> None:
    # by hand: mean 10 %, deviation 1 %, t of 2 degrees of freedom 4.3027, 4.3027 / sqrt(3) = 2.4842
    found = curve((2.0, 1.8), (2.0, 1.82), (2.0, 1.78))
    assert found.interval() == pytest.approx((0.075158, 0.124842), abs=1e-6)
    assert (
        "by -10.0 % (2.0000 to 1.8000); 95 % interval -12.5 to -7.5 % over 3 seeds "
        "(-10.0, -9.0, -11.0), the same 3 validation rows"
    ) in found.sentence()


@pytest.fixture(scope="module")
def two_seeds(tiny_model: Path) -> Curve:
    """Drawn from rows of which some are too long for the model."""
    given = data(16)
    given = replace(
        given, train=[*map(too_long, range(100, 108)), *given.train],
        validation=[*given.validation, too_long(200)],
    )  # fmt: skip
    return learning_curve.draw(SETTINGS, base=tiny_model, data=given, shares=[1, 0.5], n_seeds=2)


def too_long(number: int) -> Example:
    one = example(number)
    question, answer = one.messages
    return replace(one, messages=[question, {**answer, "content": answer["content"] * 50}])


def test_every_part_is_trained_for_the_same_steps_with_every_seed(two_seeds: Curve) -> None:
    assert [(one.share, one.n_rows) for one in two_seeds.points] == [(0.5, 8), (1.0, 16)]
    assert two_seeds.n_steps == 8
    for point in two_seeds.points:
        assert point.losses[0] != point.losses[1]
        for loss, step, last in zip(point.losses, point.steps, point.last_losses, strict=True):
            assert 0 < loss <= last and step <= 8


def test_rows_that_are_too_long_count_nowhere(two_seeds: Curve) -> None:
    assert two_seeds.n_validation == len(data(16).validation)
    assert two_seeds.n_too_long == (8, 1)
    assert two_seeds.sentence().endswith(
        "; 8 training and 1 validation rows were left out, longer than model.max_length"
    )


def test_the_first_seed_is_the_curve_of_one_seed(tiny_model: Path, two_seeds: Curve) -> None:
    one = learning_curve.draw(SETTINGS, base=tiny_model, data=data(16), shares=[0.5, 1])
    assert [point.losses for point in one.points] == [
        point.losses[:1] for point in two_seeds.points
    ]


def test_too_few_rows_are_refused(tiny_model: Path) -> None:
    given = data(16)
    given = replace(given, train=[*given.train, *map(too_long, range(100, 200))])
    told = r"16 training rows that fit into model.max_length=96: a share of 0.1 is 2, at least 8"
    with pytest.raises(DataError, match=told):
        learning_curve.draw(FULL, base=tiny_model, data=given, shares=[0.1, 1.0])


def draw_until(step: int, base: Path, monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Draw a curve, and act on the Trainer's control within one step."""
    note = sft.StageProgress.on_step_begin

    def told(self: sft.StageProgress, args: Any, state: Any, control: Any, **more: Any) -> None:
        note(self, args, state, control, **more)
        if state.global_step == step - 1:
            act(control)

    monkeypatch.setattr(sft.StageProgress, "on_step_begin", told)
    learning_curve.draw(SETTINGS, base=base, data=data(16), shares=[0.5, 1])


def test_other_steps_than_planned_draw_no_curve(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(control: Any) -> None:
        control.should_training_stop = True

    with pytest.raises(DataError, match=r"share 0.5, seed 5: 5 optimiser steps were taken, not th"):
        draw_until(5, tiny_model, monkeypatch, end)


def test_a_curve_that_was_told_to_stop_promises_no_checkpoint(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        draw_until(5, tiny_model, monkeypatch, lambda _: os.kill(os.getpid(), signal.SIGTERM))

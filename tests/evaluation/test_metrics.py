"""Scores by hand, and the same numbers through the package evaluate."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from titer.evaluation import metrics

ROOT = Path(__file__).resolve().parents[2]


def test_the_highest_score_wins_and_a_tie_is_wrong():
    assert metrics.correct_choices([[-1, -2], [-2, -1], [-1, -1]], [0, 0, 0]) == [
        True,
        False,
        False,
    ]


def test_scores_per_character_favour_no_length():
    assert metrics.per_character([[-6.0, -4.0]], [["abcdef", "ab"]]) == [[-1.0, -2.0]]


def test_popularity_is_taken_off():
    assert metrics.less_blind([[-3.0, -1.0]], [[-5.0, -1.0]]) == [[2.0, 0.0]]


def test_probabilities_brier_and_calibration_by_hand():
    scores = [[math.log(0.7), math.log(0.2), math.log(0.1)]]
    assert metrics.gold_probabilities(scores, [0]) == pytest.approx([0.7])
    assert metrics.brier(scores, [0]) == pytest.approx([0.09 + 0.04 + 0.01])
    assert metrics.calibration_error(scores, [0]) == pytest.approx(0.3)
    assert metrics.calibration_error(scores, [1]) == pytest.approx(0.7)
    assert metrics.probabilities([-2000.0, -2000.0]) == [0.5, 0.5]


def test_bits_per_byte_by_hand():
    assert metrics.bits_per_byte([-8 * math.log(2)], [4]) == pytest.approx([2.0])
    total = metrics.total_bits_per_byte([-8 * math.log(2), -2 * math.log(2)], [4, 6])
    assert total == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("answer", "reference", "f1", "rouge"),
    [
        ("a b c d", "a b c d", 1, 1),
        ("d c b a", "a b c d", 1, 0.25),
        ("", "a b", 0, 0),
        ("a x c", "a b c d", 4 / 7, 4 / 7),
    ],
)
def test_overlap_by_hand(answer, reference, f1, rouge):
    assert metrics.token_f1(answer, reference) == pytest.approx(f1)
    assert metrics.rouge_l(answer, reference) == pytest.approx(rouge)


def test_repetition_counts_repeated_fours():
    assert metrics.repetition("a b c d e f") == 0
    assert metrics.repetition("a b c d a b c d") == pytest.approx(1 / 5)
    assert metrics.repetition("short") == 0


def test_what_an_answer_looks_like():
    answer = "1. Lupus is likely. Two kinds of lupus exist.\nConsult a doctor!"
    found = metrics.describe(answer, f"<think>x</think>{answer}", ["lupus", "vasculitis"])
    assert found == {
        "words": 12, "sentences": 4, "think_tags": 1, "medical_terms": 2, "structured": 1,
        "mentions_confidence": 1, "mentions_next_steps": 1,
    }  # fmt: skip
    assert not any(metrics.describe("", "", ["lupus"]).values())


SCORES, GOLD = [[-1.0, -2.0, -3.0, -4.0], [-2.0, -1.0]], [0, 0]
RUBRIC = metrics.rubric_text(
    [{"id": "k1", "any_of": [["ANA"]]}, {"id": "k2", "any_of": [["C3"]]}],
    [{"id": "n1", "any_of": [["cures lupus"]]}],
)


@pytest.mark.parametrize(
    ("name", "predictions", "references", "expected"),
    [
        ("closed_accuracy", SCORES, GOLD, {"closed_acc": 0.5, "correct": [1, 0]}),
        (
            "keypoint_recall", ["ANA. It cures lupus.", "ANA and C3"], [RUBRIC, RUBRIC],
            {"keypoint_recall": 0.75, "rubric_score": 0.5, "recalls": [0.5, 1], "rubrics": [0, 1]},
        ),
        (
            "bits_per_byte", [-8 * math.log(2), -2 * math.log(2)], [4, 6],
            {"bits_per_byte": 1.0, "mean_bits_per_byte": 7 / 6, "each": [2.0, 1 / 3]},
        ),
    ],
)  # fmt: skip
def test_metric_modules_give_the_numbers_of_the_plain_functions(
    name, predictions, references, expected
):
    found = metrics.load_metric(name).compute(predictions=predictions, references=references)
    assert found == {key: pytest.approx(value) for key, value in expected.items()}


def test_metric_modules_take_batches():
    module = metrics.load_metric("closed_accuracy")
    for row, gold in zip(SCORES, GOLD, strict=True):
        module.add_batch(predictions=[row], references=[gold])
    assert module.compute()["closed_acc"] == 0.5


def test_loading_a_metric_leaves_nothing_in_home(tmp_path):
    code = (
        "from titer.evaluation.metrics import load_metric as m\n"
        "print(m('closed_accuracy').compute(predictions=[[1., 0.]], references=[0]))"
    )
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        env=kept | {"HOME": str(home), "TMPDIR": str(scratch)},
    )  # fmt: skip
    assert "'closed_acc': 1.0" in done.stdout
    assert [*home.rglob("*"), *scratch.rglob("titer-*")] == []

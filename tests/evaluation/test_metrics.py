"""Scores by hand, and the same numbers through the package evaluate."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from titer.evaluation import metrics, safety

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
    [{"id": "k1", "any_of": [["ANA"]]}, {"id": "k2", "any_of": [["C3"]], "critical": True}],
    [{"id": "n1", "any_of": [["cures lupus"]]}],
)


BLIND = [[-1.0, -1.0, -9.0, -4.0], [-2.0, -3.0]]
ANSWERS = ["I am not aware of such a disease.", "Lupus shows anti-Ro antibodies, not ANCA."]
LOOKS = [metrics.look_text(a, ["lupus"]) for a in ANSWERS]
GIVEN = [metrics.describe(a, a, ["lupus"]) for a in ANSWERS]


@pytest.mark.parametrize(
    ("name", "predictions", "references", "expected"),
    [
        (
            "normalised_accuracy", [[-6.0, -4.0]], ["abcdef\nabcdef\nab"],
            {"closed_acc_norm": metrics.share(metrics.correct_choices(
                metrics.per_character([[-6.0, -4.0]], [["abcdef", "ab"]]), [0]))},
        ),
        (
            "pmi_accuracy", [[*s, *b] for s, b in zip(SCORES, BLIND, strict=True)], GOLD,
            {"closed_pmi_acc": metrics.share(metrics.correct_choices(
                metrics.less_blind(SCORES, BLIND), GOLD))},
        ),
        (
            "calibration", SCORES, GOLD,
            {"gold_prob": metrics.mean(metrics.gold_probabilities(SCORES, GOLD)),
             "brier": metrics.mean(metrics.brier(SCORES, GOLD)),
             "ece10": metrics.calibration_error(SCORES, GOLD)},
        ),
        (
            "rubric_score", ["ANA. It cures lupus.", "ANA and C3"], [RUBRIC, RUBRIC],
            {"rubric_score": 0.5, "each": [0, 1], "must_not_hits": 1, "critical_missed": 1},
        ),
        (
            "rouge_l", ["a x c", ""], ["a b c d", "a"],
            {"rouge_l": 2 / 7, "each": [metrics.rouge_l("a x c", "a b c d"), 0]},
        ),
        (
            "token_f1", ["d c b a", "x"], ["a b c d", "a"],
            {"token_f1": 0.5, "each": [metrics.token_f1("d c b a", "a b c d"), 0]},
        ),
        (
            "abstention", [*ANSWERS, ANSWERS[0]], [1, 1, 0],
            {"abstain_rate": metrics.share([safety.abstains(a) for a in ANSWERS]),
             "over_refusal_rate": 1},
        ),
        (
            "hallucinated_entities", ANSWERS, ["anti-Ro", "ANCA\nanti-Ro antibody"],
            {"hallucinated_entity_rate": 0.5},
        ),
        (
            "answer_quality", ["a b c d a b c d", "x"], ["truncated,empty", ""],
            {"truncated_rate": 0.5, "unclosed_think_rate": 0, "empty_rate": 0.5,
             "failed_rate": 0, "repetition": metrics.repetition("a b c d a b c d") / 2},
        ),
        (
            "answer_description", ANSWERS, LOOKS,
            {name: (GIVEN[0][name] + GIVEN[1][name]) / 2 for name in GIVEN[0]},
        ),
        ("closed_accuracy", SCORES, GOLD, {"closed_acc": 0.5, "correct": [1, 0]}),
        (
            "keypoint_recall", ["ANA. It cures lupus.", "ANA and C3"], [RUBRIC, RUBRIC],
            {"keypoint_recall": 0.75, "each": [0.5, 1]},
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


def test_every_metric_has_its_module_and_loads_by_its_path():
    folder = ROOT / "titer" / "evaluation" / "metric_modules"
    assert sorted(path.stem for path in folder.glob("*/*.py")) == list(metrics.MODULES)
    for name in metrics.MODULES:
        assert metrics.load_metric(name).description


def test_metric_modules_take_batches():
    module = metrics.load_metric("closed_accuracy")
    for row, gold in zip(SCORES, GOLD, strict=True):
        module.add_batch(predictions=[row], references=[gold])
    assert module.compute()["closed_acc"] == 0.5


def test_loading_a_metric_leaves_nothing_in_home_and_takes_no_torch(tmp_path):
    """Torch and transformers take four seconds of which scoring has no use."""
    code = (
        "import sys\n"
        "from titer.evaluation.metrics import load_metric as m\n"
        "print(m('closed_accuracy').compute(predictions=[[1., 0.]], references=[0]))\n"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))\n"
        "import transformers"
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
    assert done.stdout.splitlines()[-1] == "[]"
    assert [*home.rglob("*"), *scratch.rglob("titer-*")] == []

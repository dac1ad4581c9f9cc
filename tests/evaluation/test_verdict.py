"""The rules that decide and every sentence that says it."""

from dataclasses import replace

import pytest

from tests.evaluation.made_up import PLAN
from titer.evaluation import verdict as v
from titer.evaluation.statistics import Interval

PASSED = [v.Gate("items", False, "fine")]
FAILED = [*PASSED, v.Gate("tokenizer", True, "the models differ in their tokenizer")]


def primary(low, high, *, n=200, p=0.001, endpoint="closed_acc", base=0.4, mde80=0.07):
    middle = (low + high) / 2
    return v.Primary(endpoint, n, base, base + middle, Interval(middle, low, high), p, mde80)


@pytest.mark.parametrize(
    ("block", "gates", "expected"),
    [
        (primary(0.02, 0.2), PASSED, "helped"),
        (primary(0.02, 0.2), FAILED, "invalid"),
        (primary(0.02, 0.2, p=0.06), PASSED, "inconclusive"),
        (primary(0.001, 0.04, p=0.06), PASSED, "equivalent"),
        (primary(-0.2, -0.01), PASSED, "hurt"),
        (primary(-0.049, 0.049, p=1), PASSED, "equivalent"),
        (primary(-0.051, 0.049, p=1), PASSED, "inconclusive"),
        (primary(0.2, 0.6, n=49), PASSED, "inconclusive"),
        (primary(0.2, 0.6, n=50), PASSED, "helped"),
        (None, PASSED, "inconclusive"),
        (primary(-0.30, -0.10, endpoint="ref_bpb", base=2.0), PASSED, "helped"),
        (primary(0.10, 0.30, endpoint="ref_bpb", base=2.0), PASSED, "hurt"),
        (primary(-0.09, 0.09, p=1, endpoint="ref_bpb", base=2.0), PASSED, "equivalent"),
        (primary(-0.09, 0.09, p=1, endpoint="ref_bpb", base=1.0), PASSED, "inconclusive"),
        (primary(0, 0, p=1, endpoint="keypoint_recall", base=0), PASSED, "inconclusive"),
        (primary(0, 0, p=1, endpoint="keypoint_recall", base=1), PASSED, "inconclusive"),
        (primary(0, 0, p=1, endpoint="keypoint_recall"), PASSED, "equivalent"),
    ],
)
def test_the_first_rule_that_fits_decides(block, gates, expected):
    assert v.decide(block, gates, PLAN) == expected


EVIDENCE = (
    "40.0 % before, 51.0 % after, difference +11.0 points (95 % interval +2.0 points to "
    "+20.0 points, p = 0.001), 200 facts. It could have missed changes below 7.0 points "
    "(80 % power)."
)


@pytest.mark.parametrize(
    ("verdict", "opening"),
    [
        ("helped", "This checkpoint is better than its base on closed-form accuracy."),
        ("hurt", "This checkpoint is worse than its base on closed-form accuracy."),
        (
            "equivalent",
            "This checkpoint equals its base on closed-form accuracy: any difference is smaller "
            "than 5.0 points.",
        ),
        (
            "inconclusive",
            "Inconclusive: the data show neither a difference on closed-form accuracy nor its "
            "absence.",
        ),
    ],
)
def test_each_verdict_has_its_words_with_interval_n_and_detectable_effect(verdict, opening):
    said = v.sentence(verdict, primary(0.02, 0.2), PASSED, PLAN)
    assert said == f"{opening} {EVIDENCE}"


def test_too_few_items_are_said_to_be_too_few():
    said = v.sentence("inconclusive", primary(0.02, 0.2, n=12, mde80=None), PASSED, PLAN)
    assert said.startswith("Inconclusive (too few items): 12 facts, at least 50 are needed.")
    assert said.endswith("With so few items no change can be found with 80 % power.")
    nothing = v.sentence("inconclusive", None, PASSED, PLAN)
    assert nothing == "Inconclusive (too few items): both models answered no fact."
    open_plan = replace(PLAN, primary="keypoint_recall")
    said = v.sentence("inconclusive", None, PASSED, open_plan)
    assert said == "Inconclusive (too few items): both models answered fewer than two questions."


def test_two_models_without_room_to_differ_are_not_called_equal():
    block = primary(0, 0, p=1, endpoint="keypoint_recall", base=0, mde80=None)
    said = v.sentence(v.decide(block, PASSED, PLAN), block, PASSED, PLAN)
    assert said.startswith("Inconclusive (no room to differ): both models have 0.0 % in every")
    assert said.endswith("no spread, so what it could have missed is not known.")


def test_an_invalid_comparison_names_what_failed_and_gives_no_number():
    said = v.sentence("invalid", primary(0.02, 0.2), FAILED, PLAN)
    assert said == (
        "No conclusion: the comparison is invalid (the models differ in their tokenizer)."
    )


def test_bits_per_byte_are_said_in_their_own_unit():
    block = primary(-0.3, -0.1, endpoint="ref_bpb", base=2.0, p=0.0002, mde80=0.05)
    said = v.sentence("helped", block, PASSED, PLAN)
    assert "2.000 before, 1.800 after, difference -0.200 bits per byte" in said
    assert "p < 0.001), 200 questions." in said


def retention(accuracy, bits, *, measurable=True, kept=(True, True)):
    return v.Retention(200, 0.88, accuracy, measurable, kept[0], bits, kept[1])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            retention(Interval(0, -0.035, 0.035), Interval(1.01, 1.0, 1.02)),
            "General questions: no forgetting beyond the margin of 5 points (+0.0 points, interval "
            "-3.5 points to +3.5 points, 200 items). General texts: no forgetting beyond the "
            "margin of 5 % (bits per byte +1.0 %, interval +0.0 % to +2.0 %).",
        ),
        (
            retention(Interval(-0.2, -0.3, -0.1), Interval(3.9, 3.5, 4.3), kept=(False, False)),
            "General questions: FORGETTING (-20.0 points, interval -30.0 points to -10.0 points, "
            "200 items). General texts: FORGETTING (bits per byte +290.0 %, interval +250.0 % to "
            "+330.0 %).",
        ),
        (
            retention(Interval(0, -0.08, 0.08), Interval(1.0, 0.9, 1.1), kept=(False, False)),
            "General questions: forgetting cannot be ruled out (+0.0 points, interval -8.0 points "
            "to +8.0 points, 200 items). General texts: forgetting cannot be ruled out (bits per "
            "byte +0.0 %, interval -10.0 % to +10.0 %).",
        ),
        (
            retention(Interval(0, -0.03, 0.03), None, measurable=False),
            "General questions: forgetting is not measurable, because the base (88.0 %) is not "
            "above chance (+0.0 points, interval -3.0 points to +3.0 points, 200 items). General "
            "texts: not measured.",
        ),
        (retention(None, None), "General questions: not measured. General texts: not measured."),
    ],
    ids=["kept", "lost", "unclear", "not measurable", "not measured"],
)  # fmt: skip
def test_a_sentence_on_forgetting_always_follows(found, expected):
    assert v.retention_sentence(found, PLAN) == expected

import pytest

from titer.report import words


@pytest.mark.parametrize(
    ("p", "shown"),
    [(3e-7, "< 0.001"), (0.001, "0.001"), (0.0312, "0.031"), (1, "1.000"), (None, "not recorded")],
)
def test_p_values_have_three_decimals(p, shown):
    assert words.p_value(p) == shown


@pytest.mark.parametrize(
    ("delta", "shown"),
    [
        (0.119048, "+11.9"),
        (-0.0004, "+0.0"),
        (0.0, "+0.0"),
        (-0.03, "-3.0"),
        (None, "not recorded"),
    ],
)
def test_points_carry_a_sign_and_never_a_negative_zero(delta, shown):
    assert words.points(delta) == shown


def test_an_interval_reads_from_low_to_high():
    assert words.interval("closed_acc", 0.0569, 0.3404) == "+5.7 to +34.0"
    assert words.interval("ref_bpb", -0.16, -0.06) == "-0.160 to -0.060"


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "x", True])
def test_what_is_no_number_is_not_recorded(value):
    printers = (words.percent, words.count, words.number, words.points, words.duration)
    assert {print_value(value) for print_value in printers} == {words.NOT_RECORDED}


def test_bits_are_not_counted_in_points():
    assert words.size("ref_bpb", 0.04) == "0.040 bits per byte"
    assert words.size("closed_acc", 0.071) == "7.1 points"


def test_a_share_on_its_own_uses_mcnemar_and_recall_a_permutation():
    assert words.paired_test("closed_acc") == "exact McNemar"
    assert words.paired_test("keypoint_recall") == "sign-flip permutation"


def test_the_level_follows_the_plan():
    assert words.level({"plan": {"alpha": 0.1}}) == "90 %"
    assert words.level({}) == "95 %"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(41.7, "41.7 s"), (600, "10.0 min"), (9000, "2.5 h")]
)
def test_durations_take_the_unit_that_suits(seconds, shown):
    assert words.duration(seconds) == shown


def test_the_numbers_line_holds_n_interval_and_both_p_values(stats):
    assert words.numbers_line(stats, "qlora") == (
        "Closed-form accuracy, all test facts: 39.3 % before, 51.2 % after, difference +11.9 points"
        " (95 % interval +7.1 to +16.6), n = 336, p < 0.001, after Holm's correction p < 0.001."
    )

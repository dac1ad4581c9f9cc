import pytest
from lxml import etree

from titer.report import drawing, figures

NAMES = [
    "forest", "relations", "dose", "strip", "keypoints", "retention", "losses", "flow", "years",
    "licences", "recipes", "tokens",
]  # fmt: skip


def test_every_figure_is_drawn_twice_with_the_same_bytes(stats, context):
    first, second = figures.all_of(stats, context), figures.all_of(stats, context)
    assert list(first) == NAMES
    assert first == second


def test_each_figure_is_one_svg_element_with_an_alternative_text(stats, context):
    for picture in figures.all_of(stats, context).values():
        root = etree.fromstring(picture.svg)
        assert root.get("role") == "img"
        assert root.get("aria-label") == picture.alt
        assert root.get("viewBox")
        assert root.get("width") is None
        assert "metadata" not in picture.svg


def test_colours_can_follow_the_page(stats):
    svg = figures.strip(stats).svg
    assert f"var(--up, {drawing.UP})" in svg
    assert f"var(--down, {drawing.DOWN})" in svg


def test_the_forest_tells_its_numbers_in_words(stats):
    alt = figures.forest(stats).alt
    assert "QLoRA, all facts (n = 336): +11.9 points, +7.1 to +16.6" in alt
    assert "Full fine-tune, general (n = 200): -7.5 points, -12.5 to -2.0" in alt
    assert alt.endswith("Grey band: plus or minus 5 points.")


def test_the_strip_counts_each_test_item_once(stats):
    assert figures.outcome_counts(stats, "qlora") == [12, 152, 120, 52]
    stats["items"][0]["part"] = "dev"
    assert sum(figures.outcome_counts(stats, "qlora")) == 335


def test_a_primary_of_key_points_is_not_called_facts(stats):
    for arm in ("qlora", "full"):
        stats["comparisons"][arm]["primary"]["endpoint"] = "keypoint_recall"
    alt = figures.forest(stats).alt
    assert "all facts" not in alt and "QLoRA, key points stated (n = 336)" in alt


def test_a_name_with_dollars_is_no_formula(stats, context):
    for arm in stats["arms"].values():
        arm["by_relation"] = {r"cost \$ $x_$": {"acc": 0.5, "n": 10}}
    shown = etree.fromstring(figures.relations(stats).svg).xpath("string(.)")
    assert r"cost \$ $x $ (n = 10)" in shown


def test_a_primary_in_bits_is_kept_off_the_axis_of_points(stats):
    for arm in ("qlora", "full"):
        stats["comparisons"][arm]["primary"]["endpoint"] = "ref_bpb"
    assert "all facts" not in figures.forest(stats).alt


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_without_data_is_left_out(name):
    assert name not in figures.all_of({}, {})


def test_an_arm_that_did_not_run_is_not_drawn(not_run_stats, context):
    drawn = figures.all_of(not_run_stats, context)
    assert "Full fine-tune" not in drawn["forest"].alt
    assert "dose" not in drawn

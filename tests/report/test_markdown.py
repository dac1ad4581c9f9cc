import re
from itertools import pairwise

import pytest

from titer.report import items, markdown, provenance, tables, verdicts


def test_the_report_agrees_with_its_golden_file(stats, context, agrees_with_golden):
    agrees_with_golden("report.md", markdown.render(stats, context))


def test_the_report_stays_below_250_lines(stats, context):
    assert len(markdown.render(stats, context).splitlines()) < 250


def test_two_renders_are_equal(stats, context):
    assert markdown.render(stats, context) == markdown.render(stats, context)


def test_only_the_cost_section_holds_times(stats, context):
    before = markdown.render(stats, context)
    context["training"]["qlora"]["run"] |= {"peak_memory_mib": 1, "timing": {"loop_s": 1.0}}
    context["papers"]["timing"] = {"fetch_s": 99.0}
    for run in context["benchmark_runs"].values():
        run["timing"] = {"parts": [{"answer_s": 2.5}], "machine": "other"}
    after = markdown.render(stats, context)
    assert before != after
    cost = re.compile(r"## Cost and time\n.*?(?=\n## )", re.S)
    assert cost.sub("", before) == cost.sub("", after)


def test_every_row_of_a_table_has_the_columns_of_its_head(stats, context):
    lines = markdown.render(stats, context).splitlines()
    widths = [len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0 for line in lines]
    for width, following in pairwise(widths):
        assert not (width and following) or width == following


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a|b", "a\\|b"),
        ("<script>", "&lt;script>"),
        ("p < 0.001", "p < 0.001"),
        ("two\nlines", "two lines"),
        ("&amp; and &", "&amp;amp; and &"),
    ],
)
def test_cells_cannot_break_out(text, safe):
    assert markdown.escape(text) == safe


def test_an_arm_that_did_not_run_says_why(not_run_stats, context):
    text = markdown.render(not_run_stats, context)
    assert "Full fine-tune: not run. Reason: needs 130 GiB, the machine has 16." in text


def test_a_changed_plan_is_stamped_at_the_top(invalid_stats, context):
    lines = markdown.render(invalid_stats, context).splitlines()
    assert lines[2].startswith("> PLAN CHANGED AFTER TRAINING")
    assert "QLoRA: INVALID, no conclusion." in lines[6]


def test_long_lists_and_groups_are_counted():
    data = {"items": {f"F{i:03d}": 1 for i in range(40)}, "ids": [str(i) for i in range(9)]}
    summary, (name, pairs) = provenance.groups(data)
    assert summary == ("summary", [("ids", "9 listed")])
    assert (name, len(pairs), pairs[-1]) == ("items", 25, ("further entries", "16"))


def test_empty_scores_still_give_a_report():
    assert "Not recorded." in markdown.render({}, {})


def test_both_pages_say_the_same_of_each_fine_tune(stats, context):
    text = markdown.render(stats, context)
    for verdict in verdicts.of(stats):
        for line in verdict["lines"]:
            assert line in text


@pytest.mark.parametrize(
    ("endpoint", "name", "shown"),
    [
        ("closed_acc", "All test facts", "-1.8"),
        ("keypoint_recall", "Key points stated", "-1.8"),
        ("ref_bpb", "Bits per byte of reference answers (lower is better)",
         "-0.018 bits per byte"),
    ],
)  # fmt: skip
def test_the_price_of_4_bit_is_named_in_its_endpoint_and_unit(stats, endpoint, name, shown):
    for arm in ("qlora", "full"):
        stats["comparisons"][arm]["primary"]["endpoint"] = endpoint
    row = tables.controls(stats).rows[-1]
    assert row[1] == name
    assert row[5] == shown


def test_nothing_compared_could_miss_nothing(stats):
    stats["comparisons"]["qlora"]["primary"] = None
    stats["comparisons"]["full"]["primary"] |= {"low": 0.0, "high": 0.0}
    first, second = items.power(stats)
    assert "nothing could be compared." in first
    assert "the differences have no spread" in second

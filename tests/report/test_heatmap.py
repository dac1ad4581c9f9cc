"""Key points by question and model: the same shares as picture, table and words."""

import re
from typing import Any

from titer.report import heatmap, html


def test_the_picture_has_a_cell_for_every_answer(stats: dict[str, Any]) -> None:
    picture = heatmap.picture(stats)
    assert picture is not None
    shown = re.findall(r">\s*(\d+|\u2013)\s*</text>", picture.svg)
    assert shown == ["0", "50", "0"] * 11


def test_the_words_count_the_answers_that_state_nothing(stats: dict[str, Any]) -> None:
    picture = heatmap.picture(stats)
    assert picture is not None
    assert "QLoRA: 50.0 % on average, no key point in 0 of 11 answers" in picture.alt
    assert "Full fine-tune: 0.0 % on average, no key point in 11 of 11 answers" in picture.alt


def test_the_table_holds_the_numbers(stats: dict[str, Any]) -> None:
    table = heatmap.table(stats)
    assert table.head[3:] == ["Base model", "QLoRA", "Full fine-tune"]
    first = ["Q001", "Systemic lupus erythematosus", "medium", "0.0 %", "50.0 %", "0.0 %"]
    assert table.rows[0] == first
    assert len(table.rows) == 11


def test_an_answer_that_is_missing_is_a_dash_and_no_zero(stats: dict[str, Any]) -> None:
    del stats["answers"][2]["arms"]["full"]
    picture = heatmap.picture(stats)
    assert picture is not None
    assert picture.svg.count("\u2013</text>") == 1
    assert heatmap.table(stats).rows[2][-1] == "not recorded"


def test_a_question_without_key_points_is_left_out(
    stats: dict[str, Any], context: dict[str, Any]
) -> None:
    for arm in stats["answers"][0]["arms"].values():
        arm["recall"] = None
    assert heatmap.table(stats).rows[0][0] == "Q002"
    for answer in stats["answers"]:
        for arm in answer["arms"].values():
            arm["recall"] = None
    assert heatmap.picture(stats) is None
    assert "Numbers by question" not in html.render(stats, context)

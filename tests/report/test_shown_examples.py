"""The base that was shown examples stands in the tables where it ran, and else nowhere."""

import copy
from typing import Any

import pytest

from titer.report import html, markdown, words

NAME = words.ARM_NAMES["base_few_shot"]


@pytest.fixture
def shown(stats: Any) -> Any:
    """Statistics of a run with eval.few_shot."""
    found = copy.deepcopy(dict(stats))
    found["arms"]["base_few_shot"] = copy.deepcopy(found["arms"]["base"])
    return found


def test_it_is_a_row_of_what_was_compared_and_a_column_of_measures(shown, context):
    for page in (markdown.render(shown, context), html.render(shown, context)):
        assert page.count(NAME) >= 2


def test_without_it_no_page_names_it(stats, context):
    for page in (markdown.render(stats, context), html.render(stats, context)):
        assert NAME not in page


def test_it_is_compared_with_no_arm(shown, context):
    rows = [line for line in markdown.render(shown, context).splitlines() if NAME in line]
    row = next(line for line in rows if line.startswith(f"| {NAME} |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:] == ["-"] * (len(cells) - 2)

"""Figures of papers and examples: what they say in words, and how years are grouped."""

from typing import Any

import pytest

from titer.report import paper_figures


def test_years_name_each_source_and_what_has_no_year(context: dict[str, Any]) -> None:
    alt = paper_figures.years(context["papers"]).alt
    assert "2019: pubmed 100, arxiv 6; 2020: none; 2021: pubmed 100; not given: arxiv 10." in alt


@pytest.mark.parametrize(
    ("years", "names"),
    [
        (["2019", "2021"], ["2019", "2020", "2021"]),
        (["1990", "2013"], [str(year) for year in range(1990, 2014)]),
        (["1989", "2013"], [f"{y}–{y % 100 + 1:02d}" for y in range(1988, 2014, 2)]),
        (["1899", "2024"], [f"{y}–{(y + 9) % 100:02d}" for y in range(1890, 2030, 10)]),
        (["not given"], ["not given"]),
        ([], []),
    ],
    ids=["gap", "24 bars", "25 years", "126 years", "unknown", "none"],
)
def test_years_are_grouped_so_that_bars_stay_legible(years: list[str], names: list[str]) -> None:
    grouped = paper_figures.grouped_years({year: {"pubmed": 2} for year in years})
    assert [*grouped] == names
    assert sum(n for found in grouped.values() for n in found.values()) == 2 * len(years)


def test_a_licence_that_is_not_known_has_a_bar(context: dict[str, Any]) -> None:
    picture = paper_figures.licences(context["papers"])
    assert picture.alt == (
        "Licences. papers: not known 200, cc-by 16; rows: not known 800, cc-by 12."
    )
    assert "92.6 % (200)" in picture.svg


def test_a_chosen_recipe_without_rows_is_drawn(context: dict[str, Any]) -> None:
    picture = paper_figures.recipes(context["papers"])
    assert "keywords: 0 train, 0 validation" in picture.alt
    assert ">keywords</text>" in picture.svg


def test_token_lengths_say_what_was_dropped(context: dict[str, Any]) -> None:
    picture = paper_figures.tokens(context)
    assert picture.alt == (
        "Lengths of training rows in tokens. 733 rows: shortest 18, half below 52, nine tenths "
        "below 190, longest 560 (longest allowed: 512); 2 dropped as too long."
    )
    assert "longest allowed</text>" in picture.svg


def test_token_lengths_come_from_the_arm_that_ran(context: dict[str, Any]) -> None:
    context["training"]["qlora"] = {"run": {"status": "not_run", "reason": "x"}}
    assert paper_figures.trained_tokens(context)[0] == "full"


def test_a_figure_of_many_years_stays_small(context: dict[str, Any]) -> None:
    years = {str(y): {"pubmed": y % 7, "arxiv": y % 3, "own": 1} for y in range(1950, 2025)}
    assert len(paper_figures.years({"papers_by_year": years}).svg) < 40_000

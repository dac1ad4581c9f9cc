"""Caps keep training examples in balance, and whatever they drop is listed."""

import logging
from collections import Counter

import pytest

from tests.examples.papers import make_example, make_paper, make_settings
from titer.examples.build import build
from titer.examples.caps import cap
from titer.records import Example

PAPERS = {
    f"pmid:{n}": make_paper(n, journal="Lancet" if n % 3 else "gut", pub_date=f"20{n:02d}-05")
    for n in range(1, 31)
} | {"pmid:99": make_paper(99, journal=None, pub_date=None)}


def rows(**n_by_recipe: int) -> list[Example]:
    return [
        make_example(
            "Why?", f"{n}.", id=f"{recipe}{n}", recipe=recipe, paper_id=f"pmid:{n % 30 + 1}"
        )
        for recipe, count in n_by_recipe.items()
        for n in range(count)
    ]


def test_no_limit_keeps_everything() -> None:
    made = rows(conclusion=40, summarise=5)
    kept, dropped = cap(made, PAPERS, make_settings())
    assert (len(kept), dropped) == (45, [])


def test_a_journal_keeps_its_limit_whatever_the_case_of_its_name() -> None:
    kept, dropped = cap(rows(conclusion=30), PAPERS, make_settings(per_journal=4))
    assert Counter(PAPERS[row.paper_id].journal for row in kept) == {"Lancet": 4, "gut": 4}
    assert {(leak.rule, leak.item_id, leak.matched) for leak in dropped} == {
        ("cap:journal", "lancet", "more than 4"), ("cap:journal", "gut", "more than 4"),
    }  # fmt: skip
    assert len(kept) + len(dropped) == 30


def test_a_year_keeps_its_limit() -> None:
    kept, dropped = cap(rows(conclusion=60), PAPERS, make_settings(per_year=1))
    assert len(kept) == 30 and {leak.rule for leak in dropped} == {"cap:year"}


def test_rows_without_journal_year_or_paper_are_not_limited_by_them() -> None:
    made = [
        make_example("Why?", "So.", id=f"e{n}", paper_id=paper)
        for n, paper in enumerate(["pmid:99", "pmid:99", "own:a", "own:a"])
    ]
    kept, dropped = cap(made, PAPERS, make_settings(per_journal=1, per_year=1))
    assert (len(kept), dropped) == (4, [])


@pytest.mark.parametrize(
    ("share", "counts"),
    [(0.5, {"a": 60, "b": 40, "c": 20}), (0.4, {"a": 40, "b": 40, "c": 20}),
     (0.34, {"a": 21, "b": 21, "c": 20}), (1.0, {"a": 100, "b": 40, "c": 20})],
)  # fmt: skip
def test_no_recipe_has_more_than_its_share_of_what_stays(
    share: float, counts: dict[str, int]
) -> None:
    kept, dropped = cap(rows(a=100, b=40, c=20), PAPERS, make_settings(recipe_share=share))
    assert Counter(row.recipe for row in kept) == counts
    assert len(kept) + len(dropped) == 160


def test_too_few_recipes_for_a_share_are_made_equal_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        kept, _ = cap(rows(a=9, b=3), PAPERS, make_settings(recipe_share=0.1))
    assert Counter(row.recipe for row in kept) == {"a": 3, "b": 3}
    assert "only 2 recipes gave training examples" in caplog.text
    assert len(cap(rows(a=9), PAPERS, make_settings(recipe_share=0.1))[0]) == 9


def test_what_stays_depends_on_the_seed_and_not_on_the_order() -> None:
    made = rows(conclusion=30, summarise=30)

    def kept(order: list[Example], seed: int) -> list[str]:
        limits = make_settings(seed=seed, per_journal=9, per_year=1, recipe_share=0.6)
        return [row.id for row in cap(order, PAPERS, limits)[0]]

    assert kept(made, 7) == kept(made[::-1], 7) == sorted(kept(made, 7))
    assert kept(made, 7) != kept(made, 8)


def test_build_caps_training_rows_only_and_lists_what_it_drops() -> None:
    papers = [make_paper(n, journal="Gut") for n in range(1, 41)]
    free, capped = (
        build(papers, make_settings(), []),
        build(papers, make_settings(per_journal=9), []),
    )
    assert len(capped.train) == 9 and capped.validation == free.validation
    assert capped.counts["capped"] == {"cap:journal": len(free.train) - 9}
    assert {row["rule"] for row in capped.removed} == {"cap:journal"}
    assert len(capped.removed) == len(free.train) - 9
    assert free.counts["capped"] == {}

"""Recipes turn a paper into examples whose answers are spans of it."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples.papers import LONG, make_paper, section
from titer import config
from titer.errors import DataError
from titer.examples.recipes import (
    MAX_BODY_WORDS,
    RECIPES,
    paper_examples,
    rebuild_answer,
    title_text,
)
from titer.records import Example, Paper

UNSTRUCTURED = make_paper(
    title="[Lantern fever on the northern shore.].",
    sections=[section("", f"{LONG} {LONG}")],
    keywords=["lamp keepers", "dry cough", "cough", "sea"],
    mesh=[{"ui": "D1", "name": "Harbour", "major": True}, {"ui": "D2", "name": "shore"}],
)


def made(paper: Paper, *recipes: str, per_paper: int = 99, seed: int = 7) -> list[Example]:
    return paper_examples(paper, recipes=recipes or list(RECIPES), per_paper=per_paper, seed=seed)


def test_the_recipes_are_those_that_the_settings_know() -> None:
    assert set(RECIPES) == set(config.RECIPES)


@pytest.mark.parametrize("paper", [make_paper(), UNSTRUCTURED], ids=["structured", "unstructured"])
def test_every_answer_is_rebuilt_from_its_spans(paper: Paper) -> None:
    examples = made(paper)
    assert examples
    assert all(rebuild_answer(example, paper) == example.answer for example in examples)


def test_fact_question_asks_closed_book() -> None:
    example = made(make_paper(3), "fact_question")[0]
    assert example.prompt == "What is the usual remedy for lantern fever?"
    assert example.answer == "salve number3"


def test_conclusion_shows_the_study_without_its_conclusion() -> None:
    example = made(make_paper(), "conclusion")[0]
    assert "Does salt water 1 cure lantern fever?" in example.prompt
    assert "Methods: We gave 1 keepers" in example.prompt
    assert example.answer == "Salt water 1 is of no use to keepers."
    assert example.answer not in example.prompt


def test_conclusion_asks_for_it_where_the_title_is_no_question() -> None:
    paper = make_paper(title="Salt water against lantern fever.")
    example = made(paper, "conclusion")[0]
    assert "lantern fever." not in example.prompt.split("\n\n")[0]
    assert example.answer == "Salt water 1 is of no use to keepers."


def test_closed_book_conclusion_asks_the_title_alone() -> None:
    assert made(make_paper(), "closed_book_conclusion")[0].prompt == make_paper().title
    assert made(make_paper(title="Salt water."), "closed_book_conclusion") == []


def test_section_question_asks_each_category_by_the_title() -> None:
    paper = make_paper()
    examples = made(paper, "section_question")
    assert all(paper.title in example.prompt for example in examples)
    answers = {example.answer for example in examples}
    assert answers == {part["text"] for part in paper.sections[:4]}


def test_sections_of_one_category_make_one_answer() -> None:
    parts = [section("DESIGN", " A walk along the shore. "), section("SETTING", "One harbour.")]
    example = made(make_paper(sections=parts), "section_question")[0]
    assert example.answer == "A walk along the shore. One harbour."
    assert example.spans == [[0, 1, 24], [1, 0, 12]]


BODY = [
    section("Introduction", f"{LONG} The usual name of lantern fever is lamp itch."),
    section("Methods", "We held the lamps in the left hand."),
]


def test_fact_question_reads_the_full_text_after_the_abstract() -> None:
    examples = made(make_paper(body=BODY), "fact_question")
    assert [example.spans[0][0] for example in examples] == [3, 5]
    assert examples[1].answer == "lamp itch"


def test_section_question_takes_from_the_full_text_what_the_abstract_lacks() -> None:
    paper = make_paper(sections=[section("", LONG)], body=BODY)
    answers = {example.answer: example for example in made(paper, "section_question")}
    assert set(answers) == {part["text"] for part in BODY}
    example = answers[BODY[1]["text"]]
    assert example.spans == [[2, 0, 35]]
    assert rebuild_answer(example, paper) == example.answer


def test_section_question_prefers_the_abstract_to_the_full_text() -> None:
    assert made(make_paper(body=BODY), "section_question") == made(make_paper(), "section_question")


def test_section_question_gives_a_long_section_of_the_full_text_whole_or_not_at_all() -> None:
    body = [*BODY, section("Materials", "word " * MAX_BODY_WORDS)]
    paper = make_paper(sections=[section("", LONG)], body=body)
    assert [example.answer for example in made(paper, "section_question")] == [BODY[0]["text"]]


def test_wordings_differ_between_papers_and_stay_with_the_seed() -> None:
    def wording(number: int, seed: int) -> str:
        paper = make_paper(number, title="Same title")
        return made(paper, "conclusion", seed=seed)[0].prompt.split("\n\n")[0]

    first = [wording(number, 7) for number in range(30)]
    assert len(set(first)) > 1
    assert first == [wording(number, 7) for number in range(30)]
    assert first != [wording(number, 8) for number in range(30)]


def test_summarise_gives_the_title_of_an_unstructured_abstract() -> None:
    example = made(UNSTRUCTURED, "summarise")[0]
    assert example.answer == "Lantern fever on the northern shore"
    assert LONG in example.prompt


def test_summarise_leaves_short_abstracts_alone() -> None:
    assert made(make_paper(sections=[section("", LONG)]), "summarise") == []


def test_keywords_are_those_that_stand_in_the_abstract() -> None:
    example = made(UNSTRUCTURED, "keywords")[0]
    assert example.answer == "lamp keepers, dry cough, harbour"
    assert made(dataclasses.replace(UNSTRUCTURED, mesh=[]), "keywords") == []


def test_the_order_of_the_recipes_decides_what_is_kept() -> None:
    paper = make_paper()
    kept = made(paper, "section_question", "conclusion", per_paper=3)
    assert [example.recipe for example in kept] == ["section_question"] * 3
    kept = made(paper, "conclusion", "section_question", per_paper=3)
    assert [example.recipe for example in kept] == ["conclusion"] + ["section_question"] * 2


def test_fact_questions_leave_one_place_to_the_others() -> None:
    facts = " ".join(f"Fever{n} is caused by oil{n}." for n in range(9))
    paper = make_paper(sections=[section("", facts), section("CONCLUSION", "No use.")])
    mixed = [example.recipe for example in made(paper, per_paper=4)]
    assert mixed == ["fact_question"] * 3 + ["conclusion"]
    assert len(made(paper, "fact_question", per_paper=4)) == 4


def test_an_example_says_where_it_comes_from() -> None:
    example = made(make_paper(synthetic=True, cluster_id="pmid:9"), "conclusion")[0]
    assert (example.paper_id, example.cluster_id, example.license) == (
        "pmid:1", "pmid:9", "CC-BY-4.0",
    )  # fmt: skip
    assert example.synthetic and example.spans == [[4, 0, 37]] and len(example.id) == 16


def test_ids_of_all_examples_differ() -> None:
    ids = [example.id for number in range(5) for example in made(make_paper(number))]
    assert len(ids) == len(set(ids))


def test_a_changed_paper_is_noticed_when_an_answer_is_rebuilt() -> None:
    example = made(make_paper(), "conclusion")[0]
    with pytest.raises(DataError, match=r"spans \[\[4, 0, 37\]\] lie outside pmid:1"):
        rebuild_answer(example, make_paper(sections=[]))


def test_a_title_loses_brackets_and_full_stop() -> None:
    assert title_text(UNSTRUCTURED) == "Lantern fever on the northern shore"
    assert title_text(make_paper(title="")) == ""


TEXT = st.lists(
    st.sampled_from(["The marker of", "fever", "is", "anti-Sm.", "It", "[", "]", "?", "é", " "]),
    max_size=40,
).map(" ".join)
LABELS = st.sampled_from(["", "METHODS", "Conclusion", "FUNDING", "results"])


@settings(max_examples=150, deadline=None)
@given(TEXT, st.lists(st.tuples(LABELS, TEXT), max_size=5), st.integers(1, 6))
def test_any_paper_gives_answers_that_are_its_spans(
    title: str, parts: list[tuple[str, str]], per_paper: int
) -> None:
    sections = [section(label, text) for label, text in parts]
    paper = make_paper(title=title, sections=sections, keywords=["fever", "is", "é", "marker"])
    examples = made(paper, per_paper=per_paper)
    assert len(examples) <= per_paper
    for example in examples:
        assert example.answer.strip() and rebuild_answer(example, paper) == example.answer

"""Recipes turn a paper into examples whose answers are spans of it."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples.papers import LONG, make_paper, section
from titer import config
from titer.errors import DataError
from titer.examples.recipes import RECIPES, paper_examples, rebuild_answer
from titer.examples.spans import MAX_ANSWER_WORDS, title_text
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
    body = [*BODY, section("Materials", "Salt " * MAX_ANSWER_WORDS)]
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


def test_methods_under_several_labels_are_asked_for_as_notes() -> None:
    parts = [section("DESIGN", "Cohort study."), section("SETTING", "Five harbours of one shore.")]
    example = made(make_paper(sections=parts), "section_question")[0]
    assert example.prompt.lower().count("note") == 1
    assert example.answer == "Cohort study. Five harbours of one shore."


def test_a_closed_book_prompt_explains_what_the_answer_abbreviates() -> None:
    parts = [
        section("RESULTS", "Of all, acute lamp cough (ALC) was rare."),
        section("CONCLUSIONS", "Salt water is of use against ALC."),
    ]
    example = made(make_paper(sections=parts), "closed_book_conclusion")[0]
    assert example.prompt.endswith("fever?\n\nAbbreviations: ALC, acute lamp cough.")


def test_a_closed_book_answer_that_needs_a_glossary_is_left_out() -> None:
    names = [
        "Acute Lamp Cough",
        "Bare Lamp Cough",
        "Cold Lamp Cough",
        "Deep Lamp Cough",
        "Eye Lamp Cough",
    ]
    short = ["ALC", "BLC", "CLC", "DLC", "ELC"]
    text = " ".join(f"It was {long} ({name})." for long, name in zip(names, short, strict=True))
    for n, drafts in ((4, 1), (5, 0)):
        end = section("CONCLUSIONS", f"Seen were {', '.join(short[:n])}.")
        paper = make_paper(sections=[section("RESULTS", text), end])
        assert len(made(paper, "closed_book_conclusion")) == drafts


def test_a_closed_book_answer_does_not_begin_midway() -> None:
    parts = [*make_paper().sections[:4], section("CONCLUSIONS", "However, it is of no use to us.")]
    assert made(make_paper(sections=parts), "closed_book_conclusion") == []


@pytest.mark.parametrize(
    "text", ["Salt water helped 77 keepers.", "Ships sink faster beneath stormy skies."],
    ids=["number", "words"],
)  # fmt: skip
def test_a_conclusion_that_does_not_follow_from_the_study_is_no_answer_to_it(text: str) -> None:
    study = [section("METHODS", LONG), *make_paper().sections[:4]]
    paper = make_paper(sections=[*study, section("CONCLUSIONS", text)])
    assert made(paper, "conclusion") == []
    (example,) = made(paper, "summarise")
    assert example.answer == paper.title and text in example.prompt


def test_a_subtitle_behind_the_question_mark_is_not_asked() -> None:
    paper = make_paper(title="Does salt water cure lantern fever? A randomised trial.")
    example = made(paper, "closed_book_conclusion")[0]
    assert example.prompt == "Does salt water cure lantern fever?"


@pytest.mark.parametrize("title", ["DOES SALT WATER CURE FEVER?", "Why salt?"])
def test_a_title_that_shouts_or_is_short_is_not_asked(title: str) -> None:
    assert made(make_paper(title=title), "closed_book_conclusion") == []


def test_a_title_that_asks_sums_up_nothing() -> None:
    asking = "Does salt water help on the northern shore?"
    papers = [
        dataclasses.replace(UNSTRUCTURED, title=asking, paper_id=f"pmid:{n}") for n in range(20)
    ]
    assert not any("Sum up" in made(paper, "summarise")[0].prompt for paper in papers)


def test_inference_gives_what_goes_on_with_therefore() -> None:
    premise = "Salt water had no effect on cough, on fever or on itching of the left hand."
    end = "Therefore, salt water has no place against cough and fever."
    paper = make_paper(sections=[section("CONCLUSIONS", f"{premise} {end}")])
    (example,) = made(paper, "inference")
    assert premise in example.prompt and example.answer == end


def test_cloze_leaves_out_a_key_term_that_the_study_holds() -> None:
    paper = make_paper(keywords=["salt water", "keepers", "adult"])
    (example,) = made(paper, "cloze")
    assert "____ 1 is of no use to keepers." in example.prompt
    assert example.answer == "Salt water"


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


def test_what_every_record_is_tagged_with_is_no_keyword() -> None:
    text = section("", f"{LONG} Adult men of low incidence. {LONG}")
    tags = ["adult", "Men", "Incidence", "lamp keepers", "dry cough"]
    assert made(make_paper(sections=[text], keywords=tags), "keywords") == []


def test_the_order_of_the_recipes_decides_what_is_kept() -> None:
    paper = make_paper()
    kept = made(paper, "section_question", "conclusion", per_paper=3)
    assert [example.recipe for example in kept] == ["section_question"] * 3
    kept = made(paper, "conclusion", "section_question", per_paper=3)
    assert [example.recipe for example in kept] == ["conclusion"] + ["section_question"] * 2


def test_fact_questions_leave_one_place_to_the_others() -> None:
    facts = " ".join(f"Fever{n} is caused by oil{n}." for n in range(12))
    paper = make_paper(sections=[section("", facts), section("CONCLUSION", "Oil1 is a cause.")])
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
        text = rebuild_answer(example, paper)
        assert text.strip() and example.answer.removeprefix("Yes. ").removeprefix("No. ") == text

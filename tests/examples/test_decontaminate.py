"""Each rule of the contamination gate finds what it is for, and only that."""

import time
from collections.abc import Sequence

import pytest

from tests.examples.papers import item, make_example, make_paper
from titer.examples.decontaminate import Leak, find_leaks
from titer.examples.wordings import ALL
from titer.records import BenchmarkText, Example, Paper

QUESTION = "Which lamp oil do the keepers of the northern harbour burn in winter?"
ANSWER = "They burn oil of whales that were caught before the ice closed the harbour."


def leaks(
    example: Example, items: Sequence[BenchmarkText], papers: Sequence[Paper] = ()
) -> list[Leak]:
    return find_leaks([example], {paper.paper_id: paper for paper in papers}, items)


def rules(example: Example, *items: BenchmarkText, papers: Sequence[Paper] = ()) -> str:
    return "".join(leak.rule for leak in leaks(example, items, papers))


PLAIN = make_example("Why does the lamp smoke?", "The wick is long.")


@pytest.mark.parametrize(
    ("given", "paper"),
    [
        ("1", {}),
        ("PMID: 1", {}),
        ("https://doi.org/10.1000/ABC", {"doi": "10.1000/abc"}),
        ("10.48550/arXiv.2401.00001", {"arxiv_id": "2401.00001"}),
        ("arXiv:2401.00001v2", {"doi": "10.48550/arXiv.2401.00001"}),
    ],
)
def test_rule_a_finds_a_paper_by_any_of_its_ids(given: str, paper: dict[str, str]) -> None:
    papers = [make_paper(1, **paper)]
    assert rules(PLAIN, item("Other?", ids=frozenset({given})), papers=papers) == "A"


def test_rule_a_finds_a_paper_through_its_duplicate() -> None:
    papers = [make_paper(1), make_paper(2, cluster_id="pmid:1")]
    assert rules(PLAIN, item("Other?", ids=frozenset({"2"})), papers=papers) == "A"


@pytest.mark.parametrize(
    "question",
    [
        "Does salt water cure lantern fever?",
        "Salt water cures lantern fever",
        "SALT WATER does not cure: lantern fever?",
    ],
)
def test_rule_b_finds_a_title_in_question_and_statement_form(question: str) -> None:
    example = make_example("Why?", "So.", title="Salt water cured lantern fever.")
    assert rules(example, item(question)) == "B"


def test_rule_b_finds_the_title_of_a_duplicate() -> None:
    papers = [make_paper(1), make_paper(2, cluster_id="pmid:1", title=QUESTION)]
    assert rules(PLAIN, item(QUESTION), papers=papers) == "B"


def test_rule_c_finds_eight_words_across_lines_and_names_the_longest_stretch() -> None:
    text = "Once\nthe KEEPERS of the northern\nharbour (burn) in winter, nobody knows."
    found = leaks(make_example("Why?", text), [item(QUESTION, ANSWER)])
    assert [(leak.rule, leak.matched) for leak in found] == [
        ("C", "the keepers of the northern harbour burn in winter")
    ]


def test_rule_c_finds_a_copied_gold_answer() -> None:
    assert rules(make_example("Why?", ANSWER), item(QUESTION, ANSWER, "closed")) == "C"


def test_seven_words_are_no_leak() -> None:
    text = "the keepers of the northern harbour burn wood"
    assert rules(make_example("Why?", text), item(QUESTION, ANSWER)) == ""


def test_a_short_gold_answer_is_no_leak() -> None:
    assert rules(make_example("Why?", "anti-Sm"), item(QUESTION, "anti-Sm", "closed")) == ""


BOILERPLATE = "in the keepers of the northern harbour burn in winter"


def crowd(n: int) -> list[Paper]:
    texts = [{"label": "", "category": "", "text": BOILERPLATE}]
    return [make_paper(number, sections=texts) for number in range(100, 100 + n)]


def test_words_of_many_papers_are_forgiven_to_a_closed_question() -> None:
    example, closed = make_example("Why?", BOILERPLATE), item(QUESTION, "oil", "closed")
    assert rules(example, closed, papers=crowd(20)) == "C"
    assert rules(example, closed, papers=crowd(21)) == ""


def test_repeated_rows_of_one_cluster_are_not_many_papers() -> None:
    papers = crowd(30)
    for paper in papers:
        paper.cluster_id = "pmid:100"
    example = make_example("Why?", BOILERPLATE)
    assert rules(example, item(QUESTION, "oil", "closed"), papers=papers) == "C"


@pytest.mark.parametrize("kind", ["open", "safety"])
def test_nothing_is_forgiven_to_an_open_question(kind: str) -> None:
    example = make_example("Why?", BOILERPLATE)
    assert rules(example, item(QUESTION, ANSWER, kind), papers=crowd(30)) == "C"


def test_nothing_is_forgiven_to_a_gold_answer() -> None:
    closed = item("Who burns?", BOILERPLATE, "closed")
    assert rules(make_example("Why?", BOILERPLATE), closed, papers=crowd(30)) == "C"


def test_nothing_is_forgiven_to_a_users_own_rows() -> None:
    example = make_example("Why?", BOILERPLATE, source="own", paper_id="mine", cluster_id="mine")
    assert rules(example, item(QUESTION, "oil", "closed"), papers=crowd(30)) == "C"


def test_a_user_who_feeds_the_benchmark_is_found() -> None:
    example = make_example(QUESTION, ANSWER, source="own", paper_id="mine.jsonl", title="")
    assert rules(example, item(QUESTION, ANSWER)) == "C"
    short = make_example("What is lantern fever?", "An illness.", source="own", title="")
    assert rules(short, item("What is lantern fever?", "An illness of keepers.")) == "D"


@pytest.mark.parametrize(
    "prompt",
    [
        "Tell me: which lamp do the keepers burn? I need it.",
        "Read on.\nDo the keepers burn which lamp\nThank you.",
        "Which lamp do keepers burn?",
    ],
    ids=["contained", "other order", "one word less"],
)
def test_rule_d_finds_a_short_question(prompt: str) -> None:
    assert rules(make_example(prompt, "Oil."), item("Which lamp do the keepers burn?")) == "D"


def test_rule_d_lets_another_short_question_pass() -> None:
    asked = item("Which lamp do the keepers burn?")
    assert rules(make_example("Which wood do the sailors burn?", "Oak."), asked) == ""


def test_boilerplate_does_not_hide_a_short_question() -> None:
    asked = item("in the keepers of the northern", "harbour burn in winter", "closed")
    example = make_example(BOILERPLATE, "Oil.")
    assert rules(example, asked, papers=crowd(30)) == "D"


def test_an_item_is_reported_once_under_the_first_rule() -> None:
    example = make_example(QUESTION, ANSWER, title=QUESTION)
    asked = item(QUESTION, ANSWER, ids=frozenset({"1"}))
    assert rules(example, asked) == "A"


def test_no_wording_of_a_recipe_matches_a_real_question_of_the_benchmark(
    benchmark_questions: list[BenchmarkText],
) -> None:
    filled = [wording.replace("{title}", "X").replace("{text}", "Y") for wording in ALL]
    found = find_leaks([make_example(text, "") for text in filled], {}, benchmark_questions)
    assert found == []


def test_thousands_of_items_and_examples_take_seconds() -> None:
    items = [
        item(
            f"Which oil number {n} do keepers burn in harbour {n}?", f"oil {n}", "closed", id=str(n)
        )
        for n in range(4000)
    ]
    items += [item(f"Which lamp hangs there {n}?", "x", "closed", id=f"s{n}") for n in range(2000)]
    filler = " ".join(f"Word{n} stands here." for n in range(80))
    examples = [make_example(f"{filler} Case {n}.", filler, id=str(n)) for n in range(3000)]
    start = time.process_time()
    assert find_leaks(examples, {}, items) == []
    assert time.process_time() - start < 5

"""Real structured abstracts give the examples that they should; skipped where they are absent."""

import json
import re
from collections import Counter

import pytest

from tests.examples.papers import section
from tests.imports import ROOT
from titer.config import RECIPES as NAMES
from titer.examples.abbreviations import unexplained
from titer.examples.decontaminate import find_leaks
from titer.examples.recipes import SPAN_RECIPES, paper_examples, rebuild_answer
from titer.examples.sections import unassigned_labels
from titer.examples.tidy import tidied
from titer.records import BenchmarkText, Example, Paper

REAL = ROOT.parent / "shared" / "real" / "pubmedqa_labeled.json"
pytestmark = pytest.mark.skipif(not REAL.is_file(), reason="no local copy of PubMedQA")


def paper(pmid: str, row: dict[str, list[str] | str]) -> Paper:
    parts = [section(*pair) for pair in zip(row["LABELS"], row["CONTEXTS"], strict=True)]
    return Paper(
        paper_id=f"pmid:{pmid}", source="pubmed", pmid=pmid, title=str(row["QUESTION"]),
        sections=[*parts, section("", str(row["LONG_ANSWER"]), "CONCLUSIONS")],
        mesh=[{"ui": "", "name": name, "major": True} for name in row["MESHES"]],
        pub_date=str(row["YEAR"]), cluster_id=f"pmid:{pmid}",
    )  # fmt: skip


@pytest.fixture(scope="module")
def papers() -> list[Paper]:
    rows = json.loads(REAL.read_text(encoding="utf-8"))
    return [paper(pmid, row) for pmid, row in sorted(rows.items())]


@pytest.fixture(scope="module")
def examples(papers: list[Paper]) -> list[Example]:
    return [
        example
        for paper in papers
        for example in paper_examples(paper, recipes=NAMES, per_paper=99, seed=7)
    ]


def test_nearly_every_paper_yields_each_recipe_of_structured_abstracts(
    papers: list[Paper], examples: list[Example]
) -> None:
    yields = Counter(recipe for recipe, _ in {(row.recipe, row.paper_id) for row in examples})
    shares = {name: round(yields[name] / len(papers), 3) for name in NAMES}
    print(f"share of {len(papers)} real papers per recipe: {shares}")
    for name in ("closed_book_conclusion", "section_question", "summarise"):
        assert shares[name] > 0.97, shares
    # the others hold a number or words that the rest of the abstract does not
    assert 0.9 < shares["conclusion"] < 0.97
    assert shares["keywords"] > 0.2
    assert shares["cloze"] > 0.4
    assert 4 < len(examples) / len(papers) < 8


def test_every_real_answer_is_rebuilt_from_its_spans(
    papers: list[Paper], examples: list[Example]
) -> None:
    by_id = {paper.paper_id: paper for paper in papers}
    assert {row.recipe for row in examples} == SPAN_RECIPES
    assert all(rebuild_answer(row, by_id[row.paper_id]) == row.answer for row in examples)


def test_real_answers_hold_no_markup_and_no_control_tokens(examples: list[Example]) -> None:
    unwanted = re.compile(r"<\||\|>|</?(?:think|i|b|sup|sub|s)>|\[/?INST\]")
    assert [row.id for row in examples if unwanted.search(row.answer)] == []


def test_real_answers_of_conclusions_end_as_sentences_and_call_for_nothing(
    examples: list[Example],
) -> None:
    rows = [row for row in examples if row.recipe in ("conclusion", "closed_book_conclusion")]
    assert [row.answer[-30:] for row in rows if not re.search(r"[.?!][)\]\"']*$", row.answer)] == []
    assert all(tidied(row.answer, concludes=True) == (0, len(row.answer)) for row in rows)
    calls = re.compile(
        r"(?:^|\. )(?:further|additional|more) (?:\w+ )?(?:studies|research)\b.*$", re.I
    )
    assert sum(bool(calls.search(row.answer)) for row in rows) < 0.02 * len(rows)


def test_real_closed_book_answers_use_no_abbreviation_that_only_the_abstract_explains(
    papers: list[Paper], examples: list[Example]
) -> None:
    by_id = {paper.paper_id: paper for paper in papers}
    rows = [row for row in examples if row.recipe in ("closed_book_conclusion", "section_question")]
    assert not any(unexplained(by_id[row.paper_id], row.prompt, row.answer) for row in rows)
    assert sum("Abbreviations: " in row.prompt for row in rows) > 100


def test_few_real_labels_say_nothing(papers: list[Paper]) -> None:
    n_sections = sum(len(paper.sections) for paper in papers)
    assert sum(unassigned_labels(papers).values()) < 0.02 * n_sections


def test_real_papers_asked_by_their_own_question_are_all_found(
    papers: list[Paper], examples: list[Example]
) -> None:
    asked = [
        BenchmarkText(paper.paper_id, paper.title, paper.sections[-1]["text"], "open")
        for paper in papers[:50]
    ]
    by_id = {paper.paper_id: paper for paper in papers}
    own = {row.id for row in examples if row.paper_id in {text.id for text in asked}}
    found = find_leaks(examples, by_id, asked)
    assert {leak.example_id for leak in found} >= own
    # the titles alone find the papers, without an id and without eight words in a row
    assert {leak.rule for leak in found if leak.example_id in own} == {"B"}
    assert len({leak.example_id for leak in found} - own) <= 5

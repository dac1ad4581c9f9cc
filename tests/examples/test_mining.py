"""Mined questions are made of the sentence's own words, their answers are spans."""

import csv
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imports import ROOT
from titer.examples.mining import mine

BENCHMARKS = sorted(path.parent for path in (ROOT / "data" / "benchmark").glob("*/facts.csv"))

MINED = {
    "P1 of": (
        "The main marker of lantern fever is anti-Sm.",
        ("What is the main marker of lantern fever?", "anti-Sm"),
    ),
    "P1 for, article kept": (
        "The usual remedy for lantern fever is the blue salve.",
        ("What is the usual remedy for lantern fever?", "the blue salve"),
    ),
    "P1 plural": (
        "The target cells in lantern fever are mast cells.",
        ("What are the target cells in lantern fever?", "mast cells"),
    ),
    "P2 keeps the capital of the span": (
        "Blue salve is the remedy of choice for lantern fever.",
        ("What is the remedy of choice for lantern fever?", "Blue salve"),
    ),
    "P2 with a name": (
        "HLA-B*27:05 is the strongest factor in Still disease.",
        ("What is the strongest factor in Still disease?", "HLA-B*27:05"),
    ),
    "P3 by": (
        "Still disease is usually caused by lamp oil.",
        ("What is Still disease usually caused by?", "lamp oil"),
    ),
    "P3 to": (
        "The fever is linked to anti-alpha3(IV) antibody.",
        ("What is the fever linked to?", "anti-alpha3(IV) antibody"),
    ),
    "P3 followed up": (
        "Still disease is followed up for deafness.",
        ("What is Still disease followed up for?", "deafness"),
    ),
    "an opening is left out": (
        "In conclusion, we found that the only cure of lantern fever is rest at home.",
        ("What is the only cure of lantern fever?", "rest at home"),
    ),
    "an enumeration is one answer": (
        "Lantern fever is accompanied by cough, itching and sneezing.",
        ("What is Lantern fever accompanied by?", "cough, itching and sneezing"),
    ),
}

REJECTED = {
    "pronoun as subject": "It is caused by lamp oil.",
    "determiner as subject": "These patients are treated with salve.",
    "determiner inside": "The marker of this fever is anti-Sm.",
    "back reference": "The marker of the disease is anti-Sm.",
    "only patients": "The remedy for patients is salve.",
    "pronoun as answer": "Lantern fever is caused by this oil.",
    "digits only": "The prevalence of lantern fever is 0.05.",
    "duration": "Lantern fever is treated for 6 weeks.",
    "adjective": "The cause of lantern fever is unknown.",
    "comparative": "The risk of lantern fever is higher in autumn.",
    "still": "The cause of lantern fever is still unknown.",
    "adverb": "The cause of lantern fever is probably lamp oil.",
    "purpose": "The aim of the study is a cure.",
    "vague noun": "The majority of keepers is male.",
    "clause as subject": "The harbour in which lantern fever rages is Whitby.",
    "clause as answer": "Lantern fever is caused by oil that burns.",
    "negated": "Lantern fever is not caused by lamp oil.",
    "past tense": "The marker of lantern fever was anti-Sm.",
    "suggested only": "These data suggest that the marker of lantern fever is anti-Sm.",
    "of the study": "The two groups are treated with salve.",
    "figures": "The marker of lantern fever is anti-Sm (p = 0.03).",
    "to with a verb": "Lantern fever is expected to vanish soon.",
    "long answer": "Lantern fever is caused by one two three four five six seven eight nine.",
    "long subject": "The sign of a b c d e f g h i j k is fever.",
    "two sentences in one": "The marker of fever is e.g. Sm. anti-Ro",
    "question": "The marker of lantern fever is anti-Sm?",
}


@pytest.mark.parametrize(("sentence", "expected"), MINED.values(), ids=MINED.keys())
def test_a_plain_sentence_gives_a_question(sentence: str, expected: tuple[str, str]) -> None:
    text = f"We looked. {sentence} Nothing else."
    assert [(m.question, text[m.start : m.end]) for m in mine(text)] == [expected]


@pytest.mark.parametrize("sentence", REJECTED.values(), ids=REJECTED.keys())
def test_a_doubtful_sentence_gives_nothing(sentence: str) -> None:
    assert mine(sentence) == []


def test_a_capital_goes_where_the_paper_writes_the_word_small() -> None:
    sentence = "Lantern fever is caused by lamp oil."
    assert mine(sentence)[0].question == "What is Lantern fever caused by?"
    small = mine(sentence, context="Keepers fear lantern fever.")
    assert small[0].question == "What is lantern fever caused by?"


def test_each_sentence_gives_its_own_question() -> None:
    text = "Still disease is caused by oil. The marker of Still disease is anti-Sm."
    assert [text[m.start : m.end] for m in mine(text)] == ["oil", "anti-Sm"]


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda path: path.name)
def test_every_statement_of_the_fact_table_is_mined(benchmark: Path) -> None:
    wordings = yaml.safe_load((benchmark / "templates.yaml").read_text(encoding="utf-8"))
    with (benchmark / "facts.csv").open(encoding="utf-8", newline="") as file:
        facts = list(csv.DictReader(file))
    missed = []
    for fact in facts:
        for wording in wordings[fact["relation"]]["statements"]:
            subject = fact.get("disease") or fact["subject"]
            said = wording.format(disease=subject, subject=subject, answer=fact["answer"])
            text = said[0].upper() + said[1:]
            found = [text[m.start : m.end].lower() for m in mine(text)]
            missed += [text] if found != [fact["answer"].lower()] else []
    assert missed == []


WORDS = [
    *("The", "the", "marker", "of", "in", "for", "is", "are", "fever", "anti-Sm.", "caused", "by"),
    *("It", "Rest", "A", "(p", "0.5)", ",", ".", "and", "é", "linked", "to", "  "),
]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
def test_any_text_gives_valid_spans(text: str) -> None:
    for found in mine(text):
        answer = text[found.start : found.end]
        assert answer == answer.strip() != ""
        assert 0 < len(answer.split()) <= 8
        assert found.question.startswith("What ") and found.question.endswith("?")

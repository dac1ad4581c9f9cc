"""What the training examples state."""

import time

import pytest

from tests.evaluation import made_up as m
from titer.evaluation.seen import seen_documents

LUPUS = m.fact(
    "F1", "systemic lupus erythematosus", "marker", "anti-dsDNA antibody",
    disease_synonyms=["SLE"], answer_synonyms=["antibodies to native DNA"],
)  # fmt: skip


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("What marks SLE?", "Anti-dsDNA antibodies.", 1),
        ("Why?", "In SLE, antibody to native DNA is usual.", 1),
        ("Why?", "SLE is a disease. Anti-dsDNA antibody exists.", 0),
        ("SLE is bad. What marks it?", "Anti-dsDNA antibody.", 0),
        ("What marks it?", "SLEEP and anti-dsDNA antibody.", 0),
        ("What marks systemic lupus\nerythematosus?", "Anti-dsDNA antibody.", 0),
        ("What marks SLE?", "Many things. One is anti-dsDNA antibody.", 1),
        ("What does anti-dsDNA antibody mean in SLE?", "Nothing.", 1),
        ("", "", 0),
    ],
)
def test_a_sentence_or_question_with_its_answer_states_a_fact(question, answer, expected):
    found = seen_documents([LUPUS], [m.example("pmid:1", question, answer)])
    assert found == {"F1": expected}


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("What helps in E. coli infection?", "St. John's wort.", 1),
        ("Why?", "In E.\ncoli infection, st. John's wort is used.", 1),
        ("Why?", "E. coli infection is common. St. John's wort exists.", 0),
        ("Why?", "It is a gene. Coli infection needs St. John's wort.", 0),
    ],
)
def test_no_sentence_ends_inside_a_name(question, answer, expected):
    fact = m.fact("F1", "E. coli infection", "treatment", "St. John's wort")
    assert seen_documents([fact], [m.example("pmid:1", question, answer)]) == {"F1": expected}


def test_papers_are_counted_once_however_many_examples_they_give():
    rows = [m.example(f"pmid:{n % 3}", "What marks SLE?", "anti-dsDNA antibody") for n in range(9)]
    assert seen_documents([LUPUS], rows) == {"F1": 3}


def test_diseases_that_share_a_synonym_are_both_seen():
    other = m.fact("F2", "drug lupus", "marker", "anti-dsDNA antibody", disease_synonyms=["SLE"])
    rows = [m.example("pmid:1", "What marks SLE?", "anti-dsDNA antibody")]
    assert seen_documents([LUPUS, other], rows) == {"F1": 1, "F2": 1}


def test_thousands_of_examples_take_seconds():
    facts = m.make_facts()
    rows = m.make_examples(facts, lambda fact: 10)
    started = time.monotonic()
    assert set(seen_documents(facts, rows).values()) == {10}
    assert time.monotonic() - started < 5

"""The grounding gate takes a row that the paper proves, and says why it takes no other."""

import pytest

from tests.examples.papers import make_paper, section
from titer.examples import grounding
from titer.examples.normalise import words
from titer.examples.spans import span_text

TEXT = (
    "Lantern fever begins with itching of the left hand in 1,200 keepers (95 %).\n"
    "Salt\u00a0water did not shorten the \u201cdry\u201d cough: p\u202f=\u202f0.5, range 3\u20135."
)
PAPER = make_paper(title="Salt water and lantern fever.", sections=[section("", TEXT)])
QUESTION = "What does lantern fever begin with?"
ANSWER = "Lantern fever begins with itching of the left hand."
QUOTE = "Lantern fever begins with itching of the left hand"


def test_a_row_that_the_paper_proves_has_no_fault() -> None:
    assert grounding.fault(PAPER, QUESTION, ANSWER, QUOTE) is None


FAULTS = [
    ("quote is short", {"quote": "itching of the left hand"}),
    ("quote not in the paper", {"quote": "Lantern fever begins with itching of the right hand"}),
    ("quote not in the paper", {"quote": "antern fever begins with itching of the left"}),
    ("number not in the paper", {"answer": f"{ANSWER} It was seen in 1,300 keepers."}),
    ("words not in the paper", {"answer": "Ships sail faster beneath stormy northern skies."}),
    ("speaks of the text", {"question": "What does this passage say about lantern fever?"}),
    ("speaks of the text", {"answer": f"According to the abstract, {ANSWER}"}),
    ("speaks of the text", {"answer": f"The authors say this. In the present study {ANSWER}"}),
    ("copies the title", {"answer": "Salt water and lantern fever"}),
    ("no question", {"question": "Lantern fever."}),
    ("no question", {"question": "Why?"}),
    ("no answer", {"answer": "  "}),
]


@pytest.mark.parametrize(
    ("reason", "change"), FAULTS, ids=[f"{r} {n}" for n, (r, _) in enumerate(FAULTS)]
)
def test_each_fault_has_its_reason(reason: str, change: dict[str, str]) -> None:
    row = {"question": QUESTION, "answer": ANSWER, "quote": QUOTE} | change
    assert grounding.fault(PAPER, **row) == reason


@pytest.mark.parametrize(
    "quote",
    ['Salt water did not shorten the "dry" cough: p = 0.5', "Salt  water did\nnot shorten the"],
    ids=["plain signs", "other spaces"],
)
def test_a_quote_is_found_whatever_its_spaces_and_signs(quote: str) -> None:
    span = grounding.find_quote(PAPER, quote)
    assert span and span_text(PAPER, span).startswith("Salt\u00a0water did not shorten the")


@pytest.mark.parametrize(
    "quote", ["Salt water did not shorten the dry cough", "water did not shorten th", ""],
    ids=["signs left out", "cut inside a word", "empty"],
)  # fmt: skip
def test_what_is_not_verbatim_is_not_found(quote: str) -> None:
    assert grounding.find_quote(PAPER, quote) is None


def test_the_span_of_a_quote_is_the_papers_own_text() -> None:
    span = grounding.find_quote(PAPER, "p = 0.5, range 3-5")
    assert span and span_text(PAPER, span) == "p\u202f=\u202f0.5, range 3\u20135"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,200 of 3.5 %", {"1200", "3.5"}),
        ("0,5 and 0\u00b75", {"0.5"}),
        ("IL-6", {"6"}),
        ("none", set()),
    ],
)
def test_numbers_are_compared_by_value(text: str, found: set[str]) -> None:
    assert grounding.numbers(text) == found


def test_the_share_of_content_words_looks_through_endings() -> None:
    assert grounding.content_share("shortened coughs", "to shorten a cough") == 1.0
    assert grounding.content_share("storms at sea", "to shorten a cough") == 0.0
    assert grounding.content_share("it is", "") == 1.0


def test_a_question_in_nearly_the_same_words_is_a_repeat() -> None:
    earlier = [words("What does lantern fever begin with?")]
    assert grounding.repeats("With what does lantern fever begin?", earlier)
    assert not grounding.repeats("What ends lantern fever?", earlier)

"""What an answer may say about a paper: the gate that needs no model.

A row of a language model passes if (a) its quote is a verbatim span of six words or more, (b) every
number of the answer is in the paper, (c) 60 % of the answer's content words are from the abstract,
(d) neither question nor answer speaks of "this passage", (e) the answer is not the title, and (f)
no earlier question of the paper is nearly the same. The recipes use (b) and (c) where an answer has
to follow from the text in the prompt.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from titer.examples.normalise import words
from titer.examples.spans import Span, title_text
from titer.examples.word_lists import FUNCTION_WORDS
from titer.records import Paper

MIN_QUOTE_WORDS = 6
MIN_CONTENT_SHARE = 0.6
SAME_QUESTION = 0.8
"""Jaccard index of two questions' words from which they count as one."""

MIN_QUESTION_WORDS = 3

_NUMBER = re.compile(r"\d+(?:[.,\u00b7]\d+)*")
_POINTS_AT_TEXT = re.compile(
    r"\b(?:th(?:is|e|ese)|above|given|provided|following|present) "
    r"(?:passage|text|abstract|excerpt|paragraph|article|paper|document|context|snippet|"
    r"stud(?:y|ies)|quote|quotation|authors?|title)s?\b|\baccording to (?:the|this) |"
    r"\b(?:as )?(?:mentioned|stated|described) (?:above|here|in the)\b",
    re.IGNORECASE,
)
_SUFFIX = re.compile(r"(?:ations?|ions?|ings?|ed|es|ly|s|al|ity|ive|e)$")
_PLAIN = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2010": "-",
        "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-",
    }
)  # fmt: skip


def numbers(text: str) -> set[str]:
    """The numbers of a text, thousands separators taken out: 1,200 is 1200 and 0.5 stays 0.5."""
    return {
        _plain_number(number) for number in _NUMBER.findall(unicodedata.normalize("NFKC", text))
    }


def _plain_number(number: str) -> str:
    return re.sub(r",(?=\d{3}(?!\d))", "", number.replace("\u00b7", ".")).replace(",", ".")


def content_share(answer: str, text: str) -> float:
    """Share of an answer's content words, endings left aside, that the text holds; 1 if none."""
    said, held = _stems(answer), _stems(text)
    return len(said & held) / len(said) if said else 1.0


def _stems(text: str) -> set[str]:
    content = (word for word in words(text) if len(word) > 2 and word not in FUNCTION_WORDS)
    return {_SUFFIX.sub("", word) if len(word) > 5 else word for word in content}


def find_quote(paper: Paper, quote: str) -> Span | None:
    """Where a quote stands in the abstract, white space and Unicode forms left aside."""
    wanted = "".join(_normal(letter) for letter in quote.strip().strip("\"'\u201c\u201d"))
    if not wanted:
        return None
    for number, section in enumerate(paper.sections):
        found = _find(section["text"], wanted)
        if found:
            return [number, *found]
    return None


def _find(text: str, wanted: str) -> tuple[int, int] | None:
    """Place of normalised characters in a text whose own characters are normalised one by one."""
    kept: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(text):
        for plain in _normal(letter):
            kept.append(plain)
            places.append(place)
    joined = "".join(kept)
    at = joined.find(wanted)
    while at >= 0:
        first, last = places[at], places[at + len(wanted) - 1]
        inside = first > 0 and text[first - 1].isalnum() and text[first].isalnum()
        cut = last + 1 < len(text) and text[last].isalnum() and text[last + 1].isalnum()
        if not (inside or cut):
            return first, last + 1
        at = joined.find(wanted, at + 1)
    return None


def _normal(letter: str) -> str:
    plain = unicodedata.normalize("NFKD", letter).translate(_PLAIN)
    return "".join(c for c in plain if not (c.isspace() or unicodedata.combining(c)))


def fault(paper: Paper, question: str, answer: str, quote: str) -> str | None:
    """Why a row does not pass rules (a) to (e), in a few words; None if it does."""
    if len(quote.split()) < MIN_QUOTE_WORDS:
        return "quote is short"
    checks = (
        (len(question.split()) < MIN_QUESTION_WORDS or not question.rstrip().endswith("?"),
         "no question"),
        (not answer.strip(), "no answer"),
        (find_quote(paper, quote) is None, "quote not in the paper"),
        (bool(_POINTS_AT_TEXT.search(f"{question}\n{answer}")), "speaks of the text"),
        (bool(numbers(answer) - numbers(f"{paper.title} {paper.abstract}")),
         "number not in the paper"),
        (content_share(answer, paper.abstract) < MIN_CONTENT_SHARE, "words not in the paper"),
        (_copies(answer, title_text(paper)), "copies the title"),
    )  # fmt: skip
    return next((reason for is_fault, reason in checks if is_fault), None)


def _copies(answer: str, title: str) -> bool:
    said, named = words(answer), words(title)
    return bool(named) and (said == named or _jaccard(said, named) >= SAME_QUESTION)


def repeats(question: str, earlier: Iterable[Sequence[str]]) -> bool:
    """Whether an earlier question, given as its words, is nearly the same."""
    asked = words(question)
    return any(_jaccard(asked, other) >= SAME_QUESTION for other in earlier)


def _jaccard(one: Sequence[str], other: Sequence[str]) -> float:
    left, right = set(one), set(other)
    return len(left & right) / len(left | right) if left | right else 0.0

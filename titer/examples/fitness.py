"""Whether an answer fits what a prompt shows: it follows from it, or it can be read without it."""

import re
from collections.abc import Sequence

from titer.examples import grounding
from titer.examples.abbreviations import unexplained
from titer.examples.spans import (
    Draft,
    Span,
    category_spans,
    joined,
    span_text,
    text_without_conclusion,
    title_text,
)
from titer.records import Paper

MIN_TITLE_WORDS = 4
MIN_STUDY_WORDS = 50
"""Of an abstract without its conclusion, for the conclusion to follow from it."""

MIN_STUDY_SHARE = 0.25
"""Of a conclusion's content words that the rest of the abstract holds; of real ones the median of
494 is 0.57, and 10 are below."""

MAX_EXPLAINED = 4
"""Abbreviations that a closed-book prompt explains."""

_CONTINUES = re.compile(
    r"(?:however|nevertheless|nonetheless|moreover|furthermore|additionally|in addition|also|but|"
    r"and|hence|thus|therefore|consequently|on the other hand|conversely|in contrast|similarly|"
    r"accordingly|so)\b",
    re.IGNORECASE,
)
"""An answer that begins so goes on from something that a reader of the prompt did not see."""

_FINITE = re.compile(r"\b(?:was|were|is|are|had|has|have|did|do|does|we)\b", re.IGNORECASE)
"""A word that only a whole sentence holds."""


def question_title(paper: Paper) -> str | None:
    """The title if it asks, without the subtitle behind its question mark."""
    title = title_text(paper)
    question = title[: title.rfind("?") + 1]
    asks = len(question.split()) >= MIN_TITLE_WORDS and not question.isupper()
    return question if asks else None


def study_and_conclusion(paper: Paper) -> tuple[str, list[Span]] | None:
    """The abstract without its conclusion, and the conclusion if it follows from that."""
    spans = category_spans(paper, "CONCLUSIONS")
    text = text_without_conclusion(paper)
    answer = joined(paper, spans)
    if not spans or len(text.split()) < MIN_STUDY_WORDS:
        return None
    known = f"{paper.title} {text}"
    if grounding.numbers(answer) - grounding.numbers(known):
        return None
    if grounding.content_share(answer, known) < MIN_STUDY_SHARE:
        return None
    return text, spans


def are_notes(paper: Paper, spans: Sequence[Span]) -> bool:
    """Whether a part of an answer of several parts is no whole sentence: "Cohort study"."""
    return len(spans) > 1 and not all(_FINITE.search(span_text(paper, span)) for span in spans)


def closed_book(paper: Paper, prompt: str, spans: list[Span]) -> Draft | None:
    """A draft whose prompt explains what its answer abbreviates.

    None where the answer begins midway or would need a glossary.
    """
    answer = joined(paper, spans)
    if _CONTINUES.match(answer):
        return None
    short = unexplained(paper, prompt, answer)
    if len(short) > MAX_EXPLAINED:
        return None
    listed = "; ".join(f"{name}, {long}" for name, long in short.items())
    return Draft(f"{prompt}\n\nAbbreviations: {listed}." if listed else prompt, spans)

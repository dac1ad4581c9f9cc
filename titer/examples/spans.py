"""Spans: where in a paper a text stands, as `[section, start, end]`.

The section is an index into `Paper.texts`, or TITLE; start and end count characters.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from titer.examples.sections import body_numbers, section_numbers
from titer.examples.tidy import tidied
from titer.records import Paper

TITLE = -1
"""Stands for the title where a span names a section."""

MAX_ANSWER_WORDS = 200
"""Of sections as an answer; of 494 real structured abstracts 5 sections are longer."""

Span = list[Any]
"""`[section, start, end]`."""


@dataclass(frozen=True)
class Draft:
    """A prompt and the spans that answer it."""

    prompt: str
    spans: list[Span]
    lead: str = ""
    """Stands before the spans in the answer: the word of a yes/no answer."""


_TRANSLATED = re.compile(r"[\s.]*\((?:author'?s? transl|transl)\.?\)", re.IGNORECASE)


def span_text(paper: Paper, span: Span) -> str:
    """What stands there; empty where the paper has no such section."""
    number, start, end = span
    if number == TITLE:
        return paper.title[start:end]
    return paper.texts[number]["text"][start:end] if number < len(paper.texts) else ""


def joined(paper: Paper, spans: Sequence[Span], joiner: str = " ") -> str:
    """The texts of several spans, one after the other."""
    return joiner.join(span_text(paper, span) for span in spans)


def n_words(paper: Paper, spans: Sequence[Span]) -> int:
    """Words of all spans together."""
    return sum(len(span_text(paper, span).split()) for span in spans)


def title_span(paper: Paper) -> Span:
    """The title without full stop, brackets of a translated title and `(author's transl)`."""
    inner = paper.title.strip().rstrip(".").strip("[]").rstrip(". ")
    inner = _TRANSLATED.split(inner)[0]
    start = paper.title.find(inner)
    return [TITLE, start, start + len(inner)]


def title_text(paper: Paper) -> str:
    """The text of `title_span`."""
    return span_text(paper, title_span(paper))


def category_spans(paper: Paper, name: str) -> list[Span]:
    """What the abstract says under one category, tidied; nothing where it is no answer."""
    return _answer_spans(paper, section_numbers(paper, name), concludes=name == "CONCLUSIONS")


def body_spans(paper: Paper, name: str) -> list[Span]:
    """The same of the full text; nothing where it is too long to be given whole."""
    return _answer_spans(paper, body_numbers(paper, name), concludes=name == "CONCLUSIONS")


def _answer_spans(paper: Paper, numbers: Sequence[int], *, concludes: bool) -> list[Span]:
    texts = [(number, paper.texts[number]["text"]) for number in numbers]
    found = [(number, tidied(text, concludes=concludes)) for number, text in texts]
    spans = [[number, *place] for number, place in found if place]
    # half of what a paper says under one heading would pass for all of it
    whole = len(spans) == len(found) and n_words(paper, spans) <= MAX_ANSWER_WORDS
    return spans if whole else []


def all_sections(paper: Paper) -> list[int]:
    """Indices of the abstract's sections."""
    return list(range(len(paper.sections)))


def text_without_conclusion(paper: Paper) -> str:
    """The abstract as a prompt shows it, its conclusion left out."""
    out = section_numbers(paper, "CONCLUSIONS")
    return labelled(paper, [number for number in all_sections(paper) if number not in out])


def labelled(paper: Paper, numbers: Sequence[int]) -> str:
    """Section texts, one paragraph each, after their labels where they have one."""
    paragraphs = []
    for number in numbers:
        section = paper.sections[number]
        label = section.get("label", "").capitalize()
        text = section["text"].strip()
        paragraphs.append(f"{label}: {text}" if label and text else text)
    return "\n".join(paragraph for paragraph in paragraphs if paragraph)


def first_occurrence(paper: Paper, term: str) -> Span | None:
    """Where a term first stands in the abstract, whatever its case."""
    for number, section in enumerate(paper.sections):
        place = next(iter(occurrences(section["text"], term)), None)
        if place:
            return [number, *place]
    return None


def occurrences(text: str, term: str) -> list[tuple[int, int]]:
    """Start and end of each place where a term stands as a word, whatever its case."""
    # most terms do not, and a search for a plain string is far quicker
    if not term or term.lower() not in text.lower():
        return []
    pattern = re.compile(rf"(?<!\w){re.escape(term)}(?!\w)", re.IGNORECASE)
    return [match.span() for match in pattern.finditer(text)]


def overlap(one: Span, other: Span) -> bool:
    """Whether two spans share a character."""
    return one[0] == other[0] and bool(one[1] < other[2] and other[1] < one[2])


def page_of(pages: Sequence[Sequence[int]], start: int) -> int | None:
    """The page on which a character stands, counted from 1; None where pages are not known."""
    number = bisect_right(pages, start, key=lambda entry: entry[0])
    return pages[number - 1][1] if number else None

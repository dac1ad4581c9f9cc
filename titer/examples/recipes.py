"""From a paper to chat examples without a language model.

Invariant: an answer is one or more spans of the paper, unchanged, joined by the recipe's joiner.
The wordings of the prompts are in titer/examples/wordings.py.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from titer.errors import DataError
from titer.examples.mining import mine
from titer.examples.sections import body_numbers, section_numbers
from titer.examples.wordings import (
    CONCLUSION_WORDINGS,
    KEYWORD_WORDINGS,
    QUESTION_WORDINGS,
    SECTION_WORDINGS,
    SUMMARY_WORDINGS,
    TITLE_WORDINGS,
)
from titer.files import sha256_text
from titer.records import Example, Paper

RECIPE_VERSION = 1
"""Goes up whenever a recipe yields another text; part of every example."""

TITLE = -1
"""Stands for the title where a span names a section."""

JOINERS = {"keywords": ", "}
"""What joins the spans of an answer; a space where a recipe is not named."""

MIN_SUMMARY_WORDS = 100
MIN_SECTION_WORDS = 5
MAX_BODY_WORDS = 200
"""Of a section of the full text as an answer; the sections of abstracts are shorter."""

MIN_KEYWORDS = 3

Span = list[Any]
"""`[section, start, end]`."""


@dataclass(frozen=True)
class Draft:
    """A prompt and the spans that answer it."""

    prompt: str
    spans: list[Span]


def fact_question(paper: Paper, seed: int) -> list[Draft]:
    """Closed-book questions mined from single sentences; the answers are short."""
    drafts = []
    for number, section in enumerate(paper.texts):
        for found in mine(section["text"], f"{paper.title} {paper.abstract}"):
            drafts.append(Draft(found.question, [[number, found.start, found.end]]))
    return drafts


def conclusion(paper: Paper, seed: int) -> list[Draft]:
    """The study without its conclusion, and the title if it is a question; answer: conclusion."""
    spans = _category_spans(paper, "CONCLUSIONS")
    text = _text_without_conclusion(paper)
    if not spans or not text:
        return []
    title = title_text(paper)
    if title.endswith("?"):
        wording = _choose(QUESTION_WORDINGS, seed, paper, "conclusion")
        return [Draft(wording.format(title=title, text=text), spans)]
    return [Draft(f"{_choose(CONCLUSION_WORDINGS, seed, paper, 'conclusion')}\n\n{text}", spans)]


def closed_book_conclusion(paper: Paper, seed: int) -> list[Draft]:
    """Only the title, if it is a question; answer: conclusion."""
    spans = _category_spans(paper, "CONCLUSIONS")
    title = title_text(paper)
    return [Draft(title, spans)] if spans and title.endswith("?") else []


def section_question(paper: Paper, seed: int) -> list[Draft]:
    """A question about one section by the title alone, for each category, in a seeded order.

    Where the abstract has no section of a category, the open full text may answer, if all that it
    says under that heading is short enough to be given whole.
    """
    title = title_text(paper)
    drafts = []
    for name in sorted(SECTION_WORDINGS, key=lambda name: _hash(seed, paper, name)):
        spans = _category_spans(paper, name) or _body_spans(paper, name)
        n_words = _n_words(paper, spans)
        if title and n_words >= MIN_SECTION_WORDS:
            wording = _choose(SECTION_WORDINGS[name], seed, paper, f"wording {name}")
            drafts.append(Draft(wording.format(title=title), spans))
    return drafts


def summarise(paper: Paper, seed: int) -> list[Draft]:
    """The abstract without its conclusion, answer conclusion; or the whole one, answer title."""
    if len(paper.abstract.split()) < MIN_SUMMARY_WORDS:
        return []
    spans = _category_spans(paper, "CONCLUSIONS")
    text = _text_without_conclusion(paper)
    if spans and text:
        return [Draft(f"{_choose(SUMMARY_WORDINGS, seed, paper, 'summarise')}\n\n{text}", spans)]
    if not title_text(paper):
        return []
    wording = _choose(TITLE_WORDINGS, seed, paper, "summarise")
    return [Draft(f"{wording}\n\n{_labelled(paper, _all_sections(paper))}", [_title_span(paper)])]


def keywords(paper: Paper, seed: int) -> list[Draft]:
    """The abstract; answer: at least three keywords or major MeSH topics that stand in it."""
    major = [str(topic["name"]) for topic in paper.mesh if topic.get("major")]
    spans: list[Span] = []
    for term in (*paper.keywords, *major):
        span = _first_occurrence(paper, term.strip())
        if span and not any(_overlap(span, other) for other in spans):
            spans.append(span)
    if len(spans) < MIN_KEYWORDS:
        return []
    wording = _choose(KEYWORD_WORDINGS, seed, paper, "keywords")
    return [Draft(f"{wording}\n\n{_labelled(paper, _all_sections(paper))}", spans)]


RECIPES: dict[str, Callable[[Paper, int], list[Draft]]] = {
    "fact_question": fact_question,
    "conclusion": conclusion,
    "closed_book_conclusion": closed_book_conclusion,
    "section_question": section_question,
    "summarise": summarise,
    "keywords": keywords,
}


def paper_examples(
    paper: Paper, *, recipes: Sequence[str], per_paper: int, seed: int
) -> list[Example]:
    """Examples of one paper, `split` still empty.

    Args:
        paper: with `cluster_id`; without one its own id is taken.
        recipes: names of RECIPES; they run in this order and the first `per_paper` examples stay.
        per_paper: at most so many; fact_question leaves one place to the others if they yield any.
        seed: of the choice of wordings.
    """
    drafts = {name: RECIPES[name](paper, seed) for name in recipes}
    others = any(found for name, found in drafts.items() if name != "fact_question")
    if "fact_question" in drafts and others:
        del drafts["fact_question"][max(1, per_paper - 1) :]
    examples = [_example(paper, name, draft) for name in recipes for draft in drafts[name]]
    return examples[:per_paper]


def rebuild_answer(example: Example, paper: Paper) -> str:
    """The answer put together again from the paper and the example's spans.

    Raises:
        DataError: a span lies outside the paper.
    """
    texts = [_span_text(paper, span) for span in example.spans]
    if not all(texts):
        raise DataError(
            f"example {example.id}: spans {example.spans} lie outside {paper.paper_id}: "
            f"the paper's text has changed. Build the examples again"
        )
    return JOINERS.get(example.recipe, " ").join(texts)


def title_text(paper: Paper) -> str:
    """The title without its full stop and without the brackets of a translated title."""
    return _span_text(paper, _title_span(paper))


def _example(paper: Paper, recipe: str, draft: Draft) -> Example:
    answer = JOINERS.get(recipe, " ").join(_span_text(paper, span) for span in draft.spans)
    return Example(
        id=sha256_text(f"{recipe}|{paper.paper_id}|{draft.spans}")[:16],
        messages=[
            {"role": "user", "content": draft.prompt},
            {"role": "assistant", "content": answer},
        ],
        recipe=recipe,
        recipe_version=RECIPE_VERSION,
        paper_id=paper.paper_id,
        source=paper.source,
        title=paper.title,
        spans=draft.spans,
        cluster_id=paper.cluster_id or paper.paper_id,
        license=(paper.license or {}).get("id"),
        synthetic=paper.synthetic,
    )


def _hash(seed: int, paper: Paper, purpose: str) -> str:
    return hashlib.sha256(f"{seed}|{paper.paper_id}|{purpose}".encode()).hexdigest()


def _choose(wordings: Sequence[str], seed: int, paper: Paper, purpose: str) -> str:
    return wordings[int(_hash(seed, paper, purpose), 16) % len(wordings)]


def _span_text(paper: Paper, span: Span) -> str:
    number, start, end = span
    if number == TITLE:
        return paper.title[start:end]
    return paper.texts[number]["text"][start:end] if number < len(paper.texts) else ""


def _title_span(paper: Paper) -> Span:
    inner = paper.title.strip().rstrip(".").strip("[]").rstrip(". ")
    start = paper.title.find(inner)
    return [TITLE, start, start + len(inner)]


def _category_spans(paper: Paper, name: str) -> list[Span]:
    return [_section_span(paper, number) for number in section_numbers(paper, name)]


def _body_spans(paper: Paper, name: str) -> list[Span]:
    """All that the body says under one heading, or nothing where that is too long for an answer."""
    spans = [_section_span(paper, number) for number in body_numbers(paper, name)]
    return spans if _n_words(paper, spans) <= MAX_BODY_WORDS else []


def _n_words(paper: Paper, spans: Sequence[Span]) -> int:
    return sum(len(_span_text(paper, span).split()) for span in spans)


def _section_span(paper: Paper, number: int) -> Span:
    text = paper.texts[number]["text"]
    start = len(text) - len(text.lstrip())
    return [number, start, start + len(text.strip())]


def _all_sections(paper: Paper) -> list[int]:
    return list(range(len(paper.sections)))


def _text_without_conclusion(paper: Paper) -> str:
    out = section_numbers(paper, "CONCLUSIONS")
    return _labelled(paper, [number for number in _all_sections(paper) if number not in out])


def _labelled(paper: Paper, numbers: Sequence[int]) -> str:
    """Section texts, one paragraph each, after their labels where they have one."""
    paragraphs = []
    for number in numbers:
        section = paper.sections[number]
        label = section.get("label", "").capitalize()
        text = section["text"].strip()
        paragraphs.append(f"{label}: {text}" if label and text else text)
    return "\n".join(paragraph for paragraph in paragraphs if paragraph)


def _first_occurrence(paper: Paper, term: str) -> Span | None:
    if not term:
        return None
    pattern = re.compile(rf"(?<!\w){re.escape(term)}(?!\w)", re.IGNORECASE)
    for number, section in enumerate(paper.sections):
        match = pattern.search(section["text"])
        if match:
            return [number, match.start(), match.end()]
    return None


def _overlap(one: Span, other: Span) -> bool:
    return one[0] == other[0] and bool(one[1] < other[2] and other[1] < one[2])

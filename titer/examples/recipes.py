"""From a paper to chat examples without a language model.

Invariant: an answer is one or more spans of the paper, unchanged, joined by the recipe's joiner;
yes_no alone puts a word before them. titer/examples/tidy.py says what of a section may answer.
The wordings of the prompts are in titer/examples/wordings.py.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from titer.errors import DataError
from titer.examples.abbreviations import introduced
from titer.examples.fitness import (
    MIN_STUDY_WORDS,
    MIN_TITLE_WORDS,
    are_notes,
    closed_book,
    question_title,
    study_and_conclusion,
)
from titer.examples.mining import mine
from titer.examples.sentence_recipes import gaps, inferences
from titer.examples.spans import (
    Draft,
    Span,
    all_sections,
    body_spans,
    category_spans,
    first_occurrence,
    joined,
    labelled,
    n_words,
    overlap,
    span_text,
    text_without_conclusion,
    title_span,
    title_text,
)
from titer.examples.word_lists import TAGS
from titer.examples.wordings import (
    CLOZE_WORDINGS,
    CONCLUSION_WORDINGS,
    INFERENCE_WORDINGS,
    KEYWORD_WORDINGS,
    LINE_WORDING,
    NOTE_WORDINGS,
    QUESTION_WORDINGS,
    SECTION_WORDINGS,
    SUMMARY_WORDINGS,
    TITLE_WORDINGS,
)
from titer.examples.yes_no import asked
from titer.files import sha256_text
from titer.records import Example, Paper

RECIPE_VERSION = 2
"""Goes up whenever a recipe yields another text; part of every example."""

JOINERS = {"keywords": ", "}
"""What joins the spans of an answer; a space where a recipe is not named."""

MIN_SUMMARY_WORDS = 100
MIN_SECTION_WORDS = 5
MIN_KEYWORDS = 3


def fact_question(paper: Paper, seed: int) -> list[Draft]:
    """Closed-book questions mined from single sentences; the answers are short."""
    drafts = []
    short = introduced(paper)
    for number, section in enumerate(paper.texts):
        for found in mine(section["text"], f"{paper.title} {paper.abstract}"):
            words = f"{found.question} {section['text'][found.start : found.end]}"
            if not short.keys() & set(re.findall(r"[\w-]+", words)):
                drafts.append(Draft(found.question, [[number, found.start, found.end]]))
    return drafts


def conclusion(paper: Paper, seed: int) -> list[Draft]:
    """The study without its conclusion, and the title if it is a question; answer: conclusion."""
    study = study_and_conclusion(paper)
    if study is None:
        return []
    text, spans = study
    question = question_title(paper)
    if question:
        wording = _choose(QUESTION_WORDINGS, seed, paper, "conclusion")
        return [Draft(wording.format(title=question, text=text), spans)]
    return [Draft(f"{_choose(CONCLUSION_WORDINGS, seed, paper, 'conclusion')}\n\n{text}", spans)]


def closed_book_conclusion(paper: Paper, seed: int) -> list[Draft]:
    """Only the title, if it is a question; answer: conclusion."""
    spans = category_spans(paper, "CONCLUSIONS")
    question = question_title(paper)
    draft = closed_book(paper, question, spans) if spans and question else None
    return [draft] if draft else []


def section_question(paper: Paper, seed: int) -> list[Draft]:
    """A question about one section by the title alone, for each category, in a seeded order.

    Where the abstract has no section of a category, the open full text may answer, if all that it
    says under that heading is short enough to be given whole.
    """
    title = title_text(paper)
    drafts = []
    for name in sorted(SECTION_WORDINGS, key=lambda name: _hash(seed, paper, name)):
        spans = category_spans(paper, name) or body_spans(paper, name)
        if title and n_words(paper, spans) >= MIN_SECTION_WORDS:
            wordings = NOTE_WORDINGS if are_notes(paper, spans) else SECTION_WORDINGS[name]
            wording = _choose(wordings, seed, paper, f"wording {name}")
            draft = closed_book(paper, wording.format(title=title), spans)
            drafts += [draft] if draft else []
    return drafts


def summarise(paper: Paper, seed: int) -> list[Draft]:
    """The abstract without its conclusion, answer conclusion; or the whole one, answer title."""
    if len(paper.abstract.split()) < MIN_SUMMARY_WORDS:
        return []
    study = study_and_conclusion(paper)
    if study:
        text, spans = study
        return [Draft(f"{_choose(SUMMARY_WORDINGS, seed, paper, 'summarise')}\n\n{text}", spans)]
    title = title_text(paper)
    if len(title.split()) < MIN_TITLE_WORDS or title.isupper():
        return []
    wordings = TITLE_WORDINGS if "?" in title else (*TITLE_WORDINGS, LINE_WORDING)
    wording = _choose(wordings, seed, paper, "summarise")
    return [Draft(f"{wording}\n\n{labelled(paper, all_sections(paper))}", [title_span(paper)])]


def keywords(paper: Paper, seed: int) -> list[Draft]:
    """The abstract; answer: at least three keywords or major MeSH topics that stand in it."""
    major = [str(topic["name"]) for topic in paper.mesh if topic.get("major")]
    spans: list[Span] = []
    for term in (*paper.keywords, *major):
        span = None if term.strip().lower() in TAGS else first_occurrence(paper, term.strip())
        if span and not any(overlap(span, other) for other in spans):
            spans.append(span)
    if len(spans) < MIN_KEYWORDS:
        return []
    wording = _choose(KEYWORD_WORDINGS, seed, paper, "keywords")
    return [Draft(f"{wording}\n\n{labelled(paper, all_sections(paper))}", spans)]


def inference(paper: Paper, seed: int) -> list[Draft]:
    """A premise; answer: the sentence of the conclusion that follows from it."""
    wording = _choose(INFERENCE_WORDINGS, seed, paper, "inference")
    return [Draft(wording.format(premise=text), [span]) for text, span in inferences(paper)]


def cloze(paper: Paper, seed: int) -> list[Draft]:
    """The study and a sentence of its conclusion with a gap; answer: the key term."""
    study = text_without_conclusion(paper)
    if len(study.split()) < MIN_STUDY_WORDS:
        return []
    wording = _choose(CLOZE_WORDINGS, seed, paper, "cloze")
    return [
        Draft(wording.format(text=study, gapped=gapped), [span])
        for gapped, span in gaps(paper, study)
    ]


def yes_no(paper: Paper, seed: int) -> list[Draft]:
    """The question that a stating title answers; answer: yes or no, then the conclusion. Weak."""
    spans = category_spans(paper, "CONCLUSIONS")
    found = asked(title_text(paper), paper.abstract)
    if not spans or found is None:
        return []
    question, is_yes = found
    draft = closed_book(paper, question, spans)
    return [replace(draft, lead="Yes. " if is_yes else "No. ")] if draft else []


RECIPES: dict[str, Callable[[Paper, int], list[Draft]]] = {
    "fact_question": fact_question,
    "conclusion": conclusion,
    "closed_book_conclusion": closed_book_conclusion,
    "section_question": section_question,
    "summarise": summarise,
    "keywords": keywords,
    "inference": inference,
    "cloze": cloze,
    "yes_no": yes_no,
}

SPAN_RECIPES = frozenset(RECIPES) - {"yes_no"}
"""Their answer is the text of the spans; elsewhere the spans are what supports it."""

WEAK_RECIPES = frozenset({"yes_no"})
"""Their answer is right for most papers only."""


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
    """What the paper says at the example's spans.

    For SPAN_RECIPES that is the answer itself; for yes_no the answer without its first word; for
    rows that a language model wrote (`generated`) the quote that supports them.

    Raises:
        DataError: a span lies outside the paper.
    """
    texts = [span_text(paper, span) for span in example.spans]
    if not all(texts):
        raise DataError(
            f"example {example.id}: spans {example.spans} lie outside {paper.paper_id}: "
            f"the paper's text has changed. Build the examples again"
        )
    return JOINERS.get(example.recipe, " ").join(texts)


def _example(paper: Paper, recipe: str, draft: Draft) -> Example:
    answer = draft.lead + joined(paper, draft.spans, JOINERS.get(recipe, " "))
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
        cluster_id=paper.cluster,
        weak=recipe in WEAK_RECIPES,
        license=(paper.license or {}).get("id"),
        synthetic=paper.synthetic,
    )


def _hash(seed: int, paper: Paper, purpose: str) -> str:
    return hashlib.sha256(f"{seed}|{paper.paper_id}|{purpose}".encode()).hexdigest()


def _choose(wordings: Sequence[str], seed: int, paper: Paper, purpose: str) -> str:
    return wordings[int(_hash(seed, paper, purpose), 16) % len(wordings)]

"""Examples around one sentence of a conclusion, after the idea of AdaptLLM.

inference    a premise; what follows?       the sentence that goes on with "Therefore, ..."
cloze        the study, a sentence's gap    the key term that stood there
"""

import re
from collections.abc import Iterator

from titer.examples import grounding
from titer.examples.sections import section_numbers
from titer.examples.sentences import sentences
from titer.examples.spans import Span, occurrences
from titer.examples.word_lists import TAGS
from titer.records import Paper

MIN_PREMISE_WORDS = 12
MIN_INFERENCE_SHARE = 0.4
"""Of the content words of what follows that the premise holds."""

GAP = "____"

_FOLLOWS = re.compile(r"(?:Therefore|Thus|Hence|Consequently|As a result|Accordingly),? ")


def inferences(paper: Paper) -> Iterator[tuple[str, Span]]:
    """Each premise, all that a conclusion says before, and the sentence that follows from it."""
    for number in section_numbers(paper, "CONCLUSIONS"):
        text = paper.sections[number]["text"]
        for start, end in sentences(text):
            premise = text[:start].strip()
            if _FOLLOWS.match(text, start) and _follows(premise, text[start:end]):
                yield premise, [number, start, end]


def _follows(premise: str, sentence: str) -> bool:
    if len(premise.split()) < MIN_PREMISE_WORDS:
        return False
    if grounding.numbers(sentence) - grounding.numbers(premise):
        return False
    return grounding.content_share(sentence, premise) >= MIN_INFERENCE_SHARE


def gaps(paper: Paper, study: str) -> Iterator[tuple[str, Span]]:
    """Each sentence of a conclusion with a gap, and the key term that fills it.

    Args:
        paper: with keywords or major MeSH topics.
        study: what is shown beside the sentence; a term that it does not hold makes no gap.
    """
    terms = [*paper.keywords, *(str(topic["name"]) for topic in paper.mesh if topic.get("major"))]
    shown = [term for given in terms if (term := given.strip()).lower() not in TAGS]
    shown = [term for term in shown if occurrences(study, term)]
    for number in section_numbers(paper, "CONCLUSIONS"):
        text = paper.sections[number]["text"]
        for start, end in sentences(text):
            sentence = text[start:end]
            places = [found for term in shown if len(found := occurrences(sentence, term)) == 1]
            if places:
                first, last = places[0][0]
                gapped = f"{sentence[:first]}{GAP}{sentence[last:]}"
                yield gapped, [number, start + first, start + last]

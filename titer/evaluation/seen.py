"""How many papers in the training examples state a fact?

Invariant: a fact counts as stated where one sentence holds a name of the disease and a name of the
answer as whole words; each sentence of an answer is read together with its question.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from titer.evaluation.items import word_key
from titer.records import Example, Fact

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_INNER_STOP = re.compile(r"[.!?]\s+(?=\S)")

Phrases = dict[str, list[tuple[tuple[str, ...], str]]]
"""First word -> (all words, the text that the phrase is a name of)."""


@dataclass(frozen=True)
class Corpus:
    """What scoring needs to know of the training examples: counts, none of their text."""

    seen_docs: dict[str, int]
    """fact_id -> distinct papers that state the fact."""
    n_examples: int
    n_papers: int


def corpus(facts: Sequence[Fact], examples: Sequence[Example]) -> Corpus:
    """The counts of a training split."""
    papers = {example.paper_id for example in examples}
    return Corpus(seen_documents(facts, examples), len(examples), len(papers))


def seen_documents(facts: Sequence[Fact], examples: Iterable[Example]) -> dict[str, int]:
    """Number of distinct papers that state each fact, by fact_id; 0 where none does."""
    diseases = _phrases((fact.disease, fact.disease_synonyms) for fact in facts)
    answers = _phrases((fact.answer, fact.answer_synonyms) for fact in facts)
    by_disease: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        by_disease[fact.disease].append(fact)
    unbroken = _unbroken(
        name
        for fact in facts
        for name in (fact.disease, *fact.disease_synonyms, fact.answer, *fact.answer_synonyms)
    )
    papers: dict[str, set[str]] = {fact.fact_id: set() for fact in facts}
    for example in examples:
        for sentence in _sentences(unbroken(example.prompt), unbroken(example.answer)):
            words = word_key(sentence).split()
            named = _found(words, diseases)
            given = _found(words, answers) if named else set()
            for fact in (fact for disease in named for fact in by_disease[disease]):
                if fact.answer in given:
                    papers[fact.fact_id].add(example.paper_id or example.id)
    return {fact_id: len(ids) for fact_id, ids in papers.items()}


def _phrases(named: Iterable[tuple[str, Sequence[str]]]) -> Phrases:
    pairs = {(word_key(name), text) for text, names in named for name in (text, *names)}
    phrases: Phrases = defaultdict(list)
    for key, text in sorted(pairs):
        if words := tuple(key.split()):
            phrases[words[0]].append((words, text))
    return phrases


def _found(words: Sequence[str], phrases: Phrases) -> set[str]:
    return {
        text
        for start, word in enumerate(words)
        for phrase, text in phrases.get(word, ())
        if tuple(words[start : start + len(phrase)]) == phrase
    }


def _unbroken(names: Iterable[str]) -> Callable[[str], str]:
    """Takes the stops out of such names as "E. coli", at which no sentence ends."""
    dotted = sorted({name for name in names if _INNER_STOP.search(name)}, key=len, reverse=True)
    if not dotted:
        return lambda text: text
    forms = "|".join(r"\s+".join(map(re.escape, name.split())) for name in dotted)
    name = re.compile(rf"(?<!\w)(?:{forms})(?!\w)", re.IGNORECASE)
    return lambda text: name.sub(lambda found: _INNER_STOP.sub(" ", found[0]), text)


def _sentences(prompt: str, answer: str) -> Iterator[str]:
    prompts = [s for s in _SENTENCE_END.split(prompt) if s.strip()]
    yield from prompts
    for sentence in _SENTENCE_END.split(answer):
        # with the question before it, which alone may name the disease
        yield f"{prompts[-1]} {sentence}" if prompts else sentence

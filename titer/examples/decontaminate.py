"""Which training examples the benchmark asks: rules A to D of the contamination gate.

A   the paper, or a duplicate of it, has an id that a benchmark item names
B   a title of the paper equals a benchmark question, in question or statement form
C   prompt + answer share eight words in a row with question + gold answer of an item
D   a question under eight words stands in the prompt, or a sentence of the prompt nearly equals it

Text is compared as lower-case words, so line breaks, punctuation and accents do not matter. What
says the same in other words is not found: `planted_recall` shows that each time.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from titer.examples.normalise import N, normal_id, paper_ids, runs, title_forms, words
from titer.records import BenchmarkText, Example, Paper

BOILERPLATE_CLUSTERS = 20
"""Words in a row that more than so many other papers hold are no sign of a leak."""

JACCARD = 0.8
MIN_CONTAINED_WORDS = 3
"""Rule D looks for no shorter question inside a longer text: two words stand anywhere."""

PAPER_SOURCES = frozenset({"pubmed", "arxiv"})
"""Boilerplate is forgiven to papers only, never to a user's own rows."""


@dataclass(frozen=True)
class Leak:
    """One example that one benchmark item asks, by the first rule that finds it."""

    example_id: str
    paper_id: str
    rule: str
    """A, B, C or D."""
    item_id: str
    matched: str
    """The id, or the words that both hold."""


def find_leaks(
    examples: Iterable[Example],
    papers_by_id: Mapping[str, Paper],
    benchmark: Sequence[BenchmarkText],
) -> list[Leak]:
    """Every pair of an example and an item that asks it, each under the first rule that fits.

    Args:
        examples: those to check; a paper_id that `papers_by_id` lacks is a user's own row.
        papers_by_id: all papers, duplicates included: rules A and B look at the whole cluster,
            and the boilerplate of rule C is counted over all clusters.
        benchmark: every question that is asked, in every wording.
    """
    from tqdm.auto import tqdm

    index = _Index(benchmark)
    clusters = _cluster_members(papers_by_id)
    found = []
    bar = tqdm(examples, desc="contamination gate", unit="example", delay=5)
    for example in bar:
        members = clusters.get(example.cluster_id, [])
        found += [(example, hit) for hit in _hits(example, members, index)]
    kept = _without_boilerplate(found, papers_by_id)
    return [
        Leak(example.id, example.paper_id, hit.rule, benchmark[hit.item].id, hit.matched)
        for example, hit in kept
    ]


@dataclass
class _Hit:
    item: int
    rule: str
    matched: str
    forgivable: list[str] = field(default_factory=list)
    """Rule C: shared word runs that are no leak if they are boilerplate."""


class _Index:
    """The benchmark by id, title form, word run and rarest word."""

    def __init__(self, benchmark: Sequence[BenchmarkText]) -> None:
        self.by_id: dict[str, list[int]] = defaultdict(list)
        self.by_title: dict[str, list[int]] = defaultdict(list)
        self.by_run: dict[str, list[int]] = defaultdict(list)
        self.strict: dict[str, set[int]] = defaultdict(set)
        short: dict[int, list[str]] = {}
        for number, item in enumerate(benchmark):
            question, answer = words(item.question), words(item.answer)
            for given in item.ids:
                self.by_id[normal_id(given)].append(number)
            for form in title_forms(question):
                self.by_title[form].append(number)
            for run in set(runs(question + answer)):
                self.by_run[run].append(number)
            is_open = item.kind in ("open", "safety")
            for run in runs(question + answer if is_open else answer):
                self.strict[run].add(number)
            if 0 < len(question) < N:
                short[number] = question
        self.short = _ShortQuestions(short)


class _ShortQuestions:
    """Questions under eight words, found through their two rarest words."""

    def __init__(self, questions: Mapping[int, list[str]]) -> None:
        self.questions = dict(questions)
        count: dict[str, int] = defaultdict(int)
        for question in questions.values():
            for word in set(question):
                count[word] += 1
        self.by_rarest: dict[str, list[int]] = defaultdict(list)
        self.by_two_rarest: dict[str, list[int]] = defaultdict(list)
        for number, question in questions.items():
            rarest = sorted(set(question), key=lambda word: (count[word], word))
            self.by_rarest[rarest[0]].append(number)
            # a set of at most seven words that is 80 % alike lacks at most one of them
            for word in rarest[:2]:
                self.by_two_rarest[word].append(number)

    def contained(self, prompt: Sequence[str]) -> Iterable[int]:
        """Questions whose words stand in the prompt in their order."""
        text = f" {' '.join(prompt)} "
        for word in sorted(set(prompt) & self.by_rarest.keys()):
            for number in self.by_rarest[word]:
                question = self.questions[number]
                if len(question) >= MIN_CONTAINED_WORDS and f" {' '.join(question)} " in text:
                    yield number

    def alike(self, sentence: Sequence[str]) -> Iterable[int]:
        """Questions that share at least 80 % of the words of a sentence."""
        have = set(sentence)
        if not 0 < len(have) <= (N - 1) / JACCARD:
            return
        for word in sorted(have & self.by_two_rarest.keys()):
            for number in self.by_two_rarest[word]:
                asked = set(self.questions[number])
                if len(have & asked) >= JACCARD * len(have | asked):
                    yield number


def _hits(example: Example, members: Sequence[Paper], index: _Index) -> list[_Hit]:
    """First rule per item; in the order A, B, C, D."""
    hits: dict[int, _Hit] = {}
    rules = (
        _rule_a(example, members, index),
        _rule_b(example, members, index),
        _rule_c(example, index),
        _rule_d(example, index),
    )
    for hit in (hit for rule in rules for hit in rule):
        known = hits.get(hit.item)
        # a hit of rule C that may be forgiven must not hide one of rule D
        if known is None or known.forgivable:
            hits[hit.item] = hit
    return list(hits.values())


def _rule_a(example: Example, members: Sequence[Paper], index: _Index) -> Iterable[_Hit]:
    ids = {normal_id(example.paper_id)}.union(*(paper_ids(paper) for paper in members))
    for given in sorted(ids & index.by_id.keys()):
        for item in index.by_id[given]:
            yield _Hit(item, "A", given)


def _rule_b(example: Example, members: Sequence[Paper], index: _Index) -> Iterable[_Hit]:
    for title in sorted({example.title, *(paper.title for paper in members)}):
        for form in sorted(title_forms(words(title)) & index.by_title.keys()):
            for item in index.by_title[form]:
                yield _Hit(item, "B", title)


def _rule_c(example: Example, index: _Index) -> Iterable[_Hit]:
    shared: dict[int, list[int]] = defaultdict(list)
    text = words(f"{example.prompt}\n{example.answer}")
    here = runs(text)
    for place, run in enumerate(here):
        for item in index.by_run.get(run, ()):
            shared[item].append(place)
    for item, places in shared.items():
        strict = example.source not in PAPER_SOURCES or any(
            item in index.strict.get(here[place], ()) for place in places
        )
        forgivable = [] if strict else [here[place] for place in places]
        yield _Hit(item, "C", _longest(text, places), forgivable)


def _rule_d(example: Example, index: _Index) -> Iterable[_Hit]:
    found = set(index.short.contained(words(example.prompt)))
    for sentence in re.split(r"[.?!:]\s|[\n.?!]+", example.prompt):
        found.update(index.short.alike(words(sentence)))
    for item in sorted(found):
        yield _Hit(item, "D", " ".join(index.short.questions[item]))


def _longest(text: Sequence[str], places: Sequence[int]) -> str:
    """Words of the longest stretch of neighbouring runs."""
    stretches: list[tuple[int, int]] = []
    for place in places:
        if stretches and place == stretches[-1][1] + 1:
            stretches[-1] = (stretches[-1][0], place)
        else:
            stretches.append((place, place))
    first, last = max(stretches, key=lambda stretch: stretch[1] - stretch[0])
    return " ".join(text[first : last + N])


def _cluster_members(papers_by_id: Mapping[str, Paper]) -> dict[str, list[Paper]]:
    members: dict[str, list[Paper]] = defaultdict(list)
    for paper in papers_by_id.values():
        members[paper.cluster_id or paper.paper_id].append(paper)
    return members


def _without_boilerplate(
    found: Sequence[tuple[Example, _Hit]], papers_by_id: Mapping[str, Paper]
) -> list[tuple[Example, _Hit]]:
    """The hits without those of rule C that consist of boilerplate only."""
    doubtful = {run for _, hit in found for run in hit.forgivable}
    holders: dict[str, set[str]] = defaultdict(set)
    for paper in papers_by_id.values() if doubtful else ():
        for run in doubtful.intersection(runs(words(f"{paper.title}\n{paper.abstract}"))):
            holders[run].add(paper.cluster_id or paper.paper_id)
    return [
        (example, hit)
        for example, hit in found
        if not hit.forgivable
        or any(
            len(holders[run] - {example.cluster_id}) <= BOILERPLATE_CLUSTERS
            for run in hit.forgivable
        )
    ]

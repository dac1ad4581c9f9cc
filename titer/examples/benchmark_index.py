"""The benchmark's texts by id, title form, run of eight words and rarest word.

Invariant: what is looked up is found exactly as by comparing with every item in turn.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from titer.examples.normalise import N, normal_id, runs, title_forms, words
from titer.records import BenchmarkText

JACCARD = 0.8
MIN_CONTAINED_WORDS = 3
"""Rule D looks for no shorter question inside a longer text: two words stand anywhere."""


class BenchmarkIndex:
    """Numbers of benchmark items, found by what an example may share with them."""

    def __init__(self, benchmark: Sequence[BenchmarkText]) -> None:
        """Read every item once; the number of an item is its place in `benchmark`."""
        self.by_id: dict[str, list[int]] = defaultdict(list)
        self.by_title: dict[str, list[int]] = defaultdict(list)
        self.by_run: dict[str, list[int]] = defaultdict(list)
        self.strict: dict[str, set[int]] = defaultdict(set)
        """Runs of a gold answer or of an open question, which are never boilerplate."""
        self._vocabulary: set[str] = set()
        short: dict[int, list[str]] = {}
        for number, item in enumerate(benchmark):
            question, answer = words(item.question), words(item.answer)
            for given in item.ids:
                self.by_id[normal_id(given)].append(number)
            for form in title_forms(question):
                self.by_title[form].append(number)
            for run in set(runs(question + answer)):
                self.by_run[run].append(number)
            self._vocabulary.update(question, answer)
            is_open = item.kind in ("open", "safety")
            for run in runs(question + answer if is_open else answer):
                self.strict[run].add(number)
            if 0 < len(question) < N:
                short[number] = question
        self.short = ShortQuestions(short)

    def shared_runs(self, text: Sequence[str]) -> Iterator[tuple[int, str]]:
        """Place and words of each run of eight that an item holds too, in order."""
        for start, end in self._known_stretches(text):
            for place in range(start, end - N + 1):
                run = " ".join(text[place : place + N])
                if run in self.by_run:
                    yield place, run

    def _known_stretches(self, text: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Start and end of the stretches in which the benchmark knows every word."""
        start = 0
        for place, word in enumerate(text):
            if word not in self._vocabulary:
                if place - start >= N:
                    yield start, place
                start = place + 1
        if len(text) - start >= N:
            yield start, len(text)


class ShortQuestions:
    """Questions under eight words, found through their two rarest words."""

    def __init__(self, questions: Mapping[int, list[str]]) -> None:
        """Take the words of each question by the number of its item."""
        self.questions = dict(questions)
        count: dict[str, int] = defaultdict(int)
        for question in questions.values():
            for word in set(question):
                count[word] += 1
        self._by_rarest: dict[str, list[int]] = defaultdict(list)
        self._by_two_rarest: dict[str, list[int]] = defaultdict(list)
        for number, question in questions.items():
            rarest = sorted(set(question), key=lambda word: (count[word], word))
            self._by_rarest[rarest[0]].append(number)
            # a set of at most seven words that is 80 % alike lacks at most one of them
            for word in rarest[:2]:
                self._by_two_rarest[word].append(number)

    def contained(self, text: Sequence[str]) -> Iterator[int]:
        """Questions whose words stand in the text in their order."""
        joined = f" {' '.join(text)} "
        for word in sorted(self._by_rarest.keys() & set(text)):
            for number in self._by_rarest[word]:
                question = self.questions[number]
                if len(question) >= MIN_CONTAINED_WORDS and f" {' '.join(question)} " in joined:
                    yield number

    def alike(self, sentences: Iterable[Sequence[str]]) -> Iterator[int]:
        """Questions that share at least 80 % of the words of a sentence."""
        for sentence in sentences:
            have = set(sentence)
            if not 0 < len(have) <= (N - 1) / JACCARD:
                continue
            for word in sorted(have & self._by_two_rarest.keys()):
                for number in self._by_two_rarest[word]:
                    asked = set(self.questions[number])
                    if len(have & asked) >= JACCARD * len(have | asked):
                        yield number

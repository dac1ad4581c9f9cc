"""Which training examples the benchmark asks: rules A to E of the contamination gate.

A   the paper, or a duplicate of it, has an id that a benchmark item names
B   a title of the paper equals a benchmark question, in question or statement form
C   prompt + answer share eight words in a row with question + gold answer of an item
D   a question under eight words stands in the prompt, or a sentence of the prompt nearly equals it
E   a text encoder, where one is given, finds the question in other words

Rules A to D compare the words of `normalise.plain`, so letter case, line breaks, punctuation,
accents and mark-up do not matter. What says the same in other words only rule E can find:
`planted_recall` shows that each time.
"""

import re
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from titer.examples.benchmark_index import BenchmarkIndex
from titer.examples.normalise import (
    N,
    example_ids,
    paper_ids,
    plain,
    plain_words,
    runs,
    title_forms,
    words,
)
from titer.examples.paraphrase import Similar, paraphrases
from titer.records import BenchmarkText, Example, Paper

RULES = ("A", "B", "C", "D", "E")

BOILERPLATE_CLUSTERS = 20
"""Words in a row that more than so many other papers hold are no sign of a leak."""

PAPER_SOURCES = frozenset({"pubmed", "arxiv"})
"""Boilerplate is forgiven to papers only, never to a user's own rows."""

MAX_SHOWN = 100
"""Characters of a matched text in an error; the ledger holds all of it."""

_SENTENCE_END = re.compile(r"[.?!:]\s|[\n.?!]+")
_HYPHENATED = re.compile(r"(?<=\w)[-\u2010]\s*\n\s*(?=\w)")


@dataclass(frozen=True)
class Leak:
    """One example that one benchmark item asks, by the first rule that finds it."""

    example_id: str
    paper_id: str
    rule: str
    """One of RULES."""
    item_id: str
    matched: str
    """The id, the words that both hold, or for rule E the cosine and the text."""


def find_leaks(
    examples: Iterable[Example],
    papers_by_id: Mapping[str, Paper],
    benchmark: Sequence[BenchmarkText],
    *,
    similar: Similar | None = None,
    threshold: float = 1.0,
) -> list[Leak]:
    """Every pair of an example and an item that asks it, each under the first rule that fits.

    Args:
        examples: those to check; what is not from PAPER_SOURCES is a user's own row.
        papers_by_id: all papers, duplicates included: rules A and B look at the whole cluster,
            and the boilerplate of rule C is counted over all clusters.
        benchmark: every question that is asked, in every wording.
        similar: the text encoder of rule E; null leaves the rule out.
        threshold: cosine from which rule E calls a text a paraphrase.
    """
    from tqdm.auto import tqdm

    examples = list(examples)
    index = BenchmarkIndex(benchmark)
    clusters = _cluster_members(papers_by_id)
    found = []
    for example in tqdm(examples, desc="contamination gate", unit="example", delay=5):
        members = clusters.get(example.cluster_id, [])
        found += [(example, hit) for hit in _hits(example, members, index)]
    found = _without_boilerplate(found, papers_by_id)
    if similar is not None:
        known = {(example.id, hit.item) for example, hit in found}
        for number, item, matched in paraphrases(examples, benchmark, similar, threshold):
            if (examples[number].id, item) not in known:
                found.append((examples[number], _Hit(item, "E", matched)))
    return [
        Leak(example.id, example.paper_id, hit.rule, benchmark[hit.item].id, hit.matched)
        for example, hit in found
    ]


def fate_of(
    examples: Iterable[Example], used: Iterable[Example], removed: Iterable[Mapping[str, Any]]
) -> tuple[int, dict[str, int], int]:
    """What became of some examples: how many are used, removed by each rule, and in no split.

    Args:
        examples: those that are asked about.
        used: training and validation rows.
        removed: the ledger.
    """
    ids = {example.id for example in examples}
    n_used = len(ids & {example.id for example in used})
    rules = {row["example_id"]: str(row["rule"]) for row in removed if row["example_id"] in ids}
    return n_used, dict(sorted(Counter(rules.values()).items())), len(ids) - n_used - len(rules)


def leak_text(leaks: Sequence[Leak]) -> str:
    """One line for the error of `on_leak: fail`: how many examples, from where, which items.

    A user's own files are all named with their numbers, of papers and items the most frequent.
    """
    by_place = _examples_per((leak.paper_id.partition("#")[0], leak) for leak in leaks)
    own = [f"{n} from {place[4:]}" for place, n in by_place.items() if place.startswith("own:")]
    papers = {place: n for place, n in by_place.items() if not place.startswith("own:")}
    if papers:
        own.append(f"{sum(papers.values())} from {len(papers)} papers ({_few(list(papers))})")
    items = _examples_per((leak.item_id, leak) for leak in leaks)
    n_examples = len({leak.example_id for leak in leaks})
    first = min(leaks, key=lambda leak: (leak.paper_id, leak.example_id, leak.item_id))
    matched = textwrap.shorten(first.matched, MAX_SHOWN, placeholder=" ...")
    return (
        f"{n_examples} training examples hold what the benchmark asks: {', '.join(own)}; "
        f"{len(items)} items: {_few(list(items), 10)}; such as rule {first.rule}: "
        f"{matched!r}. Take them out, or set examples.on_leak=drop to leave the examples out "
        f"and list them in removed.jsonl"
    )


def _examples_per(named: Iterable[tuple[str, Leak]]) -> dict[str, int]:
    """Number of distinct examples per name, most frequent first."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, leak in named:
        found[name].add(leak.example_id)
    ordered = sorted(found, key=lambda name: (-len(found[name]), name))
    return {name: len(found[name]) for name in ordered}


def _few(names: Sequence[str], n_shown: int = 3) -> str:
    more = f" and {len(names) - n_shown} more" if len(names) > n_shown else ""
    return ", ".join(names[:n_shown]) + more


@dataclass
class _Hit:
    item: int
    rule: str
    matched: str
    forgivable: list[str] = field(default_factory=list)
    """Rule C: shared word runs that are no leak if they are boilerplate."""


def _hits(example: Example, members: Sequence[Paper], index: BenchmarkIndex) -> list[_Hit]:
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
        # a hit of rule C that may be forgiven must not hide one that may not
        if known is None or (known.forgivable and not hit.forgivable):
            hits[hit.item] = hit
        elif known.forgivable:
            known.forgivable += hit.forgivable
    return list(hits.values())


def _rule_a(example: Example, members: Sequence[Paper], index: BenchmarkIndex) -> Iterator[_Hit]:
    ids = example_ids(example).union(*(paper_ids(paper) for paper in members))
    for given in sorted(ids & index.by_id.keys()):
        for item in index.by_id[given]:
            yield _Hit(item, "A", given)


def _rule_b(example: Example, members: Sequence[Paper], index: BenchmarkIndex) -> Iterator[_Hit]:
    for title in sorted({example.title, *(paper.title for paper in members)}):
        for form in sorted(title_forms(words(title)) & index.by_title.keys()):
            for item in index.by_title[form]:
                yield _Hit(item, "B", title)


def _rule_c(example: Example, index: BenchmarkIndex) -> Iterator[_Hit]:
    for text in _conversations(example):
        found = list(index.shared_runs(text))
        shared: dict[int, list[int]] = defaultdict(list)
        for place, run in found:
            for item in index.by_run[run]:
                shared[item].append(place)
        here = dict(found)
        for item, places in shared.items():
            strict = example.source not in PAPER_SOURCES or any(
                item in index.strict.get(here[place], ()) for place in places
            )
            forgivable = [] if strict else [here[place] for place in places]
            yield _Hit(item, "C", _longest(text, places), forgivable)


def _conversations(example: Example) -> Iterator[list[str]]:
    """Words of the whole example, and where it matters of each speaker and without hyphenation."""
    turns = [message["content"] for message in example.messages]
    texts = ["\n".join(turns)]
    if len(turns) > 2:  # a question may go on after an answer
        for role in sorted({message["role"] for message in example.messages}):
            said = (turn["content"] for turn in example.messages if turn["role"] == role)
            texts.append("\n".join(said))
    for text in texts:
        for variant in _with_words_rejoined(text):
            yield words(variant)


def _with_words_rejoined(text: str) -> list[str]:
    """The text, and where a line ends in a hyphen also the text with such words put together."""
    return list(dict.fromkeys((text, _HYPHENATED.sub("", text))))


def _rule_d(example: Example, index: BenchmarkIndex) -> Iterator[_Hit]:
    own = example.source not in PAPER_SOURCES
    # whoever writes rows can put the question anywhere; the answer of a paper is its own text
    text = f"{example.prompt}\n{example.answer}" if own else example.prompt
    found: set[int] = set()
    for variant in _with_words_rejoined(text):
        sentences = [plain_words(part) for part in _SENTENCE_END.split(plain(variant))]
        found.update(index.short.contained([word for part in sentences for word in part]))
        found.update(index.short.alike(sentences))
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
        members[paper.cluster].append(paper)
    return members


def _without_boilerplate(
    found: Sequence[tuple[Example, _Hit]], papers_by_id: Mapping[str, Paper]
) -> list[tuple[Example, _Hit]]:
    """The hits without those of rule C that consist of boilerplate only."""
    doubtful = {run for _, hit in found for run in hit.forgivable}
    holders: dict[str, set[str]] = defaultdict(set)
    for paper in papers_by_id.values() if doubtful else ():
        if paper.source not in PAPER_SOURCES:
            continue  # a user's own documents make no boilerplate
        text = "\n".join([paper.title, *(part["text"] for part in paper.texts)])
        for run in doubtful.intersection(runs(words(text))):
            holders[run].add(paper.cluster)
    return [
        (example, hit)
        for example, hit in found
        if not hit.forgivable
        or any(
            len(holders[run] - {example.cluster_id}) <= BOILERPLATE_CLUSTERS
            for run in hit.forgivable
        )
    ]

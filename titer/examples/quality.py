"""What is doubtful about training rows: the checklists of the source systems as counted checks.

Invariant: a check never takes a row out. Each finding has its place and its reason, and what a rule
of words cannot see (accuracy, completeness, being up to date) is not claimed.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from titer import files
from titer.examples import lexicons
from titer.examples.decontaminate import find_leaks
from titer.examples.normalise import words
from titer.records import BenchmarkText, Example

MIN_CHARS, MAX_CHARS = 20, 3000
"""Of an answer, as in the guide for conversations."""
MIN_SATISFACTION = 0.8
"""As in the guide for conversations."""
MIN_ROWS = 1000
"""The chemistry and biology guide: at least 1,000 rows, 10,000 are better."""
MAX_VAGUE_WORDS = 40
"""A longer answer may say "it depends" and still say on what."""
NEAR = 0.85
"""Jaccard similarity of word triples from which two rows are near-duplicates."""
MAX_COMPARED = 50_000
"""Rows that are compared for near-duplicates and with the benchmark; memory grows with them."""
SHOWN = 5
"""Places kept per check."""

CHECKS = {
    "too_short": f"an answer of fewer than {MIN_CHARS} characters",
    "too_long": f"an answer of more than {MAX_CHARS:,} characters",
    "unfinished": "an answer that ends within a sentence",
    "vague": "a short answer that commits to nothing",
    "duplicate": "the prompt and answer of an earlier row",
    "near_duplicate": f"{NEAR:.0%} of the word triples of an earlier row",
    "mixed_domain": "more words of another domain's lexicon than of its own",
    "unsafe_procedure": "a procedure with a hazard and without a line on safety",
    "copied_benchmark": "a question of the benchmark",
    "low_satisfaction": f"a rating below {MIN_SATISFACTION}",
    "no_source": "no source, so rows of one source may stand in two splits",
}
"""Name of a check and what it finds."""

_VAGUE = re.compile(
    r"\b(?:it (?:really |all )?depends|depends on (?:many|several|various|a number of)|"
    r"(?:many|various|several) (?:different )?factors|i(?:'m| am) not sure|i do(?:n't| not) know|"
    r"hard to say|as an ai|something like that|and so on|et cetera|as needed|as appropriate)\b",
    re.IGNORECASE,
)
_HAZARD = re.compile(
    r"\b(?:(?:sulfuric|sulphuric|nitric|hydrochloric|hydrofluoric|perchloric|acetic) acid|"
    r"concentrated acid|piranha|cyanides?|azides?|phosgene|peroxides?|hydrides?|butyllithium|"
    r"n-buli|sodium metal|phenol|chloroform|formaldehyde|paraformaldehyde|glutaraldehyde|"
    r"benzene|toluene|diethyl ether|hexanes?|dichloromethane|methanol|acetone|bromine|chlorine|"
    r"mercury|osmium tetroxide|ethidium bromide|acrylamide|dmso|radioactive|radioisotopes?|"
    r"pathogens?|pathogenic|lentivir(?:al|us)|bsl-?[234]|liquid nitrogen|open flame|autoclave|"
    r"ultraviolet|uv light|needles?)\b",
    re.IGNORECASE,
)
_STEP = re.compile(
    r"\b(?:add|heat|mix|stir|incubate|reflux|distil+|pipette|dissolve|dilute|boil|pour|inject|"
    r"centrifuge|titrate|evaporate|neutrali[sz]e|inoculate|transfer|quench|filter|wash)\b",
    re.IGNORECASE,
)
_SAFETY = re.compile(
    r"\b(?:fume (?:hood|cupboard)|hood|gloves?|goggles|eye protection|face shield|lab coat|ppe|"
    r"protective|ventilat\w+|safety|safely|caution|warning|hazard\w*|danger\w*|biosafety|"
    r"biological waste|waste container|sds|msds|never|do not|behind a (?:blast )?shield)\b",
    re.IGNORECASE,
)
_END = re.compile(r"[.!?:;)\]}\"'\u2019\u201d*|`>\u3002%0-9][*_\s]*$")
_ITEM = re.compile(r"\s*(?:[-*\u2022]|\d+[.)])\s")
MIN_STEPS = 2
"""Words of a step from which an answer is a procedure."""


@dataclass
class Quality:
    """What was found."""

    n_rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """Rows per check of CHECKS; a row may fall under several."""
    shown: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Places of the first rows of each check, with what was seen there."""
    n_not_compared: int = 0
    """Rows beyond MAX_COMPARED."""

    def add(self, check: str, place: str, seen: str = "") -> None:
        """Count a row under a check."""
        self.counts[check] += 1
        if len(self.shown[check]) < SHOWN:
            self.shown[check].append(f"{place}: {seen}" if seen else place)

    def sentences(self) -> Iterator[str]:
        """The findings in words, in the order of CHECKS, then what else is worth a warning."""
        for check, what in CHECKS.items():
            if self.counts[check]:
                yield f"{check}: {self.counts[check]:,} rows: {what}"
        if self.n_not_compared:
            yield (
                f"{self.n_not_compared:,} rows were not compared with others: the first "
                f"{MAX_COMPARED:,} are"
            )
        if self.n_rows < MIN_ROWS:
            yield (
                f"only {self.n_rows:,} rows: below {MIN_ROWS:,} a fine-tune seldom learns facts; "
                "titer data learning-curve shows whether more would help"
            )


def check(
    rows: Iterable[tuple[str, Example]],
    *,
    domain: str = "",
    words_of: Mapping[str, Sequence[str]] | None = None,
    benchmark: Sequence[BenchmarkText] = (),
) -> Quality:
    """Look at every row.

    Args:
        rows: place and example, in order.
        domain: that the rows are meant for.
        words_of: the lexicon of every domain, by name.
        benchmark: questions that no row may hold.
    """
    found = Quality()
    twins = _Twins()
    kept: list[Example] = []
    for place, example in rows:
        found.n_rows += 1
        for name, seen in doubts(example):
            found.add(name, place, seen)
        for other in lexicons.foreign(example, domain, words_of or {}):
            found.add("mixed_domain", place, other)
        if found.n_rows > MAX_COMPARED:
            found.n_not_compared += 1
            continue
        twin = twins.of(example, place)
        if twin:
            found.add(*twin)
        kept.append(replace(example, id=place))  # the leak check names rows by it
    leaks = find_leaks(kept, {}, benchmark) if benchmark else []
    first = {leak.example_id: leak for leak in leaks[::-1]}
    for leak in first.values():
        found.add("copied_benchmark", leak.example_id, f"{leak.item_id} by rule {leak.rule}")
    return found


def doubts(example: Example) -> Iterator[tuple[str, str]]:
    """Names of the checks under which a row falls by itself, each with what was seen."""
    answer = example.answer.strip()
    last_line = answer.rpartition("\n")[2]
    if len(answer) < MIN_CHARS:
        yield "too_short", f"{len(answer)} characters"
    if len(answer) > MAX_CHARS:
        yield "too_long", f"{len(answer):,} characters"
    elif len(answer) >= MIN_CHARS and not (_END.search(answer[-8:]) or _ITEM.match(last_line)):
        yield "unfinished", f"... {answer[-30:]!r}"
    for name, rule in _RULES.items():
        seen = rule(answer)
        if seen:
            yield name, seen
    rating = example.fields.get("satisfaction")
    if rating is not None and rating < MIN_SATISFACTION:
        yield "low_satisfaction", f"{rating}"
    if not (example.source or example.paper_id):
        yield "no_source", ""


def vague(answer: str) -> str:
    """The words by which a short answer commits to nothing; empty for others."""
    seen = _VAGUE.search(answer)
    return seen[0] if seen and len(answer.split()) <= MAX_VAGUE_WORDS else ""


def unsafe_procedure(answer: str) -> str:
    """The hazard in a procedure that says nothing of safety; empty for others."""
    hazard = _HAZARD.search(answer)
    if hazard is None or _SAFETY.search(answer):
        return ""
    steps = {step.lower() for step in _STEP.findall(answer)}
    return hazard[0] if len(steps) >= MIN_STEPS else ""


_RULES: dict[str, Callable[[str], str]] = {"vague": vague, "unsafe_procedure": unsafe_procedure}


class _Twins:
    """Finds the earlier row that a row repeats."""

    def __init__(self) -> None:
        from datasketch import MinHashLSH

        self._same: dict[str, str] = {}
        self._near = MinHashLSH(threshold=NEAR, num_perm=64)

    def of(self, example: Example, place: str) -> tuple[str, str, str] | None:
        """Check, place and the earlier row's place, where there is one."""
        from datasketch import MinHash

        said = words(f"{example.prompt} {example.answer}")
        key = files.sha256_text(" ".join(said))
        earlier = self._same.setdefault(key, place)
        if earlier != place:
            return "duplicate", place, f"as {earlier}"
        triples = {" ".join(said[at : at + 3]).encode() for at in range(max(1, len(said) - 2))}
        sketch = MinHash(num_perm=64)
        sketch.update_batch(triples)
        near = sorted(self._near.query(sketch))
        self._near.insert(place, sketch)
        return ("near_duplicate", place, f"as {near[0]}") if near else None

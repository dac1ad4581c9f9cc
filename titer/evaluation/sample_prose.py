"""The text of the sample papers: sentences that state facts, among prose that states none.

Invariant: nowhere in a paper do the name of a disease and the answer of one of its unstated facts
occur together, and its prose holds no answer of its diseases at all.
"""

import hashlib
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_origin

from titer.errors import DataError, FormatError
from titer.evaluation.items import word_key
from titer.evaluation.questions import check_slots, read_yaml
from titer.records import Fact

SHORTEST_WORDS, LONGEST_WORDS = 90, 150
_ASKING_SHARE = 0.12
_SYNONYM_SHARE_STATEMENTS, _SYNONYM_SHARE_PROSE = 0.2, 0.5
_OBJECTIVE_SHARE, _UNSTRUCTURED_SHARE = 0.3, 0.7
_LABELS = {
    "BACKGROUND": ("BACKGROUND", "BACKGROUND", "INTRODUCTION"),
    "OBJECTIVE": ("OBJECTIVE", "AIM"),
    "METHODS": ("METHODS", "METHODS", "MATERIALS AND METHODS"),
    "RESULTS": ("RESULTS", "RESULTS", "FINDINGS"),
    "CONCLUSIONS": ("CONCLUSIONS", "CONCLUSIONS", "CONCLUSION"),
}
_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
_TAG = re.compile(r"</?(?:i|sup|sub)>")


@dataclass(frozen=True)
class Prose:
    """Text pieces of one domain, as prose.yaml describes them; {subject} and {disease} are one."""

    topics: Mapping[str, str]
    designs: Mapping[str, str]
    settings: Sequence[str]
    staff: Sequence[str]
    keywords: Sequence[str]
    titles: Mapping[str, Sequence[str]]
    background: Sequence[str]
    background_more: Sequence[str]
    objective: Sequence[str]
    methods: Sequence[str]
    comparison: Sequence[str]
    results: Sequence[str]
    conclusions: Sequence[str]
    conclusions_more: Sequence[str]
    german: Sequence[Sequence[str]]
    notice: str
    withdrawn: str
    edits: Mapping[str, str]
    headings: Sequence[str] = ("Humans",)
    """MeSH headings of every paper, after its subjects."""
    arxiv_categories: Sequence[str] = (
        "q-bio.TO", "q-bio.QM", "q-bio.CB", "q-bio.PE", "stat.AP", "physics.med-ph",
    )  # fmt: skip


def load_prose(path: Path) -> Prose:
    """The text pieces of a domain.

    Raises:
        FormatError: the file is missing or no YAML, its keys are not those of `Prose` (the last
            two may be absent), or a piece is no text, too few, or has a slot that nothing fills.
    """
    rows = read_yaml(path)
    if not isinstance(rows, dict):
        raise FormatError(f"{path}:1: a {type(rows).__name__}, expected a mapping")
    known = {field.name for field in fields(Prose)}
    needed = {field.name for field in fields(Prose) if field.default is MISSING}
    if odd := sorted(map(str, (needed - set(rows)) | (set(rows) - known))):
        raise FormatError(f"{path}:1: missing or unknown keys: {', '.join(odd)}")
    for field in fields(Prose):
        expected = _KINDS[get_origin(field.type) or field.type]
        if field.name in rows and not isinstance(rows[field.name], expected):
            seen = type(rows[field.name]).__name__
            raise FormatError(f"{path}:1: {field.name} is a {seen}, expected {expected.__name__}")
    for name, value in rows.items():
        _check_pieces(name, value, f"{path}: {name}")
    return Prose(**rows)


def _check_pieces(name: str, value: Any, where: str) -> None:
    """Refuse what only writing would stumble over, at whichever paper needs it."""
    pieces = _pieces(value)
    if name in ("titles", "german"):
        pieces = [text for piece in pieces for text in _pieces(piece)]
    for text in pieces:
        if not isinstance(text, str) or not text.strip():
            raise FormatError(f"{where}: {text!r:.60} is no text. Write one, in quotes")
        if not _is_closed(text):
            raise FormatError(f"{where}: {text!r}: close each of <i>, <sup>, <sub> in its order")
        if name in _WITH_SLOTS:
            check_slots(text, _SLOTS, where)
    if len(value) < (fewest := _FEWEST.get(name, 1)):
        raise FormatError(f"{where}: {len(value)} entries, at least {fewest} are needed")
    if name == "titles" and not all(isinstance(value.get(k), list) and value[k] for k in _TITLES):
        raise FormatError(f"{where}: expected two lists of titles, {' and '.join(_TITLES)}")
    if name == "german" and not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise FormatError(f"{where}: expected pairs of a title and a sentence")


def _is_closed(text: str) -> bool:
    """Whether every tag is closed, the last opened first."""
    opened: list[str] = []
    for tag in _TAG.findall(text):
        if not tag.startswith("</"):
            opened.append(tag)
        elif not opened or opened.pop() != tag.replace("/", ""):
            return False
    return not opened


def _pieces(value: Any) -> list[Any]:
    """What stands in a list, or in a mapping with its keys; else the value."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else [value]


_NAMES = (
    "topic", "design", "setting", "staff", "sites", "n", "months", "disease", "subject", "other",
    "few", "pct", "minutes", "year",
)  # fmt: skip
_SLOTS = frozenset(f"{{{name}}}" for slot in _NAMES for name in (slot, slot.capitalize()))
_WITH_SLOTS = frozenset(
    ["titles", "background", "background_more", "objective", "methods", "comparison", "results",
     "conclusions", "conclusions_more"]
)  # fmt: skip
_TITLES = ("asking", "telling")
_FEWEST = {"keywords": 2, "headings": 0, "german": 0}
"""Entries of a list or mapping; 1 of all others."""

_KINDS: Mapping[Any, type] = {Mapping: dict, Sequence: list, str: str}
"""Of a field of `Prose` -> as YAML gives it."""


@dataclass(frozen=True)
class Section:
    """One labelled part of an abstract; an unstructured abstract has one, without a label."""

    label: str
    category: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """The sentences, joined by a space; tags i, sup and sub may stand in it."""
        return " ".join(self.sentences)


@dataclass(frozen=True)
class Matter:
    """What a paper is about: its diseases, the main one first, and the facts that it states."""

    key: str
    diseases: tuple[str, ...]
    facts: tuple[tuple[Fact, int], ...]
    """Each with the index of the wording to use."""


@dataclass(frozen=True)
class Draft:
    """A written paper, before it has numbers and a wire format."""

    matter: Matter
    title: str
    sections: tuple[Section, ...]
    keywords: tuple[str, ...]
    statements: frozenset[str]
    """The sentences that state facts."""

    @property
    def abstract(self) -> str:
        """Title-less text without tags."""
        return without_tags(" ".join(section.text for section in self.sections))


def seeded(*parts: object) -> random.Random:
    """A generator whose numbers follow from the parts alone, on every machine."""
    return random.Random("|".join(map(str, parts)))


def without_tags(text: str) -> str:
    """The same text without i, sup and sub; an exponent keeps its sign: 10^3."""
    return _TAG.sub("", text.replace("<sup>", "^").replace("<sub>", "_"))


def _padded(text: str) -> str:
    return f" {word_key(without_tags(text))} "


def ngrams(text: str, n: int) -> set[str]:
    """All runs of n words."""
    tokens = word_key(text).split()
    return {" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)}


class Guard:
    """Knows which facts a text states: those whose disease and answer both occur as whole words."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self.names: dict[str, list[str]] = {}
        self._answers: dict[str, list[tuple[str, list[str]]]] = {}
        for fact in facts:
            names = self.names.setdefault(fact.disease, [fact.disease])
            names += [name for name in fact.disease_synonyms if name not in names]
            terms = [_padded(term) for term in (fact.answer, *fact.answer_synonyms)]
            self._answers.setdefault(fact.disease, []).append((fact.fact_id, terms))
        self._names = {d: [_padded(name) for name in names] for d, names in self.names.items()}

    def stated_in(self, *texts: str) -> set[str]:
        """Ids of the facts stated by these texts taken together, as if they were one sentence."""
        plain = _joined(texts)
        found = [d for d, names in self._names.items() if _has_any(plain, names)]
        return {
            fact_id
            for disease in found
            for fact_id, terms in self._answers[disease]
            if _has_any(plain, terms)
        }

    def is_neutral(self, text: str, diseases: Iterable[str]) -> bool:
        """Whether a text holds no answer of any fact of these diseases."""
        plain = _joined([text])
        rows = (row for disease in diseases for row in self._answers[disease])
        return not any(_has_any(plain, terms) for _, terms in rows)


def _joined(texts: Iterable[str]) -> str:
    # the bar keeps a term from being formed by the end of one text and the start of the next
    return "|".join(map(_padded, texts))


def _has_any(plain: str, terms: Iterable[str]) -> bool:
    return any(term in plain for term in terms)


OPENINGS = (
    "We found that ",
    "Overall, ",
    "In summary, ",
    "Notably, ",
    "Our data show that ",
    "In conclusion, ",
    "Importantly, ",
    "These results indicate that ",
)
"""Phrases before a statement that begins with its answer."""


def statement(fact: Fact, wording: str, name: str) -> str:
    """The sentence that states a fact about a disease called `name`.

    An answer that would open the sentence follows a phrase instead, so that it keeps its small
    letter: a miner takes it as it stands.
    """
    text = wording.format(disease=name, answer=fact.answer)
    if not wording.startswith("{answer}"):
        return _sentence(text)
    digest = hashlib.sha256(f"opening {fact.fact_id} {name}".encode()).digest()
    return OPENINGS[digest[0] % len(OPENINGS)] + text


def _sentence(text: str) -> str:
    first = text.split(" ", 1)[0]
    # gene and antibody names such as pANCA or c-ANCA keep their small letter
    plain = first.isascii() and (len(first) == 1 or first.islower() or first[1].islower())
    return text[0].upper() + text[1:] if plain else text


class Writer:
    """Writes papers; equal seed, matter and attempt give equal text."""

    def __init__(
        self,
        prose: Prose,
        statements: Mapping[str, Sequence[str]],
        guard: Guard,
        unstated: Iterable[str],
        seed: int,
    ) -> None:
        self.prose, self.statements, self.guard, self.seed = prose, statements, guard, seed
        self.unstated = frozenset(unstated)

    def is_safe(self, *texts: str) -> bool:
        """Whether these texts together state no unstated fact."""
        return not self.guard.stated_in(*texts) & self.unstated

    def paper(self, matter: Matter, attempt: int = 0) -> Draft | None:
        """A paper about the matter, or nothing where this attempt broke a rule."""
        page = _Page(self, matter, seeded(self.seed, matter.key, attempt))
        draft = page.draft()
        n_words = len(draft.abstract.split())
        if not SHORTEST_WORDS <= n_words <= LONGEST_WORDS:
            return None
        return draft if self.is_safe(draft.title, draft.abstract, *matter.diseases) else None

    def edited(self, draft: Draft) -> Draft:
        """The same paper with some words of its prose exchanged; statements stay as they are."""
        before = ngrams(draft.abstract, 5)
        new = draft
        for share in (0.25, 0.5, 1.0):
            new = self._exchanged(draft, share)
            after = ngrams(new.abstract, 5)
            if len(before & after) < 0.9 * len(before | after):
                break
        return new

    def _exchanged(self, draft: Draft, share: float) -> Draft:
        rng = seeded(self.seed, draft.matter.key, share)
        edits, diseases = self.prose.edits, draft.matter.diseases
        longest_first = sorted(edits, key=lambda words: (-len(words), words))
        wanted = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")

        def exchange(found: re.Match[str]) -> str:
            return edits[found[0]] if rng.random() < share else found[0]

        def edit(sentence: str) -> str:
            new = wanted.sub(exchange, sentence)
            free = sentence not in draft.statements and self.guard.is_neutral(new, diseases)
            return new if free else sentence

        sections = [
            replace(section, sentences=tuple(edit(text) for text in section.sentences))
            for section in draft.sections
        ]
        return replace(draft, sections=tuple(sections))


class _Page:
    """One paper being written: what it is about, the values of its slots, what was used."""

    def __init__(self, writer: Writer, matter: Matter, rng: random.Random) -> None:
        self.writer, self.prose, self.matter, self.rng = writer, writer.prose, matter, rng
        self.topic = self.chosen("topics", self.prose.topics)
        self.design = self.chosen("designs", self.prose.designs)
        self.used: set[str] = set()
        self.constant: dict[str, Any] = {
            "topic": self.prose.topics[self.topic],
            "design": self.prose.designs[self.design],
            "setting": self.chosen("settings", {text: text for text in self.prose.settings}),
            "staff": self.chosen("staff", {text: text for text in self.prose.staff}),
            "sites": rng.choice(_NUMBERS),
            "n": rng.randint(38, 940),
            "months": rng.randint(6, 48),
        }

    def chosen(self, role: str, texts: Mapping[str, str]) -> str:
        """A key whose text, like the key itself, holds no answer."""
        free = [key for key in sorted(texts) if self.is_neutral(f"{key} | {texts[key]}")]
        if not free:
            raise self.no_text(role)
        return self.rng.choice(free)

    def no_text(self, role: str) -> DataError:
        return DataError(
            f"prose.yaml: nothing in {role} is free of answers for "
            f"{', '.join(self.matter.diseases)}. Add a line that tells nothing about them"
        )

    def name(self, disease: str, synonym_share: float) -> str:
        synonyms = self.writer.guard.names[disease][1:]
        return (
            self.rng.choice(synonyms) if synonyms and self.rng.random() < synonym_share else disease
        )

    def filled(self, template: str, synonym_share: float = _SYNONYM_SHARE_PROSE) -> str:
        rng, diseases = self.rng, self.matter.diseases
        slots = self.constant | {
            "disease": self.name(diseases[0], synonym_share),
            "other": self.name(rng.choice(diseases[1:] or diseases), synonym_share),
            "few": rng.choice(_NUMBERS[1:]),
            "pct": rng.randint(51, 97),
            "minutes": rng.randint(8, 75),
            "year": rng.randint(2001, 2010),
        }
        slots["subject"] = slots["disease"]
        slots |= {key.capitalize(): _sentence(str(value)) for key, value in slots.items()}
        return _sentence(template.format_map(slots))

    def pick(self, role: str) -> str:
        """A sentence of this role that holds no answer and was not used before."""
        templates: list[str] = list(getattr(self.prose, role))
        self.rng.shuffle(templates)
        for template in templates:
            text = self.filled(template)
            if template not in self.used and self.is_neutral(text):
                self.used.add(template)
                return text
        raise self.no_text(role)

    def is_neutral(self, text: str) -> bool:
        return self.writer.guard.is_neutral(text, self.matter.diseases)

    def title(self) -> str:
        kind = "asking" if self.rng.random() < _ASKING_SHARE else "telling"
        templates = list(self.prose.titles[kind])
        self.rng.shuffle(templates)
        titles = [without_tags(self.filled(template, 0.0)) for template in templates]
        return next((title for title in titles if self.is_neutral(title)), titles[0])

    def stated(self, fact: Fact, index: int) -> str:
        wordings = self.writer.statements[fact.relation]
        name = self.name(fact.disease, _SYNONYM_SHARE_STATEMENTS)
        tries = [(index, name)] + [(index + step, fact.disease) for step in range(len(wordings))]
        texts = [statement(fact, wordings[i % len(wordings)], called) for i, called in tries]
        diseases = self.matter.diseases
        return next((text for text in texts if self.writer.is_safe(text, *diseases)), texts[0])

    def draft(self) -> Draft:
        facts = [self.stated(fact, index) for fact, index in self.matter.facts]
        parts = self.skeleton(facts)
        self.fill(parts, target=self.rng.randint(70, 88))
        if self.rng.random() < _UNSTRUCTURED_SHARE:
            sections = [Section("", "", tuple(text for part in parts.values() for text in part))]
        else:
            sections = [
                Section(self.rng.choice(_LABELS[category]), category, tuple(part))
                for category, part in parts.items()
            ]
        return self.assembled(tuple(sections), frozenset(facts))

    def skeleton(self, facts: Sequence[str]) -> dict[str, list[str]]:
        """The sections with all facts and the least prose."""
        rng, rest = self.rng, list(facts)
        parts = {"BACKGROUND": [self.pick("background")]}
        if len(rest) > 2 and rng.random() < 0.5:
            parts["BACKGROUND"].append(rest.pop(0))
        if rng.random() < _OBJECTIVE_SHARE:
            parts["OBJECTIVE"] = [self.pick("objective")]
        parts["METHODS"] = [self.pick("methods")]
        if len(self.matter.diseases) > 1:
            parts["METHODS"].append(self.pick("comparison"))
        last = [rest.pop(0)] if len(rest) > 2 and rng.random() < 0.5 else []
        parts["RESULTS"] = [self.pick("results"), *rest]
        rng.shuffle(parts["RESULTS"])
        parts["CONCLUSIONS"] = [self.pick("conclusions"), *last]
        return parts

    def fill(self, parts: dict[str, list[str]], *, target: int) -> None:
        """Add prose until the abstract has about `target` words."""
        more = [("METHODS", "methods"), ("RESULTS", "results"), ("METHODS", "methods")]
        ends = [("BACKGROUND", "background_more"), ("CONCLUSIONS", "conclusions_more")]
        self.rng.shuffle(ends)
        for category, role in [*more, *ends, *more, *more]:
            if sum(len(text.split()) for part in parts.values() for text in part) >= target:
                return
            place = 0 if role == "methods" else len(parts[category])
            parts[category].insert(place, self.pick(role))

    def assembled(self, sections: tuple[Section, ...], statements: frozenset[str]) -> Draft:
        general = self.rng.sample(sorted(self.prose.keywords), 2)
        keywords = (self.matter.diseases[0], self.topic, self.design, *general)
        return Draft(self.matter, self.title(), sections, keywords, statements)

"""Closed items: one per fact, direction and held-out wording, with candidate answers.

Invariant: a pure function of facts and wordings. Every choice is made by sha256 of ids and texts,
so the same files give the same items on every machine.

Candidates come in equal parts from answers that the sample papers state and from those that they
do not, because score later takes three distractors of the right answer's own class: otherwise
taught answers crowd out untaught ones, and popularity would look like knowledge.
"""

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, zip_longest

from titer import files
from titer.errors import DataError, did_you_mean
from titer.records import ClosedItem, Fact

LETTERS = "ABCD"
MAX_LENGTH_RATIO = 2.0
"""Longest over shortest, in characters, of the right answer and a preferred distractor."""
DEV_SHARE = 5
"""One disease in so many belongs to dev."""
STATED_SHARE = 0.6
"""Of the facts, in the sample papers."""

_GREEK = re.compile("[\u03b1-\u03c9]")
_DELETED = str.maketrans("", "", "*'`\u2018\u2019\u00b4\u00ad\u200b\u200d")
_BREAK = re.compile(r"[^\w]+|_")


HIDDEN = "a disease"
"""What stands for a fact's subject in a blind question where the wordings do not say."""


@dataclass(frozen=True)
class Templates:
    """The wordings of one relation; {disease}, the fact's subject, and {answer} are filled in."""

    label: str
    statements: tuple[str, ...]
    """For the sample papers and their examples; never scored."""
    questions: tuple[str, ...]
    """Held out: the only forward wordings that are scored."""
    reverse: tuple[str, ...]
    """From the answer to the disease, also held out."""
    hidden: str = HIDDEN
    """What {disease} becomes in the blind question, such as a hormone."""


@dataclass(frozen=True)
class Option:
    """An answer that facts of one relation share, or a disease."""

    text: str
    names: tuple[str, ...]
    """`word_key` of the text and of its synonyms."""
    stated: bool
    """Whether a fact that owns it is stated."""
    n_facts: int
    """Facts that own it: the stated ones of a stated option, else all."""


@lru_cache(maxsize=65_536)
def word_key(text: str) -> str:
    """The words by which names are compared: folded, lower case, singular, single spaces.

    Example: `word_key("Anti-dsDNA antibodies")` is `"anti dsdna antibody"`.
    """
    plain = unicodedata.normalize("NFKD", text).lower().translate(_DELETED)
    plain = (
        "".join(c for c in plain if not unicodedata.combining(c)) if not plain.isascii() else plain
    )
    plain = _GREEK.sub(_greek_name, plain)
    return " ".join(_singular(word) for word in _BREAK.split(plain) if word)


def _greek_name(found: re.Match[str]) -> str:
    name = unicodedata.name(found[0]).rpartition(" ")[2].lower()
    return f" {name.replace('lamda', 'lambda')} "


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def is_dev(disease: str) -> bool:
    """Whether a disease belongs to the development part: one in five, by hash."""
    return _hash("part", disease) % DEV_SHARE == 0


def stated(fact_id: str) -> bool:
    """Whether the sample papers state this fact: about 60 of 100 ids, by hash."""
    return int(files.sha256_text(fact_id)[:8], 16) < STATED_SHARE * 2**32


def choice_order(key: str, gold: str, options: Iterable[Option]) -> list[str]:
    """Distractors in the order of preference: similar length first, then drawn by hash.

    An option is drawn in proportion to its facts, as right answers are: if popular answers were
    right more often than they are distractors, a model that knows only which answers are popular
    would beat chance with the disease hidden (by 5 points in a run on pocket).
    Reference: Efraimidis and Spirakis (2006), weighted sampling without replacement.
    """

    def draw(option: Option) -> float:
        uniform = (_hash(key, option.text) + 1) / 2**64
        return -math.log(uniform) / option.n_facts

    ranked = sorted(options, key=lambda o: (not _similar_length(gold, o.text), draw(o), o.text))
    return [option.text for option in ranked]


def _similar_length(one: str, other: str) -> bool:
    short, long = sorted((len(one), len(other)))
    return long <= MAX_LENGTH_RATIO * max(short, 1)


def _hash(*parts: str) -> int:
    return int(files.sha256_text("|".join(parts))[:16], 16)


def options(
    facts: Iterable[Fact], direction: str, stated: Callable[[str], bool]
) -> dict[str, list[Option]]:
    """By relation, what can be answered: answers forward, diseases in reverse."""
    owners: dict[str, dict[str, list[Fact]]] = defaultdict(lambda: defaultdict(list))
    for fact in facts:
        owners[fact.relation][word_key(_names(fact, direction)[0])].append(fact)
    return {
        relation: [_option(group, direction, stated) for group in groups.values()]
        for relation, groups in owners.items()
    }


def _names(fact: Fact, direction: str) -> list[str]:
    if direction == "forward":
        return [fact.answer, *fact.answer_synonyms]
    return [fact.disease, *fact.disease_synonyms]


def _option(group: Sequence[Fact], direction: str, stated: Callable[[str], bool]) -> Option:
    names = {word_key(name) for fact in group for name in _names(fact, direction)}
    text = _names(group[0], direction)[0]
    n_stated = sum(stated(fact.fact_id) for fact in group)
    return Option(text, tuple(sorted(names)), n_stated > 0, n_stated or len(group))


def closed_items(
    facts: Sequence[Fact],
    templates: Mapping[str, Templates],
    *,
    formats: Sequence[str],
    max_candidates: int,
    stated: Callable[[str], bool],
) -> list[ClosedItem]:
    """All closed items of a domain, in the order of facts, directions and wordings.

    Args:
        facts: every fact gives a forward item, even one without distractors, which score counts.
        templates: by relation.
        formats: cloze, and on request reverse (only where the answer names one disease) and
            letter (where there are three distractors).
        max_candidates: candidates per item, the right one included.
        stated: whether the sample papers state the fact with this id.

    Raises:
        DataError: a relation has no wordings.
    """
    for fact in facts:
        if fact.relation not in templates:
            hint = did_you_mean(fact.relation, templates)
            raise DataError(f"{fact.fact_id}: relation {fact.relation!r} has no templates{hint}")
    directions = ["forward", *(["reverse"] if "reverse" in formats else [])]
    builders = {
        name: _Builder(facts, templates, name, max_candidates, stated) for name in directions
    }
    return [
        item
        for fact in facts
        for builder in builders.values()
        for item in builder.items(fact, letter="letter" in formats)
    ]


class _Builder:
    """Items of one direction."""

    def __init__(
        self,
        facts: Sequence[Fact],
        templates: Mapping[str, Templates],
        direction: str,
        max_candidates: int,
        stated: Callable[[str], bool],
    ) -> None:
        self.templates, self.direction, self.max = templates, direction, max_candidates
        self.options = options(facts, direction, stated)
        self.facts: dict[str, list[Fact]] = defaultdict(list)
        for fact in facts:
            self.facts[fact.relation].append(fact)
        asked = [fact.fact_id for fact in facts if self._wordings(fact)]
        ranked = sorted(asked, key=lambda fact_id: _hash("gold", direction, fact_id))
        self.rank = {fact_id: rank for rank, fact_id in enumerate(ranked)}

    def items(self, fact: Fact, *, letter: bool) -> list[ClosedItem]:
        """Cloze items of a fact and, on request, those with lettered choices (forward only)."""
        wordings = self._wordings(fact)
        if not wordings:
            return []
        gold = _names(fact, self.direction)[0]
        same, other = self._distractors(fact, gold)
        mixed = [text for text in chain(*zip_longest(same, other)) if text][: self.max - 1]
        cloze = self._placed(fact, gold, mixed)
        made = [self._item(fact, number, cloze) for number in range(len(wordings))]
        lettered = [*same, *other][: len(LETTERS) - 1]
        if letter and self.direction == "forward" and len(lettered) == len(LETTERS) - 1:
            choices = self._placed(fact, gold, lettered)
            made += [_as_letters(self._item(fact, n, choices)) for n in range(len(wordings))]
        return made

    def _wordings(self, fact: Fact) -> tuple[str, ...]:
        if self.direction == "forward":
            return self.templates[fact.relation].questions
        return self.templates[fact.relation].reverse if self._is_unique(fact) else ()

    def _is_unique(self, fact: Fact) -> bool:
        """Whether no other disease has this answer, so that it names one disease."""
        names = [word_key(name) for name in _names(fact, "forward")]
        others = (f for f in self.facts[fact.relation] if f.disease != fact.disease)
        return not any(
            _is_near(name, word_key(true))
            for other in others
            for true in [*_names(other, "forward"), *other.also_true]
            for name in names
        )

    def _distractors(self, fact: Fact, gold: str) -> tuple[list[str], list[str]]:
        """Distractors of the right answer's class and of the other one, best first."""
        known = {option.text: option for option in self.options[fact.relation]}
        own = next(o for o in known.values() if word_key(gold) == word_key(o.text))
        forbidden = [word_key(name) for name in self._true_of(fact)]
        allowed = [
            option
            for option in known.values()
            if not any(_is_near(name, true) for name in option.names for true in forbidden)
        ]
        ranked = choice_order(f"{fact.fact_id}|{self.direction}", gold, allowed)
        same = [text for text in ranked if known[text].stated == own.stated]
        return same, [text for text in ranked if known[text].stated != own.stated]

    def _true_of(self, fact: Fact) -> list[str]:
        """Names that would also be right."""
        if self.direction == "reverse":
            return _names(fact, "reverse")
        rows = [f for f in self.facts[fact.relation] if f.disease == fact.disease]
        return [name for row in rows for name in [*_names(row, "forward"), *row.also_true]]

    def _placed(self, fact: Fact, gold: str, distractors: list[str]) -> tuple[list[str], int]:
        position = self.rank[fact.fact_id] % (len(distractors) + 1)
        return [*distractors[:position], gold, *distractors[position:]], position

    def _item(self, fact: Fact, number: int, choices: tuple[list[str], int]) -> ClosedItem:
        wording = self._wordings(fact)[number]
        template_id = f"{'q' if self.direction == 'forward' else 'r'}{number + 1}"
        filled = wording.replace("{answer}", fact.answer)
        hidden = self.templates[fact.relation].hidden
        return ClosedItem(
            id=f"{fact.fact_id}:{self.direction}:{template_id}",
            set="facts",
            question=_asked(filled, fact.disease),
            candidates=choices[0],
            gold=choices[1],
            cluster=fact.disease,
            relation=fact.relation,
            fact_id=fact.fact_id,
            direction=self.direction,
            template_id=template_id,
            part="dev" if is_dev(fact.disease) else "test",
            blind_question=_asked(filled, hidden) if self.direction == "forward" else None,
        )


def _asked(wording: str, disease: str) -> str:
    text = wording.replace("{disease}", disease)
    return text[:1].upper() + text[1:]


def _is_near(one: str, other: str) -> bool:
    """Whether one name's words all stand in the other: thyroid and thyroid gland."""
    words, others = set(one.split()), set(other.split())
    return bool(words and others) and (words <= others or others <= words)


def _as_letters(item: ClosedItem) -> ClosedItem:
    """The same item with its choices in the question and letters to choose from."""
    lines = "".join(
        f"\n{letter}. {text}" for letter, text in zip(LETTERS, item.candidates, strict=True)
    )
    row = item.to_json() | {
        "id": f"{item.id}:letter",
        "format": "letter",
        "question": item.question + lines,
        "candidates": list(LETTERS),
        "blind_question": None if item.blind_question is None else item.blind_question + lines,
    }
    return ClosedItem.from_json(row)

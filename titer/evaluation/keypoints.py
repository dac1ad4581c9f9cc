"""Which key points does an answer state? Phrase matching with negation, and the rubric's sums.

Invariant: a pure function of the answer's text and the phrases; spans count characters of the
original answer, so that `answer[start:end]` is exactly what the reader may highlight.

Folding (`normalise`): compatibility forms (NFKC), lower case, no accents, Greek letters by name
(apart from a capital before it, as in TNFalpha), no apostrophes or stars (a space between digits,
as in DRB1*04:01), hyphens and slashes as spaces, "n't" as "not". A phrase matches whole words,
each also in its plural (s, es, y to ies), so phrases are written in the singular. A mention is
negated if a negation word stands before it, in the same clause, within five words. Clauses end
at . ; ! ? at "but", "however", "although", "whereas", "because", at ", it is" and where a list item
begins. A "no" that is a reply of its own ("No: stop it", "**No**", then a line) negates nothing.

Known limits, kept as cases in tests/fixtures/keypoint_cases.jsonl: negation that follows the
mention, hedges ("rarely"), a negation meant for another word, and lists of keywords, which get
full marks. Read the recall together with the must-not hits and the length of the answer.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypedDict

MET = "met"
NEGATED = "negated"
MISSING = "missing"

WINDOW_WORDS = 5
"""How many words before a mention may negate it."""

Span = tuple[int, int]

_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho"
    " sigma sigma tau upsilon phi chi psi omega"
)
_GREEK_NAMES = {chr(ord("α") + i): f" {name} " for i, name in enumerate(_GREEK.split())}
_DELETED = frozenset("*'’‘ʼ`´\u00ad\u200b\u200c\u200d\u2060\ufeff")
_KEPT = frozenset(".,;!?")

# A line ends a clause before a list item or an empty line, unless it announces one with a colon.
_LINE_END = re.compile(r"[^\s:][^\S\n]*(\n)(?=\s*(?:[-*•#]|\d+[.)]\s|\Z)|[^\S\n]*\n)")
_NOT = re.compile(r"(\bca)?(n)['’‘ʼ`]t\b|\bcan(n)ot\b", re.IGNORECASE)
_REPLY = re.compile(r"(?:\A|[\n.:;!?])[^\w\n]*\bno\b[*_\"”]*[^\S\n]*([:\n])", re.IGNORECASE)
_STAR = re.compile(r"(?<=\d)\*(?=\d)")
_GLUED = re.compile(r"(?<=[A-Z0-9])(?:alpha|beta|gamma|delta|kappa)(?![a-z])")
_DASH = re.compile(r"—|(?<=\s)[-–−](?=\s)")

_CLAUSE_END = re.compile(
    r"(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)\.(?=\s|$)|[;!?]|\b(?:but|however|although|whereas)\b"
    r"|(?<!\bnot )\bbecause\b|, ?(?:it|this|that|they|these|those) (?:is|are)\b"
)
# Contractions typed without their apostrophe.
_CONTRACTED = (
    "(?:do|does|did|is|are|was|were|wo|would|should|ca|could|has|have|had|must|need|may)nt"
)
_PLAIN_NEGATION = re.compile(rf"\b(?:no|not|never|neither|nor|{_CONTRACTED})\b")
_OTHER_NEGATION = re.compile(
    r"\b(?:absence of|absent|lack of|lacks?|lacking|negative for|rule out|ruled out|denies"
    r"|avoid|avoids|avoiding|avoidance of)\b"
)
# These reach only as far as the next comma: "Unlike RA, SLE shows anti-dsDNA".
_UP_TO_COMMA = re.compile(r"\b(?:unlike|without|rather than|instead of)\b")
_ADJACENT_NEGATION = re.compile(r"\bnon $")
_NO_NEGATION = re.compile(
    r"\bno ?,|\bor not\b|\bnot (?:only|just|merely|simply)\b"
    r"|\bnot (?:(?:be )?delay\w*|wait\w*|withhold\w*|hesitate\w*)\b"
    r"|\bwithout (?:any )?(?:delay|waiting)\b|\bno (?:doubt|delay)\b"
)


@dataclass(frozen=True)
class Match:
    """What became of one phrase: `met`, `negated` or `missing`, and where it stands."""

    state: str
    span: Span | None = None


@dataclass(frozen=True)
class PointResult:
    """What became of one key point; one span per phrase of the alternative that decided."""

    state: str
    spans: list[Span] = field(default_factory=list)


class ScoredPoint(TypedDict):
    """One key point of one answer."""

    id: str
    state: str
    spans: list[Span]


class MustNotHit(TypedDict):
    """One statement that the answer should not have made."""

    id: str
    spans: list[Span]


@dataclass(frozen=True)
class AnswerScore:
    """The sums of one answer; recall and rubric are None where there are no key points."""

    recall: float | None
    rubric: float | None
    key_points: list[ScoredPoint]
    must_not: list[MustNotHit]
    critical_missed: list[str]


def normalise(text: str) -> str:
    """The text as phrases see it: folded, single spaces, punctuation other than .,;!? removed.

    Example: `normalise("Anti–dsDNA, HLA-B*27 & TNF-α")` is `"anti dsdna, hla b27 tnf alpha"`.
    """
    return _fold(text)[0]


def find_phrase(answer: str, phrase: str) -> Match:
    """The first un-negated mention of a phrase, else the first negated one.

    A phrase with a "no", "not", "never" or "cannot" of its own is never negated.
    """
    folded, origins = _fold(answer)
    negatable = not _PLAIN_NEGATION.search(normalise(phrase))
    first_negated: Span | None = None
    for found in _pattern(phrase).finditer(folded):
        span = _original_span(answer, origins, found)
        if not (negatable and _is_negated(folded[: found.start()])):
            return Match(MET, span)
        first_negated = first_negated or span
    return Match(NEGATED, first_negated) if first_negated else Match(MISSING)


def judge_point(answer: str, any_of: Sequence[Sequence[str]]) -> PointResult:
    """Whether the answer states a point.

    Args:
        any_of: alternatives; an alternative is met if all its phrases are. The first one that
            is met decides; otherwise the first one that is present, in part negated.
    """
    first_negated: PointResult | None = None
    for phrases in any_of:
        result = _judge_alternative(answer, phrases)
        if result.state == MET:
            return result
        if result.state == NEGATED:
            first_negated = first_negated or result
    return first_negated or PointResult(MISSING)


def score_answer(
    answer: str,
    key_points: Sequence[Mapping[str, Any]],
    must_not: Sequence[Mapping[str, Any]],
    overrides: Mapping[str, bool] | None = None,
) -> AnswerScore:
    """Recall and rubric of one answer.

    Args:
        answer: the final answer, without the thought.
        key_points: `{id, any_of, points, critical}`; points default to 1, critical to false.
        must_not: `{id, any_of, points}`; points default to -1.
        overrides: by id of a point or statement, whether a person found it in the answer.
    Returns:
        recall: points met / points possible.
        rubric: (points met + points of must-not hits) / points possible, clipped to [0, 1].
    """
    known = overrides or {}
    judged = [(point, _judge(answer, point, known)) for point in key_points]
    hits = [(point, _judge(answer, point, known)) for point in must_not]
    hits = [(point, result) for point, result in hits if result.state == MET]
    possible = _total(key_points, default=1)
    met = _total([point for point, result in judged if result.state == MET], default=1)
    lost = _total([point for point, _ in hits], default=-1)
    return AnswerScore(
        recall=met / possible if possible else None,
        rubric=min(max((met + lost) / possible, 0.0), 1.0) if possible else None,
        key_points=[
            {"id": point["id"], "state": result.state, "spans": result.spans}
            for point, result in judged
        ],
        must_not=[{"id": point["id"], "spans": result.spans} for point, result in hits],
        critical_missed=[
            point["id"] for point, r in judged if point.get("critical") and r.state != MET
        ],
    )


def _judge(answer: str, point: Mapping[str, Any], overrides: Mapping[str, bool]) -> PointResult:
    """The matcher's result, or a person's; an overridden one keeps spans only where both agree."""
    result = judge_point(answer, point["any_of"])
    state = {None: result.state, True: MET, False: MISSING}[overrides.get(point["id"])]
    return result if state == result.state else PointResult(state)


def _total(points: Sequence[Mapping[str, Any]], *, default: float) -> float:
    return float(sum(point.get("points", default) for point in points))


def _judge_alternative(answer: str, phrases: Sequence[str]) -> PointResult:
    matches = [find_phrase(answer, phrase) for phrase in phrases]
    states = {match.state for match in matches}
    if not matches or MISSING in states:
        return PointResult(MISSING)
    spans = [match.span for match in matches if match.span is not None]
    return PointResult(NEGATED if NEGATED in states else MET, spans)


@lru_cache(maxsize=256)
def _fold(text: str) -> tuple[str, tuple[int, ...]]:
    """Folded text, and for each of its characters the index of the original character."""
    marks = _marks(text)
    folded: list[str] = []
    origins: list[int] = []
    for index, character in enumerate(text):
        for piece in marks.get(index) or _fold_character(character):
            if piece != " " or (folded and folded[-1] != " "):
                folded.append(piece)
                origins.append(index)
    joined = "".join(folded).rstrip()
    return joined, tuple(origins[: len(joined)])


def _marks(text: str) -> dict[int, str]:
    """What stands for a character whose meaning depends on its neighbours, by position.

    Line ends and dashes that separate clauses; "don't", "can't", "cannot" as "do not", "can not".
    """
    marks = {found.start(): " " for found in _STAR.finditer(text)}
    marks |= {found.start(): f" {found[0][0]}" for found in _GLUED.finditer(text)}
    marks |= {found.start(1): "; " for found in _LINE_END.finditer(text)}
    marks |= {found.start(1): ", " for found in _REPLY.finditer(text)}
    marks |= {found.start(): ", " for found in _DASH.finditer(text)}
    for found in _NOT.finditer(text):
        if found[3]:
            marks[found.start(3)] = " n"
        else:
            marks[found.start(2)] = "n no" if found[1] else " no"
    return marks


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    return "".join(
        _fold_plain(plain)
        for plain in unicodedata.normalize("NFKD", character).lower()
        if not unicodedata.combining(plain)
    )


def _fold_plain(character: str) -> str:
    if character in _GREEK_NAMES:
        return _GREEK_NAMES[character]
    if character in _DELETED:
        return ""
    return character if character.isalnum() or character in _KEPT else " "


@lru_cache(maxsize=4096)
def _pattern(phrase: str) -> re.Pattern[str]:
    """Whole words of a phrase, plurals included; decimals are one word. Empty: never matches."""
    words = normalise(phrase).strip(" .,;!?").split()
    if not words:
        return re.compile(r"(?!)")
    body = " ".join(_word_pattern(word) for word in words)
    return re.compile(rf"(?<!\w)(?<!\d\.){body}(?!\w|\.\d)")


def _word_pattern(word: str) -> str:
    if word.endswith("y"):
        return rf"{re.escape(word[:-1])}(?:ys?|ies)"
    return rf"{re.escape(word)}(?:s|es)?"


def _original_span(answer: str, origins: Sequence[int], found: re.Match[str]) -> Span:
    end = origins[found.end() - 1] + 1
    while end < len(answer) and unicodedata.combining(answer[end]):
        end += 1
    return origins[found.start()], end


def _is_negated(before: str) -> bool:
    """Whether a mention is negated, given the folded text before it."""
    # Five words fit easily into 400 characters; without a bound, repetitive answers take minutes.
    clause = _CLAUSE_END.split(before[-400:])[-1]
    words = "".join(f"{word} " for word in clause.split()[-WINDOW_WORDS:])
    words = _NO_NEGATION.sub(" ", words)
    return bool(
        _PLAIN_NEGATION.search(words)
        or _OTHER_NEGATION.search(words)
        or _UP_TO_COMMA.search(words.rsplit(",", 1)[-1])
        or _ADJACENT_NEGATION.search(words)
    )

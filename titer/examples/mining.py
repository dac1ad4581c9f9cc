"""Questions with short answers, mined from single sentences by regular expressions.

Precision before yield: a sentence that is not plainly of one of three forms gives nothing. The
question is made of the sentence's own words and the answer is a span of it.

    The NP of|in|for B is C.                      What is the NP of B?       C
    C is the NP of|in|for B.                      What is the NP of B?       C
    B is VERBed by|with|for|to|through C.         What is B VERBed by?       C
"""

import re
from dataclasses import dataclass

from titer.examples.sentences import sentences
from titer.examples.word_lists import (
    ADJECTIVES,
    ADVERBS,
    CLAUSE_WORDS,
    DESCRIPTIONS,
    PASSIVE_NOT,
    PASSIVE_TO,
    PREPOSITIONS,
    PRONOUNS,
    STUDY_WORDS,
    VAGUE_NOUNS,
    VAGUE_SUBJECTS,
)

MAX_ANSWER_WORDS = 8
MAX_SUBJECT_WORDS = 10
MAX_NOUN_WORDS = 5


@dataclass(frozen=True)
class Mined:
    """One question and where its answer stands in the text, in characters."""

    question: str
    start: int
    end: int


_OPENING = re.compile(
    r"(?:(?:in (?:conclusion|summary|short|brief|addition)|to conclude|conclusions?|overall|thus|"
    r"therefore|hence|moreover|furthermore|notably|importantly|finally|collectively|"
    r"taken together)[,:] |"
    r"(?:here,? )?(?:we|our (?:results|findings|data)|th(?:e|ese) (?:results|findings|data)|"
    r"(?:this|the present) study|it)(?: also)? (?:f(?:ound|ind)|conclude[ds]?|show(?:s|ed)?|"
    r"confirm(?:s|ed)?|indicate[ds]?|demonstrate[ds]?|reports?|observed?|is (?:well )?known) "
    r"that )+",
    re.IGNORECASE,
)
_NOUN_FIRST = re.compile(
    r"the (?P<noun>.+?) (?P<prep>of|in|for) (?P<subject>.+?) (?P<be>is|are) (?P<answer>.+)",
    re.IGNORECASE,
)
_ANSWER_FIRST = re.compile(
    r"(?P<answer>.+?) (?P<be>is|are) the (?P<noun>.+?) (?P<prep>of|in|for) (?P<subject>.+)"
)
_PASSIVE = re.compile(
    r"(?P<subject>.+?) (?P<be>is|are) "
    r"(?P<adverb>(?:[a-z]+ly|first|further|often|sometimes|always) )?"
    r"(?P<verb>[a-z-]+ed(?: up)?|driven|bound|known|made|seen|given) "
    r"(?P<prep>by|with|for|to|through) (?P<answer>.+)"
)
_ENUMERATION = re.compile(r"\S+(?: \S+){0,2}(?:, \S+(?: \S+){0,2})+,? (?:and|or) [^,]+")
_ATTACHED = re.compile(r"(?<=\w)\([\w+-]+\)")
_UNFIT = re.compile(r"[()\[\]<>=;,?!\"\u201c\u201d]|: |\. ")
_HEADING = re.compile(r"\w (?:A|An|The|In|It|This) ")
# "still unknown", but not Still disease
_NO_THING = re.compile(r"still |[\d.]+ (?:second|minute|hour|day|week|month|year)")
_ADJECTIVE = re.compile(r"\w+(?:able|ible|ous|ful|ed)")
# "the disorder": which one stands in another sentence
_POINTS_BACK = re.compile(
    r"^one of\b|\bthe (?:underlying |same |present |latter )?"
    r"(?:disease|disorder|condition|syndrome|illness|patients?|procedure|treatment)\b",
    re.IGNORECASE,
)
_ARTICLES = frozenset(("the", "a", "an"))


def mine(text: str, context: str = "") -> list[Mined]:
    """Questions of a text, at most one per sentence, in order.

    Args:
        text: where the answers stand.
        context: more text of the same paper, read only to tell names from words that have their
            capital because they begin a sentence.
    """
    found = []
    for start, end in sentences(text):
        mined = _mine_sentence(text, start, end, f"{text} {context}")
        if mined:
            found.append(mined)
    return found


def _mine_sentence(text: str, start: int, end: int, context: str) -> Mined | None:
    if text[end - 1] != ".":
        return None
    opening = _OPENING.match(text, start, end - 1)
    start = opening.end() if opening else start
    for pattern, question_of in _FORMS:
        match = pattern.fullmatch(text, start, end - 1)
        question = question_of(match, context) if match else None
        if match and question and _is_answer(match["answer"]):
            return Mined(question, *match.span("answer"))
    return None


def _noun_question(match: re.Match[str], context: str) -> str | None:
    noun, subject = match["noun"], match["subject"]
    if not (_is_noun(noun) and _is_subject(subject)):
        return None
    named = without_capital(subject, context)
    return f"What {match['be'].lower()} the {noun} {match['prep']} {named}?"


def _passive_question(match: re.Match[str], context: str) -> str | None:
    verb, prep, subject = match["verb"], match["prep"], match["subject"]
    if verb in PASSIVE_NOT or (prep == "to" and verb not in PASSIVE_TO):
        return None
    if not _is_subject(subject):
        return None
    adverb = match["adverb"] or ""
    return f"What {match['be']} {without_capital(subject, context)} {adverb}{verb} {prep}?"


_FORMS = (
    (_NOUN_FIRST, _noun_question),
    (_ANSWER_FIRST, _noun_question),
    (_PASSIVE, _passive_question),
)


def _is_noun(noun: str) -> bool:
    words = noun.lower().split()
    if not _is_phrase(noun, MAX_NOUN_WORDS) or words[0] in PRONOUNS - {"most"}:
        return False
    unfit = CLAUSE_WORDS | STUDY_WORDS | VAGUE_NOUNS | PREPOSITIONS
    return not unfit.intersection(words) and not re.fullmatch(r"most|\w+est", words[-1])


def _is_subject(subject: str) -> bool:
    words = subject.lower().split()
    if not _is_phrase(subject, MAX_SUBJECT_WORDS) or _POINTS_BACK.search(subject):
        return False
    if words[0] in PREPOSITIONS | PRONOUNS | ADVERBS or words[0].endswith("ly,"):
        return False
    core = words[1:] if words[0] in _ARTICLES else words
    vague = not core or (len(core) == 1 and core[0] in VAGUE_SUBJECTS)
    return not vague and not (CLAUSE_WORDS | STUDY_WORDS).intersection(words)


def _is_answer(answer: str) -> bool:
    words = answer.lower().split()
    if not _is_phrase(answer, MAX_ANSWER_WORDS) or _NO_THING.match(answer):
        return False
    if words[0] in PRONOUNS | PREPOSITIONS | ADVERBS or words[-1] in _ARTICLES | PREPOSITIONS:
        return False
    # "the aorta and its branches" is complete
    if (CLAUSE_WORDS - {"its"} | STUDY_WORDS).intersection(words):
        return False
    return not _is_description(words)


def _is_description(words: list[str]) -> bool:
    """Whether the phrase says how something is, not what: higher, positive in both, inflamed by."""
    first = words[0]
    if first in DESCRIPTIONS or _is_adverb(first):
        return True
    alone = len(words) == 1 or words[1] in PREPOSITIONS | {"and", "or"}
    return alone and (first in ADJECTIVES or bool(_ADJECTIVE.fullmatch(first)))


def _is_adverb(word: str) -> bool:
    return word.endswith("ly") and word not in ("family", "early")


def _is_phrase(phrase: str, max_words: int) -> bool:
    fits = 0 < len(phrase.split()) <= max_words and phrase == phrase.strip()
    has_letter = bool(re.search(r"[^\W\d_]", phrase))
    plain = _ATTACHED.sub("", phrase)
    if _ENUMERATION.fullmatch(plain):
        plain = plain.replace(",", "")
    # a capital article inside begins a sentence whose predecessor, a heading, has no full stop
    return fits and has_letter and not _UNFIT.search(plain) and not _HEADING.search(plain)


def without_capital(subject: str, context: str) -> str:
    """The subject, as `context` writes it, without the capital that only begins the sentence.

    An article loses it, and a word that the paper also writes small; names keep theirs.
    """
    first = subject.split()[0]
    small = first[0].lower() + first[1:]
    known = small in _ARTICLES | DESCRIPTIONS | ADJECTIVES
    if known or re.search(rf"(?<![\w-]){re.escape(small)}(?![\w-])", context):
        return small + subject[len(first) :]
    return subject

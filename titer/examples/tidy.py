"""Which part of a section is fit to be an answer.

Off its ends come label rests, trial registrations, funding, and sentences that only announce:
"Further studies are needed", "Implications are discussed". What then begins or ends in the middle
of a sentence is no answer at all. The rules were found by judging real abstracts.
"""

import re

from titer.examples.sections import UNASSIGNED, category
from titer.examples.sentences import sentences

_LABEL_BEFORE = re.compile(r"[\s:;,.–-]*(?:(?P<label>[A-Z][A-Za-z]+(?: [A-Za-z]+){0,2}):\s+)?")
# a label that was split at its slash leaves its first half here: "... glioma.STUDY DESIGN/"
_LABEL_AFTER = re.compile(r"(?<=[.?!])\s*[A-Z]{4,}(?:[ /&,-]+[A-Z]*)*$")
# a label that lost its own element: "... is unknown.AIM: A prospective study"
_LABEL_INSIDE = re.compile(r"(?<=[.?!])\s?[A-Z]{3,}(?:[ /&]+[A-Z]{2,})*:\s")
# PubMed marks so what an erratum changed
_EDITED = re.compile(r"\[(?:corrected|sic)\]", re.IGNORECASE)
_COMPLETE = re.compile(r".*[.?!][)\]\"'\u201d\u2019]*", re.DOTALL)
_DANGLING = re.compile(
    r"\b(?:the|an?|of|in|on|to|for|from|by|with|and|or|but|is|are|was|were|than|that|which)$",
    re.IGNORECASE,
)
_REGISTRATION = re.compile(
    r"\bNCT ?\d{5}|\bISRCTN|\bACTRN\d|\bChiCTR|\bCRD\d{5}|\bEudraCT|clinicaltrials\.gov|"
    r"\btrial regist(?:ration|ry)",
    re.IGNORECASE,
)
_MAX_NOTE_WORDS = 20
_NOTE = re.compile(
    r"^(?:funding\b|(?:this (?:work|study|research|trial) was )?"
    r"(?:financially )?(?:funded|supported|sponsored) by|financial support|"
    r"grant support|levels? of evidence\b|\u00a9|copyright\b|all rights reserved|published by|"
    r"key ?words\b|medical subject headings|mesh terms\b|"
    r"(?:declaration of )?(?:conflicts?|competing) (?:of )?interests?\b|"
    r"supplementa(?:ry|l) (?:data|material|information)|video abstract|registration\b)",
    re.IGNORECASE,
)
_ANNOUNCED = re.compile(
    r"\b(?:is|are) (?:also |briefly )?(?:discussed|presented|described|considered|outlined)\.$|"
    r"^(?:this|the present|our) (?:paper|article|review|report|study|essay) (?:also )?"
    r"(?:discusses|describes|presents|reviews|outlines|summari[sz]es|considers|explores)\b",
    re.IGNORECASE,
)
_WORK = (
    r"(?:stud(?:y|ies)|research|trials?|investigations?|work|evaluations?|data|evidence|validation|"
    r"confirmation|assessment|exploration|attention|consideration|experience|analys[ei]s|"
    r"follow-up|correlations?|comparisons?)"
)
_WANTED = (
    r"(?:needed|required|warranted|necessary|recommended|desirable|justified|essential|indicated|"
    r"awaited|advisable|encouraged|mandatory|important|should|must|needs?)"
)
_LINK = (
    r"(?:(?:however|therefore|thus|hence|nevertheless|nonetheless|finally|in addition|moreover|"
    r"furthermore|but|and|yet),? )?(?:(?:due to|given|because of)\b[^.;]*?, )?(?:we \w+ that )?"
)
_MORE = (
    r"(?:further|future|additional|more|larger|bigger|prospective|randomi[sz]ed|confirmatory|"
    r"well-designed|subsequent)"
)
# more work is the subject of the whole sentence ...
_CALL_FIRST = re.compile(
    rf"^{_LINK}(?:there is (?:a|an urgent) need for |it (?:is|will be) \w+ to (?:do|conduct) )?"
    rf"(?:(?:a|an|the|these|our|any|large|still|much|multicent\w+),? )*"
    rf"(?:(?:{_MORE}\b[^.;]*?\b{_WORK}|(?:stud(?:y|ies)|trials?) (?:with|in|of|on|using))\b"
    rf"[^.;]*\b{_WANTED}|(?:further|future)\b[^.;]*?\b{_WORK}\b[^.;]*\b(?:will|could|may|might))\b"
    r"(?![^.;]*\bbut\b)(?!.*;)",
    re.IGNORECASE,
)
_NEED_FOR = re.compile(rf"^{_LINK}there is (?:a|an) (?:\w+ )?need for {_MORE}\b", re.IGNORECASE)
# ... or all that is said of a short or doubting one: "This deserves further study."
_CALL_LAST = re.compile(
    rf"(?<=\w )(?:(?:needs?|warrants?|deserves?|requires?|merits?) {_MORE}(?: [\w-]+)? {_WORK}\b|"
    r"(?:needs?|remains?) to be (?:further )?(?:\w+ly )?\w+ed\b)[^.,;]*\.$",
    re.IGNORECASE,
)
_MAX_CALL_WORDS = 14
_FINDING = re.compile(r", (?:but|although|though|while|whereas|and)\b|; ")


def tidied(text: str, *, concludes: bool = False) -> tuple[int, int] | None:
    """Start and end of what answers, in characters; None where nothing fit is left.

    Args:
        text: of one section.
        concludes: it is a conclusion, which loses announcements and calls for more research; in a
            background they are what it says.
    """
    start = _after_label(text)
    inside = _LABEL_INSIDE.search(text, start)
    end = len(_LABEL_AFTER.sub("", text[: inside.start() if inside else None].rstrip()))
    places = [(start + one, start + other) for one, other in sentences(text[start:end])]
    while places and _is_left_out(text[slice(*places[-1])], concludes):
        places.pop()
    while concludes and places and _is_announced(text[slice(*places[0])]):
        places.pop(0)
    if len(places) > 1 and not _is_whole(text[slice(*places[-1])]):
        places.pop()
    if not places:
        return None
    found = places[0][0], places[-1][1]
    return found if _is_whole(text[slice(*found)]) else None


def _is_left_out(sentence: str, concludes: bool) -> bool:
    return _is_note(sentence) or (concludes and (_is_announced(sentence) or _is_call(sentence)))


def _is_note(sentence: str) -> bool:
    if _NOTE.match(sentence.lstrip("(")):
        return True
    return bool(_REGISTRATION.search(sentence)) and len(sentence.split()) <= _MAX_NOTE_WORDS


def _is_announced(sentence: str) -> bool:
    return bool(_ANNOUNCED.search(sentence)) and len(sentence.split()) <= _MAX_NOTE_WORDS


def _is_call(sentence: str) -> bool:
    if _CALL_FIRST.match(sentence) or _NEED_FOR.match(sentence):
        return True
    if not _CALL_LAST.search(sentence) or _FINDING.search(sentence):
        return False
    return sentence.startswith("Whether ") or len(sentence.split()) <= _MAX_CALL_WORDS


def _after_label(text: str) -> int:
    match = _LABEL_BEFORE.match(text)
    if match is None:
        return 0
    label = match["label"]
    if label and category({"label": label, "category": ""}) == UNASSIGNED:
        return match.start("label")
    return match.end()


def _is_whole(text: str) -> bool:
    """Whether it begins and ends as a sentence does."""
    first = text.split()[0]
    if (first.isalpha() and first.islower()) or _EDITED.search(text):
        return False
    if _COMPLETE.fullmatch(text):
        return True
    closed = all(text.count(one) <= text.count(other) for one, other in ("()", "[]"))
    return closed and not _DANGLING.search(text)

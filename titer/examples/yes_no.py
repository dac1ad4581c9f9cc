"""Titles that state something, turned into questions with yes or no (PQA-A of PubMedQA).

Weak by nature: a negated verb agrees with the experts' label for about four of five papers, so the
recipe is off by default and its rows are marked.
"""

import re

from titer.examples.mining import without_capital

_COPULA = re.compile(
    r"(?P<subject>\S(?:.*?\S)?) (?P<verb>is|are|was|were|can|could|may|might|should|will|has|have) "
    r"(?P<not>not )?(?P<rest>.+)"
)
_DO = re.compile(r"(?P<subject>\S(?:.*?\S)?) (?P<verb>does|do|did) not (?P<rest>.+)")
_VERBS = re.compile(
    r"(?P<subject>\S(?:.*?\S)?) (?P<stem>improve|reduce|increase|decrease|predict|affect|cause|"
    r"induce|prevent|protect|inhibit|enhance|promote|influence|suppress|attenuate|contribute|correlate|"
    r"lead|play|require|alter|modulate|mediate|regulate|impair|delay|prolong|support)"
    r"(?P<s>s?) (?P<rest>.+)"
)
_MAX_SUBJECT_WORDS = 12
_UNFIT = re.compile(r"[?:;]|\. |\b(?:that|which|who|whether|if|how|why|what|when)\b", re.IGNORECASE)
_NO = re.compile(r"\b(?:no|neither|never|without|nor)\b", re.IGNORECASE)


def asked(title: str, context: str) -> tuple[str, bool] | None:
    """The question that a title answers and whether it says yes; None where that is not plain.

    Args:
        title: without its full stop.
        context: the paper's abstract, which tells names from words at the beginning of a title.
    """
    if _UNFIT.search(title) or title.isupper():
        return None
    do = _DO.fullmatch(title)
    if do:
        return _made(do, do["verb"], context, is_yes=False)
    copula, verb = _COPULA.fullmatch(title), _VERBS.fullmatch(title)
    if copula and not (verb and len(verb["subject"]) < len(copula["subject"])):
        return _made(copula, copula["verb"], context, is_yes=not copula["not"])
    if verb is None or (verb["s"] == "" and not verb["subject"].endswith("s")):
        return None
    return _made(verb, "does" if verb["s"] else "do", context, is_yes=True)


def _made(
    match: re.Match[str], auxiliary: str, context: str, *, is_yes: bool
) -> tuple[str, bool] | None:
    subject, stem = match["subject"], match.groupdict().get("stem", "")
    if len(subject.split()) > _MAX_SUBJECT_WORDS or _NO.search(match.string):
        return None
    predicate = f"{stem} {match['rest']}".strip()
    return f"{auxiliary.capitalize()} {without_capital(subject, context)} {predicate}?", is_yes

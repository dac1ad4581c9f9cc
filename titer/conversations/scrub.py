"""Personal data that patterns can find, replaced by a word in brackets.

Found are e-mail addresses, phone numbers, dates to the day, IP addresses, card and account
numbers, national ids and whatever is announced as an id (`MRN 123-45-6`). Which numbers are phones
is phonenumbers' judgement, which check digits are right python-stdnum's. Out of reach are names,
addresses, months and ages: no pattern tells them from other words, and no language model is
fetched for it (decision 26).

Invariant: the text outside what was found is unchanged; scrubbing twice is scrubbing once.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise

OUT_OF_REACH = (
    "Names, postal addresses and ages are not scrubbed: no pattern finds them. Read the rows "
    "before anything is trained on them or leaves this machine"
)
"""What every export says."""

REGIONS = ("US", "GB", "DE", "FR")
"""Whose phone numbers are found without a country code; with one, those of all countries."""

Span = tuple[int, int, str]
"""Start, end and kind."""

_EMAIL = re.compile(
    r"(?<![\w.!#$%&'*+/=?^`{|}~-])[\w.!#$%&'*+/=?^`{|}~-]+(?:@|\s?[(\[]at[)\]]\s?)"
    r"(?:[\w-]+(?:\.|\s?[(\[]dot[)\]]\s?))+[^\W\d_]{2,24}\b",
    re.IGNORECASE,
)
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?:19|20)\d\d"
_CLOCK = r"(?:[T ]\d\d:\d\d(?::\d\d)?Z?)?"
_DATES = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?<![\w./-]){_YEAR}([-/.])(?:0?[1-9]|1[0-2])\1{_DAY}{_CLOCK}(?![\w/])",
        rf"(?<![\w./-]){_DAY}([-/.]){_DAY}\1(?:{_YEAR}|\d\d)(?![\w/]|[.-]\d)",
        rf"\b{_DAY}(?:st|nd|rd|th)?(?:\s+of)?[\s-]+{_MONTH}(?:,?[\s-]+{_YEAR})?(?!\w)",
        rf"\b{_MONTH}\s+{_DAY}(?:st|nd|rd|th)?(?:,?\s+{_YEAR})?(?![\w%.-])",
    )
]
_ANNOUNCED = re.compile(
    r"\b(?:mrn|(?:medical|health|hospital)\s+record|(?:patient|member|case|chart|hospital|insurance|"
    r"policy|account|passport|licen[cs]e|nhs|medicare|social\s+security|health\s+card|tax)"
    r"\s+(?:id|no|number|#)|ssn|passport)\b"
    r"(?:\s*(?:no|number|id|is|was|[.:#=]))*\s*((?=[\w-]*\d)[A-Z0-9][A-Z0-9-]{3,}(?:\s\d{2,}){0,4})",
    re.IGNORECASE,
)
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\w)")
_IPV6 = re.compile(r"(?<![\w:])[0-9a-f:]{4,39}(?![\w:])", re.IGNORECASE)
_SEVEN_DIGITS = re.compile(r"\d(?:[^\d\n]{0,4}\d){6}")
_PHONE_WORD = re.compile(
    r"(?:phone|tele?|call|cell|mobile|fax|ring|text|number)\W{0,3}(?:\w+\W+){0,2}$", re.IGNORECASE
)

_CHECKED = [
    ("IBAN", "stdnum.iban", r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?"),
    ("card", "stdnum.luhn", r"\d(?:[ -]?\d){12,18}"),
    ("id", "stdnum.us.ssn", r"\d{3}-\d{2}-\d{4}"),
    ("id", "stdnum.gb.nhs", r"\d{3}[ -]\d{3}[ -]\d{4}"),
    ("id", "stdnum.fr.nir", r"[12] ?\d\d ?\d\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d"),
    ("id", "stdnum.it.codicefiscale", r"[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]"),
    ("id", "stdnum.es.dni", r"\d{8}-?[A-Z]"),
    ("id", "stdnum.es.nie", r"[XYZ]-?\d{7}-?[A-Z]"),
]  # fmt: skip
"""Kind, the module of python-stdnum that knows the check digits, the form of a candidate."""


def scrub(text: str) -> tuple[str, Counter[str]]:
    """The text without the personal data that patterns find.

    Returns:
        The text with `[e-mail]`, `[phone]`, `[date]`, `[id]`, `[card]`, `[IBAN]` or `[IP address]`
        in its places, and how many there were of each.
    """
    found = _disjoint(spans(text))
    edges = [0, *(edge for start, end, _ in found for edge in (start, end)), len(text)]
    kept = [text[start:end] for start, end in list(pairwise(edges))[::2]]
    marks = [f"[{kind}]" for _, _, kind in found]
    joined = "".join(part + mark for part, mark in zip(kept, [*marks, ""], strict=True))
    return joined, Counter(kind for _, _, kind in found)


def spans(text: str) -> list[Span]:
    """Everything that any pattern finds; spans may overlap."""
    return [span for find in _FINDERS for span in find(text)]


def _disjoint(found: list[Span]) -> list[Span]:
    """Of spans that overlap the longest one, in order of place."""
    kept: list[Span] = []
    for span in sorted(found, key=lambda span: (span[0] - span[1], span)):
        if all(span[1] <= other[0] or other[1] <= span[0] for other in kept):
            kept.append(span)
    return sorted(kept)


def _emails(text: str) -> Iterator[Span]:
    for match in _EMAIL.finditer(text):
        yield match.start(), match.end(), "e-mail"


def _dates(text: str) -> Iterator[Span]:
    for pattern in _DATES:
        for match in pattern.finditer(text):
            yield match.start(), match.end(), "date"


def _announced_ids(text: str) -> Iterator[Span]:
    for match in _ANNOUNCED.finditer(text):
        yield match.start(1), match.end(1), "id"


def _checked_ids(text: str) -> Iterator[Span]:
    for kind, module, pattern in _CHECKED:
        for match in re.finditer(rf"(?<![\w.-])(?:{pattern})(?!\w)", text):
            if import_module(module).is_valid(match[0].replace(" ", "").replace("-", "")):
                yield match.start(), match.end(), kind


def _ip_addresses(text: str) -> Iterator[Span]:
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            try:
                ipaddress.ip_address(match[0])
            except ValueError:
                continue
            yield match.start(), match.end(), "IP address"


def _phones(text: str) -> Iterator[Span]:
    if not _SEVEN_DIGITS.search(text):  # the four searches are what takes the time
        return
    from phonenumbers import Leniency, PhoneNumberMatcher

    for region in REGIONS:
        for match in PhoneNumberMatcher(text, region, leniency=Leniency.VALID):
            # a bare row of digits is more often a PubMed id or a count than a number to call
            is_bare = match.raw_string.isdigit()
            if not is_bare or _PHONE_WORD.search(text[max(0, match.start - 40) : match.start]):
                yield match.start, match.end, "phone"


_FINDERS: tuple[Callable[[str], Iterator[Span]], ...] = (
    _emails, _dates, _announced_ids, _checked_ids, _ip_addresses, _phones,
)  # fmt: skip

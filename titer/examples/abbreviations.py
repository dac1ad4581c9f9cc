"""Which abbreviations a paper introduces and what they stand for.

Forms of Schwartz and Hearst (2003): the short form stands in brackets after the long one, or the
long one after the short. Here a long form is the shortest run of words before the bracket, or all
in it, that begins with the first letter and holds all letters in order.
"""

import re
from collections.abc import Iterator

from titer.records import Paper

MAX_LONG_WORDS = 8
MIN_CAPITALS = 2

_SHORT = r"([A-Za-z][\w-]{1,9}?)s?"
_SHORT_LAST = re.compile(rf"\({_SHORT}(?:[,;][^()]*)?\)")
_SHORT_FIRST = re.compile(rf"(?<![\w-]){_SHORT} \(([A-Za-z][^()]*)\)")


def introduced(paper: Paper) -> dict[str, str]:
    """Short form to long form, of title and abstract, in the order of the text."""
    found: dict[str, str] = {}
    for text in (paper.title, *(section["text"] for section in paper.sections)):
        for short, long in _pairs(text):
            found.setdefault(short, long)
    return found


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for match in _SHORT_LAST.finditer(text):
        long = _long_form(match[1], text[: match.start()])
        if long:
            yield match[1], long
    for match in _SHORT_FIRST.finditer(text):
        if 1 < len(match[2].split()) <= MAX_LONG_WORDS and _spells(match[1], match[2]):
            yield match[1], match[2]


def unexplained(paper: Paper, prompt: str, answer: str) -> dict[str, str]:
    """What an answer uses that neither it nor the prompt explains: short form to long form."""
    return {
        short: long
        for short, long in introduced(paper).items()
        if _stands_in(short, answer)
        and not re.search(rf"\({re.escape(short)}s?[);,]", answer)
        and not _stands_in(short, prompt)
        and long.lower() not in prompt.lower()
    }


def _stands_in(short: str, text: str) -> bool:
    # most abbreviations do not, and a search for a plain string is far quicker
    return short in text and bool(re.search(rf"(?<!\w){re.escape(short)}s?(?!\w)", text))


def _long_form(short: str, before: str) -> str | None:
    words = re.split(r"[.;:()]\s", before)[-1].split()[-MAX_LONG_WORDS:]
    for n in range(1, len(words) + 1):
        long = " ".join(words[-n:]).strip("([\"'")
        if _spells(short, long):
            return long
    return None


def _spells(short: str, long: str) -> bool:
    if sum(letter.isupper() for letter in short) < MIN_CAPITALS or len(long) <= len(short) + 2:
        return False
    letters = iter(long.lower())
    # `in` on an iterator goes on where the last letter was found
    in_order = all(letter in letters for letter in short.lower() if letter.isalnum())
    return in_order and long[:1].lower() == short[0].lower()

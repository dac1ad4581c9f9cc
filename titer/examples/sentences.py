"""Where the sentences of a text begin and end.

Better to miss a boundary than to cut a sentence: a merged one yields nothing, half of one yields a
wrong fact.
"""

import re
from collections.abc import Iterator

from titer.examples.word_lists import ABBREVIATIONS, LETTERED, NUMBERED, STARTERS

_END = re.compile(r"[.!?][)\]\"'\u201d\u2019]*(?=\s+[\"'\u201c\u2018(\[]*[A-Z0-9]|\s*$)")


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence, in order, white space around it left out."""
    start = 0
    for match in _END.finditer(text):
        if _is_abbreviation(text[start : match.start()], text[match.end() :].lstrip()[:20]):
            continue
        yield from _trimmed(text, start, match.end())
        start = match.end()
    yield from _trimmed(text, start, len(text))


def _is_abbreviation(before: str, after: str) -> bool:
    words = before.split()[-2:]
    if not words or not after:
        return False
    last = words[-1].lstrip("([\"'\u201c\u2018")
    if len(last) == 1 and last.isupper():
        if after.split()[0] in STARTERS:
            return False
        return len(words) < 2 or words[0].lower() not in LETTERED
    return last.lower() in ABBREVIATIONS or (last.lower() in NUMBERED and after[0].isdigit())


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    part = text[start:end]
    if part.strip():
        yield start + len(part) - len(part.lstrip()), start + len(part.rstrip())

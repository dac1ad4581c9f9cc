"""Lines, as a PDF page or a text file holds them, to paragraphs and headings.

Precision before yield: a line is a heading only where it plainly is one, because a heading divides
what belongs together; a paragraph that was missed costs nothing.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from titer.examples.documents.extracted import Block
from titer.examples.sections import UNASSIGNED, category

MAX_HEADING_WORDS = 8

Line = tuple[str, int]
"""Text and page; the page is 0 where there are none."""

_NUMBERING = re.compile(r"(?:\d+(?:\.\d+)*\.?|[IVX]+\.)\s+(?=[A-Z])")
_ITEM = re.compile(r"(?:[-*\u2022\u2023\u25aa\u25cf\u2013]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+\S")
_ENDS = re.compile(r"[.!?:;][)\]\"'\u201d\u2019]*$")
_DIVIDED = re.compile(r"[^\W\d_]-$")


def blocks(lines: Sequence[Line], *, title: str = "") -> Iterator[Block]:
    """Paragraphs, list items and headings, in order; a line that is the title is one of them.

    A paragraph ends at a blank line, before a heading or a list item, and after a line that ends a
    sentence and is clearly shorter than the longest ones. A word divided at the end of a line is
    put together, unless the text writes it with its hyphen elsewhere.
    """
    hyphenated = _hyphenated(text for text, _ in lines)
    full = _full_length(lines)
    open_lines: list[Line] = []
    for number, (raw, page) in enumerate(lines):
        text = raw.strip()
        is_title = bool(title) and " ".join(text.split()) == title
        level = 1 if is_title else _heading_level(lines, number) if text else 0
        if open_lines and (not text or level or _ITEM.match(text)):
            yield _paragraph(open_lines, hyphenated)
            open_lines = []
        if level:
            yield Block(text, level, page)
        elif text:
            open_lines.append((text, page))
            if len(text) < 0.75 * full and _ENDS.search(text):
                yield _paragraph(open_lines, hyphenated)
                open_lines = []
    if open_lines:
        yield _paragraph(open_lines, hyphenated)


def bare_heading(text: str) -> str:
    """A heading without its number and its colon."""
    return _NUMBERING.sub("", text, count=1).rstrip(" :.")


def _full_length(lines: Sequence[Line]) -> int:
    """Characters of a full line: nine of ten are shorter."""
    lengths = sorted(len(text.strip()) for text, _ in lines if text.strip())
    return lengths[len(lengths) * 9 // 10] if lengths else 0


def _heading_level(lines: Sequence[Line], number: int) -> int:
    text = lines[number][0].strip()
    words = text.split()
    if len(words) > MAX_HEADING_WORDS or not any(map(str.isalpha, text)) or text[-1] in ".,;?!":
        return 0
    before = lines[number - 1][0].strip() if number else ""
    after = next((one.strip() for one, _ in lines[number + 1 : number + 3] if one.strip()), "")
    if (before and not _ENDS.search(before)) or not after or not after[0].isupper():
        return 0
    numbered = _NUMBERING.match(text)
    if numbered:
        return numbered[0].strip(". ").count(".") + 1
    known = category({"label": text, "category": ""}) not in ("", UNASSIGNED)
    return 2 if text.isupper() or (known and len(words) <= 4 and text[0].isupper()) else 0


def _hyphenated(texts: Iterable[str]) -> frozenset[str]:
    """Words that stand somewhere with a hyphen inside, in lower case."""
    found = (re.findall(r"[^\W\d_]+-[^\W\d_]+", text) for text in texts)
    return frozenset(word.lower() for words in found for word in words)


def _paragraph(lines: Sequence[Line], hyphenated: frozenset[str]) -> Block:
    text = lines[0][0]
    for following, _ in lines[1:]:
        text = _joined(text, following, hyphenated)
    return Block(text, 0, lines[0][1])


def _joined(text: str, following: str, hyphenated: frozenset[str]) -> str:
    if not _DIVIDED.search(text) or not following[0].islower():
        return f"{text} {following}"
    first = re.search(r"[^\W\d_]+-$", text)
    second = re.match(r"[^\W\d_]+", following)
    word = f"{first[0]}{second[0]}".lower() if first and second else ""
    return f"{text if word in hyphenated else text[:-1]}{following}"

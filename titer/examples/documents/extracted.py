"""The text of a document as all extractors give it: blocks, headings, pages.

Invariant: the text holds no control character, no token of a chat template and, inside a block, no
line break; blocks are apart by a blank line. The same blocks give the same text, so that character
spans keep their meaning.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from titer.examples.generator import without_control
from titer.records import Record

BREAK = "\n\n"
"""Between two blocks."""

MIN_LETTER_SHARE = 0.4
"""Of the characters that are no white space; below it a text is a table of numbers or a font
without a character map."""

MAX_CHARS = 10_000_000
"""Of one document; a book has about one million."""

_UNSEEN = re.compile(
    "[\u0000-\u0008\u000b\u000e-\u001f\u007f-\u009f\u00ad\u200b\u2060\ufeff\ud800-\udfff\ufffe\uffff]"
)
_SPACE = re.compile(r"\s+")


class Unreadable(Exception):
    """A document gives no text: the reason, and what was seen.

    Never reaches a user as an error: one bad file is left out and listed, the others are read.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Block:
    """A paragraph, a list item or a heading."""

    text: str
    level: int = 0
    """Of a heading, 1 the highest; 0: no heading."""
    page: int = 0
    """On which it begins, counted from 1; 0: not known."""


@dataclass
class Extracted(Record):
    """What one file says."""

    text: str
    extractor: str
    """Name of the library that read it."""
    version: str
    """Of that library."""
    title: str = ""
    keywords: list[str] = field(default_factory=list)
    headings: list[list[int]] = field(default_factory=list)
    """`[start, end]` in characters of the text, in order."""
    pages: list[list[int]] = field(default_factory=list)
    """`[start, page]`: from this character on the text stands on this page; empty: not known."""


def assemble(
    blocks: Iterable[Block],
    *,
    extractor: str,
    version: str,
    title: str = "",
    keywords: str = "",
) -> Extracted:
    """The text of the blocks.

    Args:
        blocks: in reading order.
        extractor: name of the library that read them.
        version: of that library.
        title: of the document; where it is empty the first heading is taken.
        keywords: separated by comma or semicolon.
    Raises:
        Unreadable: there is no text, too much of it, or hardly a letter in it.
    """
    parts: list[str] = []
    headings: list[list[int]] = []
    pages: list[list[int]] = []
    at = 0
    for block in blocks:
        text = clean(block.text)
        if not text:
            continue
        if block.level:
            headings.append([at, at + len(text)])
        if block.page and (not pages or pages[-1][1] != block.page):
            pages.append([at, block.page])
        parts.append(text)
        at += len(text) + len(BREAK)
        check_size(at)
    whole = BREAK.join(parts)
    _check_letters(whole)
    first = whole[slice(*headings[0])] if headings else ""
    listed = [clean(word) for word in re.split(r"[,;]", keywords)]
    return Extracted(
        text=whole,
        extractor=extractor,
        version=version,
        title=clean(title) or first,
        keywords=[word for word in listed if word],
        headings=headings,
        pages=pages,
    )


def check_size(n_chars: int) -> None:
    """Refuse a text of too many characters.

    Raises:
        Unreadable: it is longer than MAX_CHARS.
    """
    if n_chars > MAX_CHARS:
        raise Unreadable("over the size limit", f"more than {MAX_CHARS:,} characters of text")


def clean(text: str) -> str:
    """The text on one line, without control characters and tokens of a chat template.

    The beginning of an HTML comment goes as well: a search for its end may take very long.
    """
    text = text.replace("<!--", " ")
    return _SPACE.sub(" ", without_control(_UNSEEN.sub("", text))).strip()


def _check_letters(text: str) -> None:
    shown = len(text) - sum(map(str.isspace, text))
    if not shown:
        raise Unreadable("empty", "no text in it")
    letters = sum(map(str.isalpha, text))
    if letters < MIN_LETTER_SHARE * shown:
        raise Unreadable("no readable text", f"{letters:,} letters in {shown:,} characters")

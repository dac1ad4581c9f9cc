"""A document's text to chunks of whole sentences.

Invariant: a chunk begins and ends with a sentence, lies in the text it was cut from, and is no
longer than asked; a sentence that is longer than a chunk stands in none and is counted.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from titer.config import DocumentsSettings, LengthUnit
from titer.examples.documents.extracted import BREAK, Extracted
from titer.examples.sentences import sentences

VERSION = 1
"""Goes up whenever the same text and settings give other chunks; part of every example."""

_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Section:
    """What stands under one heading, or before the first: characters of the text."""

    heading: tuple[int, int] | None
    start: int
    end: int


@dataclass(frozen=True)
class Chunk:
    """A stretch of a document: characters of its text."""

    start: int
    end: int


Place = tuple[int, int]


def n_tokens(text: str) -> int:
    """Words and punctuation marks. A model's tokenizer makes more of most words than one."""
    return len(_TOKEN.findall(text))


WINDOW_CHUNKS = 4
"""Lengths of a chunk that are searched for sentences at once."""

AHEAD = 64
"""Characters beyond a window that are looked at: what ends a sentence stands behind it."""

CHARS_PER_UNIT = {LengthUnit.characters: 1, LengthUnit.tokens: 20}
"""At most, on average over a chunk."""

MEASURES: dict[LengthUnit, Callable[[str], int]] = {
    LengthUnit.characters: len,
    LengthUnit.tokens: n_tokens,
}


def sections(document: Extracted) -> list[Section]:
    """The sections that hold text, in order; headings are no part of them."""
    marks = [None, *((start, end) for start, end in document.headings)]
    found = []
    for number, heading in enumerate(marks):
        following = marks[number + 1] if number + 1 < len(marks) else None
        start = heading[1] if heading else 0
        end = following[0] if following else len(document.text)
        part = document.text[start:end]
        if part.strip():
            first = start + len(part) - len(part.lstrip())
            found.append(Section(heading, first, start + len(part.rstrip())))
    return found


def cut(
    text: str, parts: Sequence[Section], settings: DocumentsSettings
) -> tuple[list[Chunk], int]:
    """The chunks in order, and how many sentences are longer than one.

    A section that fits whole into what is left of a chunk joins it; any other begins a new one.
    Chunks overlap within a section only, by as many whole sentences as `overlap` holds.
    """
    measure = MEASURES[settings.unit]
    window = WINDOW_CHUNKS * CHARS_PER_UNIT[settings.unit] * settings.chunk_size
    chunks: list[Chunk] = []
    n_long = 0
    open_places: list[Place] = []

    def length(places: Sequence[Place]) -> int:
        return measure(text[places[0][0] : places[-1][1]]) if places else 0

    def close() -> None:
        if open_places:
            chunks.append(Chunk(open_places[0][0], open_places[-1][1]))
            open_places.clear()

    for part in parts:
        if open_places and length([*open_places, (part.start, part.end)]) > settings.chunk_size:
            close()
        for place in _sentences(text, part, window):
            if length([place]) > settings.chunk_size:
                n_long += 1
                close()
                continue
            if length([*open_places, place]) > settings.chunk_size:
                kept = _tail(open_places, part.start, settings.overlap, length)
                close()
                while kept and length([*kept, place]) > settings.chunk_size:
                    kept.pop(0)
                open_places += kept
            open_places.append(place)
    close()
    return chunks, n_long


def _sentences(text: str, part: Section, window: int) -> Iterator[Place]:
    """Sentences of each block: one that has no full stop does not swallow the next."""
    first = part.start
    for block in text[part.start : part.end].split(BREAK):
        for start, end in _windowed(block, window):
            yield first + start, first + end
        first += len(block) + len(BREAK)


def _windowed(block: str, window: int) -> Iterator[Place]:
    """The same sentences, found window by window: the splitter takes the square of a length.

    One that fills a window, and so is longer than any chunk, may be given together with the next.
    """
    at = 0
    begun: int | None = None
    reach = window + AHEAD
    while at < len(block):
        found = list(sentences(block[at : at + reach]))
        following = len(block)
        if len(block) - at > reach:
            if len(found) < 2:
                begun = at if begun is None else begun
                at += window
                continue
            following = at + found.pop()[0]  # it may go on behind the window
        for start, end in found:
            yield at + start if begun is None else begun, at + end
            begun = None
        at = following


def _tail(
    places: Sequence[Place],
    first: int,
    overlap: int,
    length: Callable[[Sequence[Place]], int],
) -> list[Place]:
    """The last sentences that overlap holds, of the section that begins at `first`."""
    kept: list[Place] = []
    for place in reversed(places):
        if place[0] < first or length([place, *kept]) > overlap:
            break
        kept.insert(0, place)
    return kept

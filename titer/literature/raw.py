"""Raw answers and files cut into records: each record's own bytes, and where it begins.

Invariant: constant memory. Bytes are read in blocks and at most one record is held. What stands
between the records is checked by an XML parser, so a document is whole or refused; a fault
inside a record is left to whoever reads that record.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from typing import BinaryIO
from xml.parsers import expat

from titer.errors import FormatError
from titer.literature.markup import without_forbidden

RECORD_TAGS = {
    "PubmedArticleSet": ("PubmedArticle", "PubmedBookArticle", "DeleteCitation"),
    "feed": ("entry",),
}
"""Root elements that are read, each with the tags of its records."""

BLOCK_BYTES = 1 << 18
"""Read at a time; a record that is longer is read in growing steps."""

_START_BYTES = 1 << 20  # of a prolog, or of a start tag with its attributes
_DECLARATION_BYTES = 256
_TOKEN_BYTES = 64  # longer than any token that the patterns look for
_NAME = rb"[A-Za-z_][\w.:-]*"
_START_TAG = rb"<(" + _NAME + rb")((?:[^\"'<>]|\"[^\"]*\"|'[^']*')*+)>"
_ROOT = re.compile(
    rb"(?>\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>)*+" + _START_TAG, re.DOTALL
)
_RECORD_START = re.compile(_START_TAG)
_DECLARED = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([\w.:-]+)[\"']")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\x00?\x00", "utf-16-le"),
    (b"\x00<\x00?", "utf-16-be"),
)
_OPAQUE = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}
"""What may hold the text of a tag without being one, with its end."""


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record as it stands in a document."""

    tag: str
    """PubmedArticle, PubmedBookArticle, DeleteCitation or entry, without a prefix."""
    content: bytes
    """UTF-8, from the start tag to the end tag."""
    line: int
    """Where the start tag stands, counted from 1."""
    root: bytes
    """Start tag of the document's root element on one line: it declares the namespaces."""

    @property
    def sha256(self) -> str:
        """Hex hash of the content: `Paper.raw_sha256`."""
        return sha256(self.content).hexdigest()


def split(stream: BinaryIO, root: str | None = None) -> Iterator[RawRecord]:
    """Yield the records of a document in their order.

    Args:
        stream: PubMed XML or an Atom feed in any encoding that it declares.
        root: the root element that is expected; None takes any of `RECORD_TAGS`.

    Raises:
        FormatError: another document, one that is cut off, or markup that is not well-formed
            between the records; the text begins with the line.
    """
    document = _Document(_utf8_blocks(stream))
    tag, name = document.open(tuple(RECORD_TAGS) if root is None else (root,))
    prefix, local = name[: len(name) - len(_local(name))], _local(name)
    names = "|".join(prefix + one for one in RECORD_TAGS[local]).encode()
    opening = re.compile(rb"<!--|<!\[CDATA\[|<\?|<(" + names + rb")(?=[\s/>])")
    while (match := document.find(opening)) is not None:
        if match[1] is None:
            document.skip_opaque(match)
            continue
        document.pass_outside(match.start())
        line = document.line
        yield RawRecord(_local(match[1].decode()), document.take_record(match[1]), line, tag)
    document.close()


def find_record(stream: BinaryIO, raw_sha256: str) -> bytes | None:
    """The record with this hash in a document, or None where it is not in it; constant memory.

    Raises:
        FormatError: the stream is damaged before the record; the text begins with the line.
    """
    records = (record for record in split(stream) if record.sha256 == raw_sha256)
    found = next(records, None)
    return found.content if found else None


def _local(name: str) -> str:
    return name.rpartition(":")[2]


class _Document:
    """A window on a stream, and a parser that sees everything but the records."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.blocks = blocks
        self.window = b""
        self.start = 0  # of what is neither checked nor taken
        self.searched = 0
        self.line = 1
        self.outside = expat.ParserCreate("utf-8")

    def _read_on(self) -> bool:
        """Lengthen the window, at least doubling what is in it so that copying stays linear."""
        kept = self.window[self.start :]
        parts, wanted = [kept], max(1, len(kept))
        while wanted > 0 and (block := next(self.blocks, b"")):
            parts.append(block)
            wanted -= len(block)
        self.searched -= self.start
        self.window, self.start = b"".join(parts), 0
        return len(parts) > 1

    def open(self, allowed: tuple[str, ...]) -> tuple[bytes, str]:
        """Start tag and name of the root element, which the parser has then seen."""
        expected = "expected " + " or ".join(f"<{one}>" for one in allowed)
        match = self._match(_ROOT)
        if match is None:
            raise FormatError(f"1: not XML, {expected}")
        if _local(match[1].decode()) not in allowed:
            line = 1 + self.window.count(b"\n", 0, match.start(1))
            raise FormatError(f"{line}: root element <{match[1].decode()}>, {expected}")
        self.pass_outside(match.end())
        attributes = match[2].removesuffix(b"/").split()
        return b"<" + b" ".join([match[1], *attributes]) + b">", match[1].decode()

    def _match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """A match of what stands at the beginning, which is markup of a limited length."""
        while (match := pattern.match(self.window, self.start)) is None:
            rest = self.window[self.start :]
            is_markup = len(rest) <= _START_BYTES and rest.lstrip()[:1] in (b"", b"<")
            if not is_markup or not self._read_on():
                return None
        return match

    def find(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """The next match behind what was searched before."""
        while (match := pattern.search(self.window, self.searched)) is None:
            self.searched = max(self.searched, len(self.window) - _TOKEN_BYTES)
            if not self._read_on():
                return None
        return match

    def skip_opaque(self, match: re.Match[bytes]) -> None:
        """Go behind a comment, a CDATA section or a processing instruction."""
        self.searched = match.end()
        end = self.find(re.compile(re.escape(_OPAQUE[match[0]])))
        self.searched = end.end() if end else len(self.window)

    def pass_outside(self, end: int) -> None:
        """Let the parser see what stands before a record."""
        piece = self.window[self.start : end]
        self._feed(piece if piece.isspace() else without_forbidden(piece))
        self.start = end
        self.searched = max(self.searched, end)
        self.line += piece.count(b"\n")

    def take_record(self, name: bytes) -> bytes:
        """The bytes of the record that begins here; the parser sees an element without content."""
        tag = self._match(_RECORD_START)
        if tag is None:
            raise self._cut(name)
        self.searched = tag.end()
        if not tag[2].endswith(b"/"):
            self._find_end(name)
        content = self.window[self.start : self.searched]
        n_lines = content.count(b"\n")
        self._feed(b"<record>%s</record>" % (b"\n" * n_lines))
        self.start = self.searched
        self.line += n_lines
        return content

    def _find_end(self, name: bytes) -> None:
        closing = re.compile(rb"<!--|<!\[CDATA\[|<\?|</" + name + rb"\s*+>")
        while (match := self.find(closing)) is not None:
            if match[0] not in _OPAQUE:
                self.searched = match.end()
                return
            self.skip_opaque(match)
        raise self._cut(name)

    def _cut(self, name: bytes) -> FormatError:
        return FormatError(f"{self.line}: cut off inside <{name.decode()}>, which begins here")

    def _feed(self, piece: bytes, *, is_last: bool = False) -> None:
        try:
            self.outside.Parse(piece, is_last)
        except expat.ExpatError as error:
            if error.code == expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS]:
                raise FormatError(f"{error.lineno}: cut off before the end") from None
            text = expat.ErrorString(error.code)
            raise FormatError(f"{error.lineno}: not well-formed XML: {text}") from None

    def close(self) -> None:
        """Check that the document ends with its root element."""
        self.pass_outside(len(self.window))
        self._feed(b"", is_last=True)


def _utf8_blocks(stream: BinaryIO) -> Iterator[bytes]:
    """The stream's blocks in UTF-8, without a byte order mark."""
    first = b""
    while len(first) < _DECLARATION_BYTES and (block := stream.read(BLOCK_BYTES)):
        first += block
    encoding = next((name for mark, name in _BOMS if first.startswith(mark)), None)
    declared = _DECLARED.match(first)
    if encoding is None and declared and declared[1].lower() not in (b"utf-8", b"us-ascii"):
        encoding = declared[1].decode()
    blocks = chain([first], iter(lambda: stream.read(BLOCK_BYTES), b""))
    return _transcoded(blocks, encoding) if encoding else blocks


def _transcoded(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    try:
        "<".encode(encoding)  # refuses what is no encoding of text
        decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
    except LookupError:
        raise FormatError(f"1: unknown encoding {encoding!r}") from None
    for block in chain(blocks, [b""]):
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise FormatError(f"1: not {encoding}: {error.reason}") from None
        if text:
            yield text.encode("utf-8", "surrogateescape")

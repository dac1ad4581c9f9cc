"""Safe XML reading and plain text from mixed content.

Invariant: no DTD, no entity and no address named in a document is ever loaded, and whatever is
taken out of a text (forbidden characters, chat control tokens) is marked on its record.
"""

import html
import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from titer.errors import FormatError
from titer.records import CONTROL_TOKENS

TAKEN_OUT = "\ue000"
"""Stands where a forbidden character stood, so that only the record it was in is marked."""

_CONTROL_BYTES = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_REFERENCES = re.compile(rb"&#(?:x0*([0-9A-Fa-f]+)|0*([0-9]+));")
_SUSPICIOUS = re.compile(rf"[<\[{TAKEN_OUT}]")
_MATH_JOINTS = {"msup": "^", "msub": "_", "mfrac": "/"}


def safe_parser() -> etree.XMLParser:
    """A strict parser that loads nothing from outside the document."""
    return etree.XMLParser(load_dtd=False, no_network=True, resolve_entities=False, huge_tree=True)


def element(content: bytes, root: bytes, parser: etree.XMLParser | None = None) -> tuple[Any, bool]:
    """The one element that the content is, and whether forbidden characters were taken out.

    Args:
        content: UTF-8 from start tag to end tag.
        root: start tag, on one line, that declares the content's namespaces.
        parser: a `safe_parser` to use again; it has no memory.

    Raises:
        FormatError: not well-formed; the text begins with the line within the content.
    """
    parser = safe_parser() if parser is None else parser
    mark = TAKEN_OUT.encode()
    if mark not in content:
        try:
            return _strict(content, root, parser), False
        except etree.XMLSyntaxError as error:
            repaired = without_forbidden(content)
            if repaired == content:
                raise _not_xml(error) from None
            content = repaired
    try:
        return _strict(without_forbidden(content).replace(mark, b""), root, parser), True
    except etree.XMLSyntaxError as error:
        raise _not_xml(error) from None


def _strict(content: bytes, root: bytes, parser: etree.XMLParser) -> Any:
    end = b"</%s>" % root[1:-1].split(maxsplit=1)[0]
    # a DTD that is never loaded lets named entities stand, which _child_text then reads
    document = b'<!DOCTYPE r SYSTEM "r">' + root + content + end
    return etree.fromstring(document, parser)[0]


MOST_DIGITS = 9
"""Of a character reference; Python reads no number of more than 4,300."""
BEYOND = 0x110000
"""No character."""


def _not_xml(error: etree.XMLSyntaxError) -> FormatError:
    return FormatError(f"{error.lineno or 1}: not well-formed XML: {error.msg}")


def without_forbidden(body: bytes) -> bytes:
    """UTF-8 bytes in which `TAKEN_OUT` replaces what XML 1.0 forbids or what is not UTF-8."""
    mark = TAKEN_OUT.encode()
    body = _REFERENCES.sub(lambda match: mark if _is_forbidden(match) else match[0], body)
    text = _CONTROL_BYTES.sub(mark, body).decode("utf-8", "surrogateescape")
    return re.sub("[\ud800-\udfff]", TAKEN_OUT, text).encode()


def _is_forbidden(match: re.Match[bytes]) -> bool:
    digits, base = (match[1], 16) if match[1] else (match[2], 10)
    digits = digits.lstrip(b"0")
    code = int(digits or b"0", base) if len(digits) < MOST_DIGITS else BEYOND
    surrogate_or_last = 0xD800 <= code <= 0xDFFF or code in (0xFFFE, 0xFFFF) or code > 0x10FFFF
    return surrogate_or_last or (code < 32 and code not in (9, 10, 13))


class Cleaner:
    """Turns the elements of one record into text and remembers whether something was taken out."""

    def __init__(self) -> None:
        """Begin a record."""
        self.sanitised = False

    def text(self, element: Any) -> str:
        """Text of an element with mixed content, on one line; empty for None."""
        if element is None:
            return ""
        return self.clean("".join(_pieces(element)) if len(element) else element.text)

    def clean(self, text: str | None) -> str:
        """The text on one line, without forbidden characters and chat control tokens.

        Papers are data: a chat control token in one would end a turn in a training row.
        """
        text = text or ""
        if not _SUSPICIOUS.search(text):  # nearly all: three times as fast
            return " ".join(text.split())
        while (shorter := CONTROL_TOKENS.sub("", text.replace(TAKEN_OUT, ""))) != text:
            self.sanitised, text = True, shorter  # what is left may form a token again
        return " ".join(text.split())


def _pieces(element: Any) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        yield _child_text(child)
        yield child.tail or ""


def _child_text(child: Any) -> str:
    if isinstance(child, etree._Entity):
        return html.unescape(child.text or "")
    if not isinstance(child.tag, str):  # a comment or a processing instruction
        return ""
    name = child.tag.rpartition("}")[2]
    if name == "math":
        return _math(child)
    text = "".join(_pieces(child))
    if name in ("sup", "sub") and text.strip():
        inner = " ".join(text.split())
        return ("^" if name == "sup" else "_") + (f"({inner})" if " " in inner else inner)
    return text


def _math(element: Any) -> str:
    """MathML on one line: layout white space dropped, scripts and fractions written out."""
    if not isinstance(element.tag, str):
        return ""
    name = element.tag.rpartition("}")[2]
    if name.startswith("annotation"):
        return ""
    parts = [_math(child) for child in element]
    if name in _MATH_JOINTS and len(parts) == 2:
        return _MATH_JOINTS[name].join(_grouped(part) for part in parts)
    if name == "msubsup" and len(parts) == 3:
        return "{}_{}^{}".format(*(_grouped(part) for part in parts))
    if name == "msqrt":
        return f"√({''.join(parts)})"
    space = " " if name == "mtext" else ""
    return space.join((element.text or "").split()) + "".join(parts)


def _grouped(part: str) -> str:
    return part if re.fullmatch(r"[-\u2212]?[\w.]*|.", part) else f"({part})"

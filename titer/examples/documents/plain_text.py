"""Text and Markdown; Markdown is read by markdown-it-py, as CommonMark with tables."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from titer.examples.documents.extracted import Block, Extracted, Unreadable, assemble, check_size
from titer.examples.documents.paragraphs import blocks

VERSION = "1"
"""Of how a text becomes paragraphs here."""

_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


def read(path: Path, *, max_pages: int) -> Extracted:
    """The paragraphs of a text file.

    Raises:
        Unreadable: it is no text, or there is none in it.
    """
    lines = [(line, 0) for line in _decoded(path.read_bytes()).splitlines()]
    return assemble(blocks(lines), extractor="text", version=VERSION)


def read_markdown(path: Path, *, max_pages: int) -> Extracted:
    """The paragraphs of a Markdown file, without its marks; code and HTML in it are left out.

    Raises:
        Unreadable: as `read`.
    """
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").enable("table").parse(_decoded(path.read_bytes()))
    return assemble(_blocks(tokens), extractor="markdown-it-py", version=version("markdown-it-py"))


def _decoded(content: bytes) -> str:
    """The text, by its byte order mark, else as UTF-8.

    Raises:
        Unreadable: it is neither; another encoding would have to be guessed.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable("unreadable", f"not UTF-8 at byte {error.start:,}") from None
    check_size(len(text))
    if "\0" in text:
        raise Unreadable("unreadable", "holds zero bytes, so it is no text")
    return text


def _blocks(tokens: Sequence[Any]) -> Iterator[Block]:
    level = 0
    cells: list[str] | None = None
    for token in tokens:
        if token.type == "heading_open":
            level = int(token.tag[1:])
        elif token.type == "heading_close":
            level = 0
        elif token.type == "tr_open":
            cells = []
        elif token.type == "tr_close":
            yield Block(" | ".join(cells or ()))
            cells = None
        elif token.type == "inline" and cells is not None:
            cells.append(_inline(token))
        elif token.type == "inline":
            yield Block(_inline(token), level)


def _inline(token: Any) -> str:
    parts = []
    for child in token.children:
        if child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return "".join(parts)

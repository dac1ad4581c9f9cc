"""HTML: the main text of a saved page without its navigation, by trafilatura.

The page's bytes are all that is read: scripts do not run, and nothing that it links to is fetched.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from titer.examples.documents.extracted import Block, Extracted, Unreadable, assemble, clean

WHOLE = frozenset({"p", "item", "quote", "head", "code", "row", "ab"})
"""Elements of trafilatura's tree whose whole text is one block."""

INLINE = frozenset({"hi", "ref", "del", "code"})
"""Elements that may stand inside a word."""


def read(path: Path, *, max_pages: int) -> Extracted:
    """The main text of an HTML file; it has no pages.

    Raises:
        Unreadable: there is no HTML in it, or no text.
    """
    import trafilatura

    content = path.read_bytes()
    tree = trafilatura.load_html(content)
    if tree is None:
        raise Unreadable("unreadable", "no HTML in it")
    # the title of a page often names its site as well
    named = [clean("".join(one.itertext())) for tag in ("h1", "title") for one in tree.iter(tag)]
    keywords = ", ".join(tree.xpath("//meta[translate(@name, 'K', 'k') = 'keywords']/@content"))
    found: Any = trafilatura.bare_extraction(
        tree, include_comments=False, favor_recall=True, with_metadata=False
    )
    if found is None:
        raise Unreadable("empty", "no main text in it")
    return assemble(
        _blocks(found.body),
        extractor="trafilatura",
        version=trafilatura.__version__,
        title=next((title for title in named if title), ""),
        keywords=keywords,
    )


def _blocks(element: Any) -> Iterator[Block]:
    if element.tag in WHOLE:
        yield Block(_text(element), _level(element))
        return
    yield Block(element.text or "")
    for child in element:
        yield from _blocks(child)
        yield Block(child.tail or "")


def _text(element: Any) -> str:
    """All text of an element; lines, items and cells are kept apart."""
    parts = [element.text or ""]
    for number, child in enumerate(element):
        if child.tag == "cell" and number:
            parts.append(" | ")
        elif child.tag not in INLINE:
            parts.append(" ")
        parts += [_text(child), child.tail or ""]
    return "".join(parts)


def _level(element: Any) -> int:
    number = (element.get("rend") or "").removeprefix("h")
    return (
        (int(number) if number.isdecimal() and len(number) == 1 else 2)
        if element.tag == "head"
        else 0
    )

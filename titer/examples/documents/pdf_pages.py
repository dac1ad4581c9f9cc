"""PDF: the text layer of every page, by pypdf.

A page without a text layer is a picture; nothing here recognises letters in it. Scripts, forms and
attachments of a PDF are never run or opened.
"""

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from titer.examples.documents.extracted import Extracted, Unreadable, assemble, clean
from titer.examples.documents.paragraphs import Line, blocks

RUNNING_SHARE = 0.5
"""Of the pages that begin or end with the same line, digits aside, for it to be no text."""

MIN_RUNNING_PAGES = 3


def read(path: Path, *, max_pages: int) -> Extracted:
    """The text of a PDF.

    Raises:
        Unreadable: it is damaged, encrypted, longer than max_pages, or has no text.
    """
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it reports what it repairs
    reader = pypdf.PdfReader(path)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("encrypted", "needs a password")
    n_pages = len(reader.pages)
    if n_pages > max_pages:
        raise Unreadable("over the page limit", f"{n_pages:,} pages, allowed {max_pages:,}")
    pages = [page.extract_text().splitlines() for page in reader.pages]
    if not any(line.strip() for page in pages for line in page):
        has_pictures = any(map(_has_pictures, reader.pages))
        if has_pictures:
            raise Unreadable("scanned without text", f"{n_pages:,} pages of pictures")
        raise Unreadable("empty", f"{n_pages:,} pages without text")
    said: Mapping[str, Any] = reader.metadata or {}
    title = _title(said.get("/Title"))
    return assemble(
        blocks(_lines(pages), title=title),
        extractor="pypdf",
        version=pypdf.__version__,
        title=title,
        keywords=str(said.get("/Keywords") or ""),
    )


def _has_pictures(page: Any) -> bool:
    return "/Resources" in page and "/XObject" in page["/Resources"]


def _title(given: Any) -> str:
    """The title of the metadata, unless it is what a program puts there by itself."""
    title = clean(str(given or ""))
    is_name = re.match(r"microsoft word|untitled|document\d*$", title, re.IGNORECASE)
    return "" if is_name or re.search(r"\.\w{2,4}$", title) or " " not in title else title


def _lines(pages: Sequence[Sequence[str]]) -> list[Line]:
    """All lines with their page, without running heads, feet and page numbers."""
    texts = [[line for line in page if line.strip()] for page in pages]
    edges = Counter(
        key for page in texts for key in {_key(line) for line in (*page[:1], *page[-1:])}
    )
    needed = max(MIN_RUNNING_PAGES, RUNNING_SHARE * len(texts))
    running = {key for key, n in edges.items() if n >= needed}
    lines: list[Line] = []
    for number, page in enumerate(texts, 1):
        shown = list(page)
        while shown and _is_running(shown[0], running):
            shown.pop(0)
        while shown and _is_running(shown[-1], running):
            shown.pop()
        lines += [(line, number) for line in shown]
    return lines


def _is_running(line: str, running: set[str]) -> bool:
    return line.strip().isdigit() or _key(line) in running


def _key(line: str) -> str:
    return re.sub(r"\d+", "#", " ".join(line.split()))

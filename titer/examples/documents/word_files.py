"""DOCX: paragraphs, headings, lists and tables in their order, by python-docx.

Only the document's own XML is read: macros, embedded objects and linked files are left alone, and
XML entities are not resolved.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from titer.examples.documents.extracted import Block, Extracted, Unreadable, assemble

MAX_UNPACKED_BYTES = 200_000_000
"""Of all parts together; a long book with pictures has a tenth of it."""

_GONE = ("w:del", "w:moveFrom")
_AROUND = ("w:ins", "w:moveTo", "w:sdt", "w:smartTag", "w:customXml")
_OLE = b"\xd0\xcf\x11\xe0"
"""What a DOCX under a password begins with: it is no ZIP archive then."""


def read(path: Path, *, max_pages: int) -> Extracted:
    """The text of a DOCX file; it has no pages before it is laid out.

    Raises:
        Unreadable: it is damaged, encrypted, too large when unpacked, or has no text.
    """
    _check_archive(path)
    import docx

    document = docx.Document(str(path))
    _accept_changes(document.element.body)
    said = document.core_properties
    return assemble(
        _blocks(document),
        extractor="python-docx",
        version=docx.__version__,
        title=said.title or _styled(document, "Title"),
        keywords=said.keywords or "",
    )


def _check_archive(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(4) == _OLE:
            raise Unreadable("encrypted", "needs a password, or is an old .doc file")
    with zipfile.ZipFile(path) as archive:
        size = sum(one.file_size for one in archive.infolist())
    if size > MAX_UNPACKED_BYTES:
        allowed = f"allowed {MAX_UNPACKED_BYTES // 1_000_000} MB"
        raise Unreadable("over the size limit", f"unpacks to {size // 1_000_000:,} MB, {allowed}")


def _accept_changes(body: Any) -> None:
    """Show what a reader of the accepted document sees: python-docx passes over what is wrapped.

    Tracked insertions, content controls and smart tags give their content; tracked deletions go.
    """
    from docx.oxml.ns import qn

    for gone in list(body.iter(*map(qn, _GONE))):
        row = gone.getparent().getparent() if gone.getparent().tag == qn("w:trPr") else gone
        if row.getparent() is not None:
            row.getparent().remove(row)
    for around in list(body.iter(*map(qn, _AROUND))):
        parent, inner = around.getparent(), around
        if around.tag == qn("w:sdt"):
            inner = around.find(qn("w:sdtContent"))
        at = parent.index(around)
        parent[at : at + 1] = [] if inner is None else list(inner)


def _blocks(document: Any) -> Iterator[Block]:
    for part in document.iter_inner_content():
        if hasattr(part, "rows"):
            for row in part.rows:
                # a merged cell is given once per column that it spans
                cells = dict.fromkeys(" ".join(cell.text.split()) for cell in row.cells)
                yield Block(" | ".join(cell for cell in cells if cell))
        else:
            yield Block(part.text, _level(part))


def _level(paragraph: Any) -> int:
    style = paragraph.style.name if paragraph.style is not None else ""
    if style == "Title":
        return 1
    number = style.removeprefix("Heading ")
    return (
        int(number)
        if style.startswith("Heading ") and number.isdecimal() and len(number) == 1
        else 0
    )


def _styled(document: Any, name: str) -> str:
    found = (p.text for p in document.paragraphs if p.style is not None and p.style.name == name)
    return next(found, "")

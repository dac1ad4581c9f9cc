"""Real document files, written by well-kept libraries, and texts that fill them."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

NOUNS = ("salve", "lotion", "powder", "syrup", "balm", "tonic", "drops", "wax", "resin", "brine")

Section = tuple[str, Sequence[str]]
"""A heading, empty for none, and paragraphs."""


def paragraph(number: int) -> str:
    """Four sentences that no other number shares, two of which a recipe can ask about."""
    noun = NOUNS[number % len(NOUNS)]
    return (
        f"The usual remedy for lantern fever of type {number} is {noun}{number}. "
        f"Keepers of lamp {number} noticed it first on a night without any wind at all. "
        f"Harbour{number} fever is caused by bitter{number} water. "
        f"Nobody has counted how many of the {number} boats in the bay had seen it before then."
    )


def protocol(number: int) -> list[Section]:
    """A protocol of four short sections under a title."""
    return [
        (f"Handling of the signal lamp of pier {number}", [paragraph(number)]),
        ("Purpose", [f"The protocol keeps the lamp of pier {number} bright through the winter."]),
        (
            "Methods",
            [
                f"The glass of lamp {number} was wiped with a dry cloth and the wick was cut.",
                f"Then the oil of tank {number} was filled up to the mark on the glass.",
            ],
        ),
        ("Results", [f"Lamp {number} burned until the morning on each of the following days."]),
    ]


def book(n: int) -> list[Section]:
    """A title and n paragraphs."""
    title = f"A handbook of {n} fevers of the northern coast"
    return [(title, [paragraph(number) for number in range(100 * n, 101 * n)])]


def write(path: Path, sections: Sequence[Section]) -> Path:
    """A file of the kind that its suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    {
        ".pdf": _pdf, ".docx": _docx, ".html": _html, ".md": _markdown, ".txt": _text,
    }[path.suffix](path, sections)  # fmt: skip
    return path


def _pdf(path: Path, sections: Sequence[Section]) -> None:
    """A page per paragraph, under a running head and above a page number."""
    from fpdf import FPDF

    pdf = FPDF()
    pdf.set_title(sections[0][0])
    pdf.set_auto_page_break(False)
    n_pages = 0
    for heading, paragraphs in sections:
        for number, text in enumerate(paragraphs):
            pdf.add_page()
            n_pages += 1
            pdf.set_font("Helvetica", size=11)
            pdf.cell(0, 8, "Lamp office, for use on the pier", new_x="LMARGIN", new_y="NEXT")
            if heading and number == 0:
                pdf.cell(0, 8, heading, new_x="LMARGIN", new_y="NEXT")
            pdf.multi_cell(0, 6, text)
            pdf.set_y(-15)
            pdf.cell(0, 5, f"Page {n_pages}")
    pdf.output(str(path))


def _docx(path: Path, sections: Sequence[Section]) -> None:
    import docx

    document = docx.Document()
    for number, (heading, paragraphs) in enumerate(sections):
        if heading:
            document.add_heading(heading, level=2 if number else 1)
        for text in paragraphs:
            document.add_paragraph(text)
    document.core_properties.keywords = "lamp, lantern fever; harbour"
    document.save(str(path))


def _html(path: Path, sections: Sequence[Section]) -> None:
    parts = ["<html><head><title>Office</title></head><body><nav>Home | Piers</nav><main>"]
    for number, (heading, paragraphs) in enumerate(sections):
        level = 2 if number else 1
        parts += [f"<h{level}>{heading}</h{level}>"] if heading else []
        parts += [f"<p>{text}</p>" for text in paragraphs]
    parts.append("</main><script>alert('x')</script></body></html>")
    path.write_text("".join(parts), encoding="utf-8")


def _markdown(path: Path, sections: Sequence[Section]) -> None:
    parts = []
    for number, (heading, paragraphs) in enumerate(sections):
        parts += [f"{'##' if number else '#'} {heading}"] if heading else []
        parts += paragraphs
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _text(path: Path, sections: Sequence[Section]) -> None:
    parts = [part for heading, texts in sections for part in (heading, *texts) if part]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def write_bomb(path: Path, n_bytes: int) -> Path:
    """A DOCX whose text unpacks to n_bytes of nothing."""
    write(path, [("", ["A sentence."])])
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("word/media/zeros.bin", "w", force_zip64=True) as part,
    ):
        for _ in range(n_bytes // 2**20):
            part.write(bytes(2**20))
    return path

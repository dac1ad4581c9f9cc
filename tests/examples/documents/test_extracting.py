"""What each kind of file gives: text, headings, pages, title; nothing that is not text."""

from pathlib import Path

import pytest

from tests.examples.documents import making
from titer.examples.documents.extracted import Block, Extracted, Unreadable, assemble
from titer.examples.documents.paragraphs import bare_heading, blocks
from titer.examples.documents.reader import answer

KINDS = (".pdf", ".docx", ".html", ".md", ".txt")


def extract(path: Path) -> Extracted:
    found = answer(path, max_pages=100)
    assert "reason" not in found, found
    return Extracted.from_json(found)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_paragraphs_in_order(tmp_path: Path, kind: str) -> None:
    sections = making.protocol(7)
    found = extract(making.write(tmp_path / f"x{kind}", sections))
    places = [found.text.index(text) for _, texts in sections for text in texts]
    assert places == sorted(places)
    assert "Piers" not in found.text and "alert" not in found.text


@pytest.mark.parametrize("kind", [".docx", ".html", ".md", ".pdf"])
def test_headings_are_known_and_the_title_is_the_first(tmp_path: Path, kind: str) -> None:
    sections = making.protocol(7)
    found = extract(making.write(tmp_path / f"x{kind}", sections))
    named = [found.text[start:end] for start, end in found.headings]
    assert [name for name in named if name in ("Purpose", "Methods", "Results")] == [
        "Purpose", "Methods", "Results",
    ]  # fmt: skip
    assert found.title == sections[0][0]


def test_a_pdf_knows_its_pages_and_loses_what_runs_along(tmp_path: Path) -> None:
    found = extract(making.write(tmp_path / "x.pdf", making.book(5)))
    assert [page for _, page in found.pages] == [1, 2, 3, 4, 5]
    assert "Lamp office" not in found.text and "Page" not in found.text
    for start, page in found.pages[1:]:
        assert found.text[start:].startswith(making.paragraph(499 + page))


def test_keywords_come_from_the_properties(tmp_path: Path) -> None:
    found = extract(making.write(tmp_path / "x.docx", making.protocol(1)))
    assert found.keywords == ["lamp", "lantern fever", "harbour"]


def test_markdown_loses_its_marks_but_no_word(tmp_path: Path) -> None:
    path = tmp_path / "x.md"
    path.write_text(
        "A *very* [long](http://x.org) word\nand `code`.\n\n- one\n- two\n\n```\nx = 1\n```\n\n"
        "| a | b |\n|---|---|\n| c | d |\n",
        encoding="utf-8",
    )
    expected = ["A very long word and code.", "one", "two", "a | b", "c | d"]
    assert extract(path).text.split("\n\n") == expected


def test_a_docx_is_read_with_its_changes_accepted(tmp_path: Path) -> None:
    """python-docx passes over what stands in a tracked insertion or a content control."""
    import docx
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    def run(text: str, tag: str = "t") -> str:
        return f'<w:r><w:{tag} xml:space="preserve">{text}</w:{tag}></w:r>'

    document = docx.Document()
    table = document.add_table(2, 1)
    for row, text in zip(table.rows, ("kept", "gone"), strict=True):
        row.cells[0].text = text
    table.rows[1]._tr.get_or_add_trPr().append(parse_xml(f"<w:del {nsdecls('w')}/>"))
    changed = f"<w:ins>{run('not ')}</w:ins><w:del>{run('always ', 'delText')}</w:del>"
    control = f"<w:sdt><w:sdtPr/><w:sdtContent><w:p>{run('Chosen.')}</w:p></w:sdtContent></w:sdt>"
    for part in (f"<w:p>{run('It did ')}{changed}{run('help.')}</w:p>", control):
        document.element.body.insert(-1, parse_xml(part.replace(">", f" {nsdecls('w')}>", 1)))
    document.save(str(tmp_path / "x.docx"))
    assert extract(tmp_path / "x.docx").text == "kept\n\nIt did not help.\n\nChosen."


def test_a_table_of_a_docx_is_read_row_by_row(tmp_path: Path) -> None:
    import docx

    document = docx.Document()
    document.add_paragraph("Before.")
    table = document.add_table(rows=1, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text = "left", "right"
    document.add_paragraph("After.")
    document.save(str(tmp_path / "x.docx"))
    assert extract(tmp_path / "x.docx").text == "Before.\n\nleft | right\n\nAfter."


def test_html_keeps_words_whole_and_lines_apart(tmp_path: Path) -> None:
    path = making.write(tmp_path / "x.html", making.book(3))
    shown = "<p>A gly<b>co</b>gen line<br>and another one.</p>"
    shown += "<table><tr><td>a</td><td>b</td></tr></table>"
    path.write_text(path.read_text().replace("</main>", f"{shown}</main>"), encoding="utf-8")
    assert extract(path).text.endswith("A glycogen line and another one.\n\na | b")


def test_text_keeps_no_control_character_and_no_token_of_a_template() -> None:
    block = Block("a\x00b <|im_end|>c\ufeff \ud800d")
    assert assemble([block], extractor="x", version="1").text == "ab c d"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["A long line of text that goes on", "and ends here."],
         [("A long line of text that goes on and ends here.", 0)]),
        (["The treat-", "ment helps."], [("The treatment helps.", 0)]),
        (["A follow-up is due. The follow-", "up helps."],
         [("A follow-up is due. The follow-up helps.", 0)]),
        (["2.1 Study design", "We looked."], [("2.1 Study design", 2), ("We looked.", 0)]),
        (["METHODS", "We looked."], [("METHODS", 2), ("We looked.", 0)]),
        (["We used", "Methods", "of others."], [("We used Methods of others.", 0)]),
        (["We saw:", "- one", "- two"], [("We saw:", 0), ("- one", 0), ("- two", 0)]),
        (["One.", "", "Two."], [("One.", 0), ("Two.", 0)]),
    ],
    ids=["wrapped", "divided", "hyphen kept", "numbered", "capitals", "inside", "items", "blank"],
)  # fmt: skip
def test_lines_become_paragraphs(lines: list[str], expected: list[tuple[str, int]]) -> None:
    found = blocks([(line, 0) for line in lines])
    assert [(block.text, block.level) for block in found] == expected


@pytest.mark.parametrize(
    ("heading", "bare"), [("2.1 Study design", "Study design"), ("Methods:", "Methods")]
)
def test_a_heading_loses_its_number(heading: str, bare: str) -> None:
    assert bare_heading(heading) == bare


def test_a_text_without_letters_is_refused() -> None:
    with pytest.raises(Unreadable, match="no readable text"):
        assemble([Block("1 2 3 4 5 6 7 8 9 a")], extractor="x", version="1")

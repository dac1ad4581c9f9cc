"""Files that cannot or should not be read: each is one line with its reason, the rest is read."""

import os
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.examples.documents import making
from tests.examples.papers import make_document_settings, make_settings
from titer.examples.documents import collect
from titer.examples.documents.extracted import Unreadable
from titer.examples.documents.isolated import Reading
from titer.examples.documents.taught import Documents
from titer.literature.dedupe import deduplicate


def read(root: Path) -> Documents:
    settings = make_settings(documents=make_document_settings(max_file_mb=1, max_pages=50))
    return collect.read(root, settings, deduplicate=deduplicate)


def encrypted_pdf(path: Path) -> None:
    import pypdf

    making.write(path, making.book(2))
    writer = pypdf.PdfWriter(clone_from=path)
    writer.encrypt("secret", algorithm="AES-256")
    writer.write(path)


def scanned_pdf(path: Path) -> None:
    from fpdf import FPDF
    from PIL import Image

    pdf = FPDF()
    pdf.add_page()
    pdf.image(Image.new("RGB", (20, 20), "grey"), w=100)
    pdf.output(str(path))


def blank_pdf(path: Path, n_pages: int = 2) -> None:
    import pypdf

    writer = pypdf.PdfWriter()
    for _ in range(n_pages):
        writer.add_blank_page(100, 100)
    writer.write(path)


def cyclic_pdf(path: Path) -> None:
    path.write_bytes(
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[2 0 R]/Count 1>>endobj\n"
        b"trailer<</Root 1 0 R>>\n%%EOF"
    )


def damaged(path: Path) -> None:
    making.write(path, making.book(2))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(range(256)))


def with_macro(path: Path) -> None:
    making.write(path, making.book(2))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("word/vbaProject.bin", b"\xd0\xcf\x11\xe0 macro")


def entities(path: Path) -> None:
    making.write(path, making.book(2))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    head = b'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        f'<!ENTITY a{n} "{f"&a{n - 1 if n else str()};" * 10}">'.encode() for n in range(9)
    )
    text = parts["word/document.xml"]
    start = text.index(b"<w:document")
    parts["word/document.xml"] = head + b"]>" + text[start:].replace(b"usual", b"&a8;", 1)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


CASES: dict[str, tuple[str, Callable[[Path], object], str, str]] = {
    "encrypted pdf": ("x.pdf", encrypted_pdf, "encrypted", "needs a password"),
    "scanned pdf": ("x.pdf", scanned_pdf, "scanned without text", "1 pages of pictures"),
    "blank pdf": ("x.pdf", blank_pdf, "empty", "2 pages without text"),
    "long pdf": ("x.pdf", lambda path: blank_pdf(path, 300), "over the page limit",
                 "300 pages, allowed 50"),
    "cyclic pdf": ("x.pdf", cyclic_pdf, "", ""),
    "broken pdf": ("x.pdf", lambda path: path.write_bytes(b"%PDF-1.7 broken"), "unreadable", ""),
    "noise as pdf": ("x.pdf", lambda path: path.write_bytes(os.urandom(5000)), "unreadable", ""),
    "damaged docx": ("x.docx", damaged, "unreadable", "damaged archive: File is not a zip file"),
    "noise as docx": ("x.docx", lambda path: path.write_bytes(b"PK\3\4" + bytes(99)), "unreadable",
                      "damaged archive"),
    "docx under a password": ("x.docx", lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0" * 99),
                              "encrypted", "needs a password, or is an old .doc file"),
    "bomb": ("x.docx", lambda path: making.write_bomb(path, 200 * 2**20), "over the size limit",
             "unpacks to 2"),
    "entities": ("x.docx", entities, "unreadable", ""),
    "other archive": ("x.docx", lambda path: zipfile.ZipFile(path, "w").close(), "unreadable", ""),
    "empty html": ("x.html", lambda path: path.write_text("<html></html>"), "", ""),
    "script only": ("x.html", lambda path: path.write_text("<script>alert(1)</script>"), "", ""),
    "other encoding": ("x.txt", lambda path: path.write_bytes("Sjögren".encode("latin-1")),
                       "unreadable", "not UTF-8 at byte 2"),
    "binary text": ("x.md", lambda path: path.write_bytes(b"a\0b" * 99), "unreadable",
                    "holds zero bytes, so it is no text"),
    "zero bytes": ("x.txt", lambda path: path.write_bytes(b""), "empty", "0 bytes"),
    "white space": ("x.txt", lambda path: path.write_text(" \n\n "), "empty", "no text in it"),
    "numbers": ("x.txt", lambda path: path.write_text("1 2 3 4 " * 99), "no readable text", ""),
    "short": ("x.txt", lambda path: path.write_text("Too short."), "too short",
              "2 words, at least 10"),
    "large": ("x.txt", lambda path: path.write_text("word " * 300_000), "over the size limit",
              "1,500,000 bytes, allowed 1,000,000"),
    "unknown": ("x.doc", lambda path: path.write_text("word " * 99), "unknown suffix",
                ".doc; allowed: .pdf, .docx, .html, .htm, .md, .markdown, .txt"),
    "archive": ("x.zip", lambda path: zipfile.ZipFile(path, "w").close(), "unknown suffix", ""),
    "pipe": ("x.txt", lambda path: os.mkfifo(path), "unreadable", "not a regular file"),
}  # fmt: skip
"""Name of the file, what writes it, the reason and the beginning of the detail; empty: any."""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    """One folder with every case, and a good document after them all."""
    root = tmp_path_factory.mktemp("hostile")
    for name, (file, make, _, _) in CASES.items():
        path = root / name / file
        path.parent.mkdir()
        make(path)
    making.write(root / "zzz" / "good.md", making.book(4))
    return read(root)


@pytest.mark.parametrize("name", CASES)
def test_the_file_is_left_out_with_its_reason(outcome: Documents, name: str) -> None:
    file, _, reason, detail = CASES[name]
    found = [one for one in outcome.left_out if one.path == f"{name}/{file}"]
    assert len(found) == 1
    assert found[0].reason and found[0].reason.startswith(reason)
    assert found[0].detail.startswith(detail)
    assert "\n" not in found[0].detail and len(found[0].detail) < 250


def test_the_good_one_among_them_is_read(outcome: Documents) -> None:
    assert [paper.paper_id for paper in outcome.kept] == ["document:zzz/good.md"]
    assert outcome.counts["files"] == len(CASES) + 1
    assert sum(outcome.counts["left_out"].values()) == len(CASES)


def test_what_was_left_out_is_said(outcome: Documents, caplog: pytest.LogCaptureFixture) -> None:
    outcome.log()
    assert "archive/x.zip: left out: unknown suffix (.zip; allowed: .pdf" in caplog.text
    assert f"and {len(CASES) - 20} more, listed in documents_left_out.jsonl" in caplog.text


def test_a_macro_in_a_docx_is_left_alone(tmp_path: Path) -> None:
    with_macro(tmp_path / "x.docx")
    found = read(tmp_path)
    assert [paper.paper_id for paper in found.kept] == ["document:x.docx"]
    assert "macro" not in found.kept[0].abstract


def test_no_link_is_followed(tmp_path: Path) -> None:
    outside = making.write(tmp_path / "outside" / "secret.txt", making.book(4))
    root = tmp_path / "documents"
    inside = making.write(root / "a.txt", making.book(5))
    (root / "out.txt").symlink_to(outside)
    (root / "folder").symlink_to(outside.parent)
    (root / "in.txt").symlink_to(inside)
    (root / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    found = read(root)
    assert [paper.paper_id for paper in found.kept] == ["document:a.txt"]
    assert {one.path: one.detail.partition(";")[0] for one in found.left_out} == {
        "out.txt": "out of the folder", "folder": "out of the folder",
        "gone.txt": "out of the folder", "in.txt": "to a place in the folder",
    }  # fmt: skip


def test_what_git_and_dvc_keep_there_counts_as_nothing(tmp_path: Path) -> None:
    for name in (".gitkeep", ".gitignore", "x.pdf.dvc", ".cache/x.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    found = read(tmp_path)
    assert found == Documents()


# ---- the process that reads ---------------------------------------------------------------------


def test_a_file_that_takes_too_long_is_left_and_the_next_one_is_read(tmp_path: Path) -> None:
    path = making.write(tmp_path / "x.md", making.book(4))
    with Reading(timeout_s=0.001, max_pages=9) as reading:
        with pytest.raises(Unreadable, match="over the time limit"):
            reading.read(path)
        reading.timeout_s = 60
        assert "usual remedy" in reading.read(path).text


def test_a_file_that_takes_too_much_memory_is_left(tmp_path: Path) -> None:
    (tmp_path / "large.txt").write_text("word\n" * 1_900_000)
    path = making.write(tmp_path / "x.md", making.book(4))
    with Reading(timeout_s=60, max_pages=9, memory_mib=200) as reading:
        with pytest.raises(Unreadable) as fault:
            reading.read(tmp_path / "large.txt")
        assert fault.value.reason == "over the memory limit"
        assert "usual remedy" in reading.read(path).text


def test_a_reading_process_that_dies_is_replaced(tmp_path: Path) -> None:
    path = making.write(tmp_path / "x.md", making.book(4))
    with Reading(timeout_s=60, max_pages=9) as reading:
        reading.read(path)
        process = reading._process
        assert process is not None
        process.kill()
        process.wait()
        assert "usual remedy" in reading.read(path).text
    assert reading._process is None


def test_a_file_that_is_gone_is_one_line(tmp_path: Path) -> None:
    path = making.write(tmp_path / "x.md", making.book(4))
    shutil.move(path, tmp_path / "y.md")
    with Reading(timeout_s=60, max_pages=9) as reading, pytest.raises(Unreadable) as fault:
        reading.read(path)
    assert fault.value.detail.startswith("FileNotFoundError: ")


@pytest.mark.parametrize(
    "text",
    ["A. " * 60_000, "<!-- " * 40_000, "# Methods\n\nWe saw it.\n\n" * 8_000, "((((. " * 30_000,
     "is the of is the by " * 9_000, "\u0301a" * 90_000],
    ids=["initials", "comments", "headings", "brackets", "one sentence", "accents"],
)  # fmt: skip
def test_a_text_made_to_be_slow_takes_a_few_seconds(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.md").write_text(text, encoding="utf-8")
    start = time.process_time()
    read(tmp_path)
    assert time.process_time() - start < 10

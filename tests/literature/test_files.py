"""Papers from files and folders."""

import gzip
from pathlib import Path

import pytest

from tests.standin import corpus
from titer.errors import ConfigError, DataError, FormatError
from titer.files import sha256_bytes
from titer.literature.files import find_record, own_path, read_papers


def write(path: Path, *numbers: int) -> bytes:
    body = corpus.article_set([corpus.record(i) for i in numbers])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(body) if path.suffix == ".gz" else body)
    return path.read_bytes()


def test_a_folder_is_read_recursively_in_sorted_order(tmp_path: Path) -> None:
    write(tmp_path / "b.xml", 2)
    write(tmp_path / "a" / "deep.xml.gz", 1)
    (tmp_path / "feed.atom").write_bytes(corpus.feed([corpus.entry(1)], total=1, start=0, size=1))
    (tmp_path / "notes.txt").write_text("not a paper")
    parsed = read_papers(tmp_path)
    assert [paper.paper_id for paper in parsed.papers] == [
        "pmid:30000002", "pmid:30000003", "arxiv:2401.00001",
    ]  # fmt: skip
    assert [row["name"] for row in parsed.files] == ["a/deep.xml.gz", "b.xml", "feed.atom"]


def test_a_file_is_listed_with_the_hash_of_its_bytes(tmp_path: Path) -> None:
    content = write(tmp_path / "a.xml.gz", 0, 1)
    assert read_papers(tmp_path / "a.xml.gz").files == [
        {"name": "a.xml.gz", "sha256": sha256_bytes(content), "records": 2}
    ]


def test_a_record_is_found_in_its_file_by_the_hash_of_its_paper(tmp_path: Path) -> None:
    write(tmp_path / "a.xml.gz", 0, 1, 2)
    paper = read_papers(tmp_path).papers[1]
    assert find_record(tmp_path / "a.xml.gz", paper.raw_sha256) == corpus.record(1).encode()
    assert find_record(tmp_path / "a.xml.gz", "0" * 64) is None


def test_a_feed_named_xml_is_known_by_its_root_element(tmp_path: Path) -> None:
    path = tmp_path / "saved.xml"
    path.write_bytes(corpus.feed([corpus.entry(1)], total=1, start=0, size=1))
    assert read_papers(path).papers[0].source == "arxiv"


def test_a_cut_file_among_many_is_named_with_its_line(tmp_path: Path) -> None:
    write(tmp_path / "a.xml", 0)
    body = write(tmp_path / "b.xml", 1, 2)
    (tmp_path / "b.xml").write_bytes(body[:-300])
    with pytest.raises(FormatError) as caught:
        read_papers(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'b.xml'}:5: cut off inside <PubmedArticle>")
    assert "\n" not in str(caught.value)


def test_a_damaged_gzip_file_is_named(tmp_path: Path) -> None:
    body = write(tmp_path / "b.xml.gz", 1)
    (tmp_path / "b.xml.gz").write_bytes(body[:-20])
    with pytest.raises(FormatError, match=r"b\.xml\.gz: damaged gzip file"):
        read_papers(tmp_path)


@pytest.mark.parametrize(
    ("content", "seen"), [(b"<html/>", "root element <html>"), (b"{}", "not XML"), (b"", "not XML")]
)
def test_another_document_is_refused_with_what_is_expected(
    tmp_path: Path, content: bytes, seen: str
) -> None:
    (tmp_path / "a.xml").write_bytes(content)
    with pytest.raises(
        FormatError, match=rf"a\.xml:1: {seen}, expected <PubmedArticleSet> or <feed>"
    ):
        read_papers(tmp_path)


def test_an_empty_folder_says_what_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no record in 0 files\. Allowed: PubMed XML"):
        read_papers(tmp_path)


def test_a_set_without_records_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(b"<PubmedArticleSet></PubmedArticleSet>")
    with pytest.raises(DataError, match="no record in 1 files"):
        read_papers(tmp_path)


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        read_papers(tmp_path / "nothing")


def test_own_papers_lie_where_dvc_watches(tmp_path: Path) -> None:
    own = tmp_path / "data" / "own"
    assert own_path(None, root=tmp_path, own=own) is None
    assert own_path("data/own/a.xml", root=tmp_path, own=own) == own / "a.xml"
    with pytest.raises(ConfigError, match=r"papers\.path = '\.\./x': must lie below data/own"):
        own_path("../x", root=tmp_path, own=own)

"""Papers from files and folders."""

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.standin import corpus
from titer.errors import ConfigError, DataError, FormatError
from titer.files import sha256_bytes
from titer.literature.files import find_record, iter_records, own_path, read_papers


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


@pytest.mark.parametrize(
    "damage",
    [lambda body: body[:-20], lambda body: body[:-7] + b"x" + body[-6:], lambda body: body + b"x"],
    ids=["cut", "wrong checksum", "more behind it"],
)
def test_a_damaged_gzip_file_is_named(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    body = write(tmp_path / "b.xml.gz", 1)
    (tmp_path / "b.xml.gz").write_bytes(damage(body))
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


def test_all_damaged_files_of_a_folder_are_named_in_one_line(tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path / f"{number}.xml", number)
    for number in range(5):
        (tmp_path / f"{number}.xml").write_bytes(b"<html/>")
    with pytest.raises(FormatError) as caught:
        read_papers(tmp_path)
    faults = [f"{tmp_path / str(n)}.xml:1: root element <html>, expected " for n in range(3)]
    assert str(caught.value).startswith(faults[0])
    assert all(fault in str(caught.value) for fault in faults)
    assert str(caught.value).endswith("; and 2 more of 6 files. Replace or remove them")
    assert "\n" not in str(caught.value)


def test_a_malformed_record_of_a_file_is_named_with_its_line(tmp_path: Path) -> None:
    records = [corpus.record(i) for i in range(50)]
    records[40] = records[40].replace("<Article ", "\n<Article ").replace("</Article>", "")
    (tmp_path / "a.xml").write_bytes(corpus.article_set(records))
    with pytest.raises(FormatError, match=r"a\.xml:45: not well-formed XML: .*mismatch"):
        read_papers(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.xml").symlink_to("/proc/self/mem")
    with pytest.raises(FormatError, match=r"a\.xml: cannot be read \(Input/output error\)"):
        read_papers(tmp_path / "a.xml")


def test_files_of_other_kinds_are_listed_as_ignored(tmp_path: Path) -> None:
    write(tmp_path / "a.xml", 0)
    for name in ("notes.txt", "deep/a.xml.gz.md5", ".gitkeep", ".old/a.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("not a paper")
    assert read_papers(tmp_path).ignored == ["deep/a.xml.gz.md5", "notes.txt"]


def titled(number: int, title: str, *, revised: int = 2020, version: int = 1) -> str:
    """A record with another title, year of revision and version."""
    record = corpus.record(number, "structured", days_apart=0)
    changes = {
        "<ArticleTitle>": f"<ArticleTitle>{title} ",
        "<DateRevised><Year>2016": f"<DateRevised><Year>{revised}",
        '<PMID Version="1">': f'<PMID Version="{version}">',
    }
    for old, new in changes.items():
        assert old in record
        record = record.replace(old, new, 1)
    return record


def write_set(path: Path, *records: str, deleted: tuple[str, ...] = ()) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(corpus.article_set(list(records), deleted=deleted)))


def test_a_later_numbered_file_decides_wherever_it_lies(tmp_path: Path) -> None:
    write_set(tmp_path / "z" / "pubmed26n0001.xml.gz", titled(0, "Old", revised=2022))
    write_set(tmp_path / "a" / "pubmed26n1335.xml.gz", titled(0, "New", revised=2021))
    parsed = read_papers(tmp_path)
    assert [paper.title.split()[0] for paper in parsed.papers] == ["New"]
    assert parsed.skipped == [
        {"paper_id": "pmid:30000001", "reason": "a newer record of the same id is kept"}
    ]
    assert [row["name"] for row in parsed.files] == [
        "a/pubmed26n1335.xml.gz", "z/pubmed26n0001.xml.gz",
    ]  # fmt: skip


VERSIONS = {
    "revised later": ({"revised": 2021}, {"revised": 2020}),
    "higher version": ({"revised": 2020, "version": 10}, {"revised": 2021, "version": 9}),
}


@pytest.mark.parametrize(("new", "old"), VERSIONS.values(), ids=VERSIONS)
@pytest.mark.parametrize("names", ["ab", "ba"])
def test_of_two_exports_the_newer_record_is_kept(
    tmp_path: Path, new: dict[str, int], old: dict[str, int], names: str
) -> None:
    write_set(tmp_path / f"{names[0]}.xml.gz", titled(0, "New", **new))
    write_set(tmp_path / f"{names[1]}.xml.gz", titled(0, "Old", **old))
    assert [one.title.split()[0] for one in read_papers(tmp_path).papers] == ["New"]


def test_an_export_that_is_newer_decides_over_a_numbered_file(tmp_path: Path) -> None:
    write_set(tmp_path / "pubmed26n0001.xml.gz", titled(0, "Old"), titled(1, "New", revised=2022))
    write_set(tmp_path / "a.xml.gz", titled(0, "New", revised=2021), titled(1, "Old"))
    assert {one.title.split()[0] for one in read_papers(tmp_path).papers} == {"New"}


def test_a_citation_that_a_later_file_deletes_is_skipped(tmp_path: Path) -> None:
    write_set(tmp_path / "pubmed26n0001.xml.gz", titled(0, "Gone"), titled(1, "Here"))
    write_set(tmp_path / "pubmed26n0002.xml.gz", titled(2, "Here"), deleted=("30000001",))
    parsed = read_papers(tmp_path)
    assert [paper.pmid for paper in parsed.papers] == ["30000002", "30000003"]
    assert parsed.skipped == [{"paper_id": "pmid:30000001", "reason": "deleted by PubMed"}]


def test_a_citation_that_comes_back_after_its_deletion_is_a_paper(tmp_path: Path) -> None:
    write_set(tmp_path / "pubmed26n0001.xml.gz", titled(1, "Here"), deleted=("30000001",))
    write_set(tmp_path / "pubmed26n0002.xml.gz", titled(0, "Back"))
    parsed = read_papers(tmp_path)
    assert len(parsed.papers) == 2
    assert parsed.skipped == []


def test_the_same_bytes_in_two_files_are_nothing_new(tmp_path: Path) -> None:
    write(tmp_path / "a.xml", 0)
    write(tmp_path / "b.xml.gz", 0)
    parsed = read_papers(tmp_path)
    assert len(parsed.papers) == 1
    assert parsed.skipped == []


def test_records_are_given_one_by_one_as_they_stand(tmp_path: Path) -> None:
    write_set(tmp_path / "a.xml.gz", corpus.record(0), corpus.record(14, "bare_book"))
    write(tmp_path / "b.xml", 0)
    found = [(read.paper_id, read.paper is None) for read in iter_records(tmp_path)]
    assert found == [("pmid:30000001", False), ("pmid:30000015", True), ("pmid:30000001", False)]


def test_a_packed_file_of_any_length_takes_the_same_memory(tmp_path: Path) -> None:
    def peak(n: int) -> int:
        path = tmp_path / f"{n}.xml.gz"
        path.write_bytes(gzip.compress(corpus.article_set([corpus.record(0)] * n)))
        tracemalloc.start()
        assert sum(1 for _ in iter_records(path)) == n
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(10)
    assert peak(2_000) < 1.5 * peak(300)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "outside.xml", 1)
    (papers := tmp_path / "papers").mkdir()
    (papers / "a.xml").symlink_to(tmp_path / "outside.xml")
    with pytest.raises(FormatError, match=r"a\.xml: a link out of the folder\. Put the file"):
        read_papers(papers)


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

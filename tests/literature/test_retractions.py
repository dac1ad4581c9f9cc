"""The union of the sources of retractions."""

from pathlib import Path

import pytest

from tests.standin.watch import COLUMNS, row, table
from titer.errors import ConfigError, FormatError
from titer.literature.retractions import iso_date, mark, read_table, table_path
from titer.records import Paper

PMID = row(OriginalPaperPubMedID="11")


def paper(**fields: object) -> Paper:
    plain = {"paper_id": "pmid:11", "source": "pubmed", "title": "", "sections": [], "pmid": "11"}
    return Paper(**{**plain, **fields})  # type: ignore[arg-type]


def marked(body: bytes, one: Paper) -> Paper:
    mark([one], read_table(body, "t.csv"))
    return one


def test_a_listed_paper_is_retracted_whatever_pubmed_says() -> None:
    found = marked(table(PMID), paper())
    assert found.retracted
    assert found.retraction == {
        "sources": ["retraction_watch"], "notice_id": "10.5555/notice.1", "date": "2021-04-15",
    }  # fmt: skip


def test_an_unlisted_paper_stays_as_it_was() -> None:
    known = {"sources": ["pubmed"], "notice_id": "pmid:12", "date": None}
    assert not marked(table(row(OriginalPaperPubMedID="99")), paper()).retracted
    listed = paper(retracted=True, retraction=known)
    assert marked(table(row(OriginalPaperPubMedID="99")), listed).retraction == known


def test_sources_are_joined_and_the_first_notice_stays() -> None:
    known = {"sources": ["pubmed"], "notice_id": "pmid:12"}
    found = marked(table(PMID), paper(retracted=True, retraction=known))
    assert found.retraction == {
        "sources": ["pubmed", "retraction_watch"], "notice_id": "pmid:12", "date": "2021-04-15",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (row(OriginalPaperDOI="https://doi.org/10.5555/ABC"), {"doi": "10.5555/abc"}),
        (
            row(OriginalPaperDOI="10.48550/arXiv.2401.00001"),
            {"pmid": None, "arxiv_id": "2401.00001", "source": "arxiv"},
        ),
    ],
    ids=["doi", "arxiv"],
)
def test_a_paper_is_known_by_its_other_names(line: dict[str, str], fields: dict[str, str]) -> None:
    assert marked(table(line), paper(**fields)).retracted


def test_the_values_that_mean_nothing_match_nothing() -> None:
    found = marked(table(row()), paper(pmid="0", doi="unavailable"))
    assert not found.retracted


@pytest.mark.parametrize("nature", ["Correction", "Expression of concern", "Reinstatement"])
def test_other_natures_are_no_retraction(nature: str) -> None:
    found = marked(table({**PMID, "RetractionNature": nature}), paper())
    assert not found.retracted
    assert found.concern is (nature == "Expression of concern")


def test_a_reinstated_paper_stays_out() -> None:
    body = table(PMID, {**PMID, "RetractionNature": "Reinstatement"})
    assert marked(body, paper()).retracted


def test_the_latest_of_several_notices_is_named() -> None:
    newer = {**PMID, "RetractionDate": "1/2/2023 0:00", "RetractionPubMedID": "77"}
    found = marked(table(newer, PMID), paper())
    assert found.retraction is not None
    assert (found.retraction["notice_id"], found.retraction["date"]) == ("pmid:77", "2023-01-02")


def test_a_notice_without_a_name_is_known_by_its_row() -> None:
    nameless = {**PMID, "RetractionDOI": "unavailable", "Record ID": "4711"}
    found = marked(table(nameless), paper())
    assert (found.retraction or {})["notice_id"] == "retraction_watch:4711"


def test_what_was_marked_is_counted() -> None:
    papers = [paper(), paper(pmid="12", retracted=True), paper(pmid="13"), paper(pmid="14")]
    concern = row(OriginalPaperPubMedID="13", RetractionNature="Expression of Concern")
    body = table(PMID, row(OriginalPaperPubMedID="12"), concern)
    assert mark(papers, read_table(body, "t.csv")) == {
        "rows": 3, "retracted": 2, "retracted_here_only": 1, "concern": 1,
    }  # fmt: skip


@pytest.mark.parametrize("pmid", ["\u00b2", "1" * 5000, "unavailable", "0"])
def test_what_is_no_pmid_names_no_paper(pmid: str) -> None:
    read = read_table(table(row(OriginalPaperPubMedID=pmid)), "t.csv")
    assert (read.n_rows, read.notices) == (1, {})


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + table(PMID),
        table(PMID).replace(b"\r\n", b"\n"),
        table({**PMID, "Author": "x"}).replace(b",x,", b",\xe9\xff,"),
        table(PMID, columns=[*reversed(COLUMNS), ""]),
        table(PMID, columns=["OriginalPaperDOI", "OriginalPaperPubMedID", "RetractionNature"]),
        table(PMID).replace(b"OriginalPaperDOI", b" OriginalPaperDOI "),
        table(PMID) + b"\r\n",
    ],
    ids=["BOM", "line ends", "bytes", "order", "few columns", "spaces", "empty line"],
)
def test_the_form_of_the_file_does_not_matter(body: bytes) -> None:
    assert marked(body, paper()).retracted


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (table(PMID, columns=COLUMNS[:16]), r"t\.csv:1: no column RetractionNature \(columns: Rec"),
        (b"", r"t\.csv:1: no column OriginalPaperDOI \(columns: none\)"),
        (b"<!DOCTYPE html><html></html>", r"t\.csv:1: no column OriginalPaperDOI"),
        (table(), r"t\.csv:1: a table without rows"),
        (table(PMID) + b"9,cut", r"t\.csv:4: a row of 2 fields, expected 20"),
        (table(PMID) + b'9,"cut', r"t\.csv:4: unexpected end of data"),
    ],
    ids=["missing column", "empty", "html", "no rows", "cut row", "cut quotes"],
)
def test_a_damaged_table_is_one_line(body: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message) as error:
        read_table(body, "t.csv")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4/15/2021 0:00", "2021-04-15"), ("12/1/1999", "1999-12-01"), ("2024-01-15", "2024-01-15"),
        ("15/4/2021", None), ("", None), ("soon", None), ("2024-01", None),
    ],
)  # fmt: skip
def test_dates_are_iso_or_nothing(text: str, expected: str | None) -> None:
    assert iso_date(text) == expected


def test_a_source_is_a_watched_file_or_a_safe_address(tmp_path: Path) -> None:
    own = tmp_path / "data" / "own"
    assert table_path("data/own/t.csv", root=tmp_path, own=own) == own / "t.csv"
    assert table_path("https://example.org/t.csv", root=tmp_path, own=own) is None


@pytest.mark.parametrize(
    "source", ["elsewhere.csv", "../t.csv", "http://example.org/t", "ftp://x/t"]
)
def test_any_other_source_is_refused(source: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"papers\.retraction_watch\.source = .* below data/own,"):
        table_path(source, root=tmp_path, own=tmp_path / "data" / "own")

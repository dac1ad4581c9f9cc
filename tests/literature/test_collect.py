"""The whole way from a source to papers."""

import datetime
import gzip
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.standin import corpus
from tests.standin.faults import Fault
from tests.standin.server import Server
from titer import files
from titer.config import PapersSource
from titer.errors import ConfigError, DataError, SourceError
from titer.files import sha256_file
from titer.literature.collect import Collection
from titer.literature.windows import LAST_UID

Collect = Callable[..., Collection]


def write(folder: Path, name: str, *numbers: int, kind: str = "structured") -> Path:
    folder.mkdir(exist_ok=True)
    records = [corpus.record(i, kind) for i in numbers]
    (folder / name).write_bytes(gzip.compress(corpus.article_set(records), mtime=0))
    return folder / name


def test_the_sample_is_read_from_files(run: Collect, tmp_path: Path) -> None:
    path = write(tmp_path / "sample", "a.xml.gz", 2, 0, 1)
    found = run(source=PapersSource.sample)
    assert [paper.pmid for paper in found.papers] == ["30000001", "30000002", "30000003"]
    assert found.ids == {
        "source": "sample",
        "files": [{"name": "a.xml.gz", "sha256": sha256_file(path), "records": 3}],
        "papers": ["pmid:30000001", "pmid:30000002", "pmid:30000003"],
    }
    assert all(paper.synthetic for paper in found.papers)


def test_own_files_give_papers_and_what_was_skipped(run: Collect, tmp_path: Path) -> None:
    write(tmp_path / "own", "a.xml.gz", 0)
    write(tmp_path / "own", "b.xml.gz", 1, kind="bare_book")
    found = run(source=PapersSource.files, path="own")
    assert [paper.pmid for paper in found.papers] == ["30000001"]
    assert [row["paper_id"] for row in found.skipped] == ["pmid:30000002"]


def test_the_newest_version_of_an_id_is_kept(run: Collect, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    for name, version in (("a.atom", 3), ("b.atom", 12), ("c.atom", 2)):
        entry = corpus.entry(4, version=version)
        (folder / name).write_bytes(corpus.feed([entry], total=1, start=0, size=1))
    (paper,) = run(source=PapersSource.files, path="own").papers
    assert paper.arxiv_version == 12


def test_a_live_run_gives_every_record_once(run: Collect, server: Server) -> None:
    found = run()
    names = {paper.paper_id for paper in found.papers} | {row["paper_id"] for row in found.skipped}
    expected = {f"pmid:{pmid}" for pmid in server.records}
    assert names == expected | {f"arxiv:{name}" for name in server.entries}
    assert found.ids["papers"] == sorted(paper.paper_id for paper in found.papers)
    assert not any(paper.missing for paper in found.papers)


def test_queries_that_find_the_same_paper_are_joined(run: Collect, server: Server) -> None:
    server.found["more words"] = ["30000001"]
    papers = {paper.paper_id: paper for paper in run().papers}
    assert papers["pmid:30000001"].query_ids == ["pubmed:1", "pubmed:2"]
    assert papers["pmid:30000002"].query_ids == ["pubmed:1"]
    assert papers["arxiv:2401.00001"].query_ids == ["arxiv:1"]


def test_queries_and_counts_are_recorded_without_times(run: Collect, server: Server) -> None:
    server.found["more words"] = ["30000001"]
    row = run().ids["pubmed"][1]
    assert row == {
        "query_id": "pubmed:2", "query": "more words", "until": "2030-12-31", "count": 1,
        "ids": ["30000001"], "warnings": [],
        "slices": [
            {"first": "1800-01-01", "last": "2030-12-31", "low": 1, "high": LAST_UID, "count": 1}
        ],
    }  # fmt: skip


def test_a_paper_that_never_comes_is_listed_as_missing(run: Collect, server: Server) -> None:
    del server.records["30000002"]  # still in the index
    server.found = {"words": ["30000001", "30000002"], "more words": ["30000001"]}
    missing = [paper for paper in run().papers if paper.missing]
    assert [(paper.paper_id, paper.query_ids) for paper in missing] == [
        ("pmid:30000002", ["pubmed:1"])
    ]


def test_a_second_run_asks_nothing_and_gives_the_same(run: Collect, server: Server) -> None:
    first, n_requests = run(), len(server.journal)
    assert n_requests == 2 + 3 + 3, "searches, batches and pages"
    assert run() == first
    assert len(server.journal) == n_requests


def test_papers_carry_the_date_of_the_snapshot(run: Collect) -> None:
    assert {paper.snapshot_date for paper in run().papers} == {"2030-12-31"}


def test_a_snapshot_keeps_what_it_asked_and_found(run: Collect, tmp_path: Path) -> None:
    ids = run().ids
    assert files.read_json(tmp_path / "cache" / "2030-12-31" / "ids.json") == ids


def test_a_new_snapshot_says_what_changed(
    run: Collect, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    n_papers = len(run().papers)
    assert "ids new" not in caplog.text
    del server.entries["2401.00003"], server.submitted["2401.00003"]
    late = corpus.record(60, day=365 * 16)
    server.records["30000061"], server.days["30000061"] = late, datetime.date(2031, 1, 5)
    run(snapshot="2031-01-31")
    line = f"snapshot 2031-01-31 after 2030-12-31: 1 ids new, 1 gone, {n_papers - 1} in both"
    assert line in caplog.text
    caplog.clear()
    run(snapshot="2031-01-31")
    assert "ids new" not in caplog.text


def test_a_search_is_finished_before_the_first_record_is_fetched(
    run: Collect, server: Server
) -> None:
    run()
    endpoints = [request.endpoint for request in server.journal]
    assert endpoints == ["esearch"] * 2 + ["efetch"] * 3 + ["query"] * 3


def test_offline_answers_from_the_cache(run: Collect, server: Server) -> None:
    first, n_requests = run(), len(server.journal)
    assert run(offline=True) == first
    assert len(server.journal) == n_requests


def test_offline_fails_on_a_miss_without_asking(run: Collect, server: Server) -> None:
    with pytest.raises(SourceError, match=r"papers\.offline=true asks no service"):
        run(offline=True)
    assert server.journal == []


@pytest.mark.parametrize("kind", ["pubmed", "arxiv", "ids"])
def test_a_damaged_answer_is_fetched_again(
    run: Collect, server: Server, tmp_path: Path, kind: str
) -> None:
    first, n_requests = run(), len(server.journal)
    path = sorted((tmp_path / "cache" / "2030-12-31" / kind).iterdir())[0]
    path.write_bytes(path.read_bytes()[:-10])
    assert run() == first
    assert len(server.journal) == n_requests + 1


def test_a_failed_run_keeps_what_it_has(run: Collect, server: Server) -> None:
    server.faults["query"].extend([None] + [Fault("status", 503)] * 3)
    with pytest.raises(SourceError, match="run the same command again to continue"):
        run()
    n_requests = len(server.journal)
    run()
    assert len(server.journal) == n_requests + 2, "only the two pages that were missing"


def test_faults_do_not_change_the_papers(run: Collect, server: Server, tmp_path: Path) -> None:
    first = run()
    (tmp_path / "cache").rename(tmp_path / "first")
    kinds = ["reset", "html", "cut_silent", "drop", "bad_byte"]
    server.faults["efetch"].extend(Fault(kind) for kind in kinds)
    server.faults["query"].extend([Fault("empty"), None, Fault("repeat"), Fault("short")])
    again = run()
    assert [replace(one, raw_sha256="") for one in again.papers] == [
        replace(one, raw_sha256="") for one in first.papers
    ]


def test_a_query_without_hits_is_an_error(run: Collect, server: Server) -> None:
    server.found["more words"] = []
    with pytest.raises(SourceError, match=r"pubmed:2: 'more words' finds nothing until 2030-12-31"):
        run()


def test_a_query_without_hits_can_be_allowed(run: Collect, server: Server) -> None:
    server.found["more words"] = []
    assert run(allow_no_hits=True).ids["pubmed"][1]["count"] == 0


def test_a_service_can_be_left_out(run: Collect, server: Server, papers_settings: Any) -> None:
    found = run(pubmed=replace(papers_settings.pubmed, enabled=False))
    assert {paper.source for paper in found.papers} == {"arxiv"}
    assert not server.requests("esearch")


def test_a_live_run_needs_an_address(run: Collect, server: Server) -> None:
    with pytest.raises(ConfigError, match="NCBI_EMAIL is not set"):
        run(credentials=None)
    assert server.journal == []


def test_a_snapshot_is_a_date(run: Collect) -> None:
    with pytest.raises(ConfigError, match=r"papers\.snapshot = '\.\./x': must be a quoted date"):
        run(snapshot="../x")


def test_a_missing_sample_is_named(run: Collect) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        run(source=PapersSource.sample)

"""What changed about known papers since they were collected."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.standin import corpus
from tests.standin.faults import Fault
from tests.standin.server import Server
from titer.config import PapersSettings, RetractionWatchSettings
from titer.errors import ConfigError, SourceError
from titer.literature.credentials import Credentials
from titer.literature.parse import parse_atom, parse_pubmed
from titer.literature.recheck import GONE, Rechecked, recheck
from titer.records import Paper

DAY = "2030-05-01"
NUMBERS = (0, 2, 4, 6)


@pytest.fixture
def known(server: Server) -> list[Paper]:
    """Four papers of PubMed and two of arXiv as the server has them at first, taken for real."""
    records = [corpus.record(i) for i in NUMBERS]
    server.records |= {str(corpus.FIRST_PMID + i): corpus.record(i) for i in NUMBERS}
    entries = [server.entries[name] for name in sorted(server.entries)[1:3]]
    papers = parse_pubmed(corpus.article_set(records)).papers
    papers += parse_atom(corpus.feed(entries, total=2, start=0, size=2)).papers
    return [replace(paper, synthetic=False) for paper in papers]


@pytest.fixture
def asked(
    papers_settings: PapersSettings, credentials: Credentials, known: list[Paper], tmp_path: Path
) -> Callable[..., Rechecked]:
    """Rechecks the known papers."""

    def run(
        papers: list[Paper] = known, credentials: Credentials = credentials, **more: Any
    ) -> Rechecked:
        settings = replace(papers_settings, **more.pop("settings", {}))
        return recheck(
            papers, settings, cache_dir=tmp_path, day=DAY, credentials=credentials, **more
        )

    return run


def test_nothing_changed(asked: Callable[..., Rechecked]) -> None:
    found = asked()
    assert found.changes == []
    assert found.n_asked == {"pubmed": 4, "arxiv": 2}


def test_a_retraction_since_is_found_with_its_notice(
    asked: Callable[..., Rechecked], server: Server, known: list[Paper]
) -> None:
    server.records[str(known[1].pmid)] = corpus.record(2, "retracted")
    (change,) = asked().changes
    assert (change.paper_id, change.what) == (known[1].paper_id, "retracted")
    assert "notice pmid:" in change.detail


def test_a_concern_since_is_found(
    asked: Callable[..., Rechecked], server: Server, known: list[Paper]
) -> None:
    server.records[str(known[0].pmid)] = corpus.record(0, "concern")
    assert [(c.paper_id, c.what) for c in asked().changes] == [
        (known[0].paper_id, "expression of concern")
    ]


def test_a_withdrawn_retraction_is_news_as_well(
    asked: Callable[..., Rechecked], known: list[Paper]
) -> None:
    papers = [replace(known[0], retracted=True), *known[1:]]
    assert [change.what for change in asked(papers).changes] == ["no longer: retracted"]


def test_a_second_source_is_asked_where_it_is_on(
    asked: Callable[..., Rechecked], known: list[Paper], tmp_path: Path
) -> None:
    table = tmp_path / "watch.csv"
    table.write_text(
        "OriginalPaperDOI,OriginalPaperPubMedID,RetractionNature,RetractionPubMedID\n"
        f",{known[0].pmid},Retraction,777\n"
    )
    on = RetractionWatchSettings(enabled=True, source="data/own/retractions/watch.csv")
    found = asked(settings={"retraction_watch": on}, retractions=table)
    assert [(c.paper_id, c.what, c.detail) for c in found.changes] == [
        (known[0].paper_id, "retracted", "notice pmid:777")
    ]
    assert found.n_asked == {"pubmed": 4, "arxiv": 2, "retraction_watch": 6}


def test_a_deleted_record_is_gone(
    asked: Callable[..., Rechecked], server: Server, known: list[Paper]
) -> None:
    del server.records[str(known[2].pmid)]
    assert [(c.paper_id, c.what) for c in asked().changes] == [(known[2].paper_id, GONE)]


def test_a_withdrawn_preprint_is_found(
    asked: Callable[..., Rechecked], server: Server, known: list[Paper]
) -> None:
    name = str(known[-1].arxiv_id)
    server.entries[name] = server.entries[name].replace(
        "Synthetic sample record", "This paper has been withdrawn. Synthetic sample record"
    )
    assert [(c.paper_id, c.what) for c in asked().changes] == [
        (f"arxiv:{name}", "withdrawn by its authors")
    ]


def test_synthetic_papers_are_not_asked_about(
    asked: Callable[..., Rechecked], server: Server, known: list[Paper]
) -> None:
    found = asked([replace(paper, synthetic=True) for paper in known])
    assert found.not_asked == {"synthetic papers": "6 exist only in this project"}
    assert server.journal == []


def test_the_same_day_asks_once(asked: Callable[..., Rechecked], server: Server) -> None:
    asked()
    n_requests = len(server.journal)
    assert asked().changes == []
    assert len(server.journal) == n_requests


def test_a_service_that_fails_can_be_asked_on(
    asked: Callable[..., Rechecked], server: Server
) -> None:
    server.faults["query"].extend([Fault("status", 503)] * 3)
    with pytest.raises(SourceError, match="run the same command again to continue"):
        asked()
    n_fetched = len(server.requests("efetch"))
    assert asked().changes == []
    assert len(server.requests("efetch")) == n_fetched


def test_pubmed_wants_an_address(asked: Callable[..., Rechecked], server: Server) -> None:
    with pytest.raises(ConfigError, match="NCBI_EMAIL is not set"):
        asked(credentials=Credentials())
    assert server.journal == []

"""PubMed Central through efetch: batches as PubMed's, articles without a body included."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.standin import jats
from tests.standin.faults import Fault
from tests.standin.pmc import Pmc
from tests.standin.server import Server
from titer.config import PapersSettings, PmcSettings
from titer.errors import SourceError, Unavailable
from titer.literature.cache import Cache
from titer.literature.credentials import Credentials
from titer.literature.jats import Article
from titer.literature.pmc import PmcClient

Fetch = Callable[..., list[Article]]
IDS = [f"PMC{number}" for number in (5, 10, 7, 100, 2)]


@pytest.fixture
def standin(server: Server) -> Iterator[Pmc]:
    """Five articles, one of which has only metadata."""
    pages = {one: jats.article(one, body="" if one == "PMC7" else jats.BODY) for one in IDS}
    standin = Pmc(pages)
    server.extra.update(standin.endpoints)
    yield standin


@pytest.fixture
def fetch(papers_settings: PapersSettings, credentials: Credentials, cache: Cache) -> Fetch:
    """Articles of some ids, in batches of two."""

    def fetched(ids: list[str] = IDS, cache: Any = cache) -> list[Article]:
        client = PmcClient(
            PmcSettings(enabled=True, batch_size=2),
            papers_settings.pubmed,
            timeout_s=0.8,
            max_tries=3,
            credentials=credentials,
            cache=cache,
            backoff_s=0.002,
        )
        return list(client.articles(ids))

    return fetched


def test_articles_come_in_the_order_of_their_numbers(
    server: Server, standin: Pmc, fetch: Fetch
) -> None:
    articles = fetch()
    assert [one.pmcid for one in articles] == ["PMC2", "PMC5", "PMC7", "PMC10", "PMC100"]
    assert [request.parameters["db"] for request in server.requests("efetch")] == ["pmc"] * 3


def test_an_article_outside_the_open_subset_has_no_body(standin: Pmc, fetch: Fetch) -> None:
    bodies = {one.pmcid: bool(one.body) for one in fetch()}
    assert bodies == {"PMC2": True, "PMC5": True, "PMC7": False, "PMC10": True, "PMC100": True}


def test_an_id_that_is_refused_by_name_is_asked_for_once(
    server: Server, standin: Pmc, fetch: Fetch
) -> None:
    assert [one.pmcid for one in fetch(["PMC5", "PMC6"])] == ["PMC5"]
    assert len(server.requests("efetch")) == 1


def test_an_id_left_out_without_a_word_is_asked_for_again(
    server: Server, standin: Pmc, fetch: Fetch
) -> None:
    standin.left_out.append("PMC5")
    assert [one.pmcid for one in fetch(["PMC5", "PMC2"])] == ["PMC2", "PMC5"]
    assert [one.parameters["id"] for one in server.requests("efetch")] == ["2,5", "5"]


@pytest.mark.parametrize(
    "kind", ["html", "json", "error", "reset", "cut_length", "cut_chunked", "cut_silent"]
)
def test_a_passing_fault_changes_nothing(
    kind: str, server: Server, standin: Pmc, fetch: Fetch
) -> None:
    server.faults["efetch"].extend([Fault(kind), None, Fault(kind)])
    assert len(fetch()) == 5


def test_the_second_time_nothing_is_asked(
    server: Server, standin: Pmc, fetch: Fetch, cache: Cache
) -> None:
    first = fetch()
    n_requests = len(server.journal)
    assert fetch() == first
    assert fetch(cache=Cache(cache.folder.parent, cache.folder.name, offline=True)) == first
    assert len(server.journal) == n_requests


def test_offline_fails_on_a_miss(server: Server, standin: Pmc, fetch: Fetch, cache: Cache) -> None:
    offline = Cache(cache.folder.parent, cache.folder.name, offline=True)
    with pytest.raises(SourceError, match=r"PubMed Central fetch 2 records .* asks no service"):
        fetch(cache=offline)
    assert server.journal == []


def test_a_service_that_stays_away_is_named(server: Server, standin: Pmc, fetch: Fetch) -> None:
    server.faults["efetch"].extend([Fault("status", 502)] * 9)
    with pytest.raises(Unavailable, match=r"PubMed Central: .*: HTTP 502\. What was fetched"):
        fetch()


def test_pubmed_keeps_its_own_answers(
    standin: Pmc, fetch: Fetch, pubmed_client: Callable[..., Any], cache: Cache
) -> None:
    fetch(["PMC2"])
    list(pubmed_client(cache).fetch_each(["30000001"]))
    kinds = sorted(path.parent.name for path in cache.folder.glob("*/*.gz"))
    assert kinds == ["pmc", "pubmed"]

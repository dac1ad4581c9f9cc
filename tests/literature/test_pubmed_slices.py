"""Queries that find more than PubMed serves at once."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from tests.standin.server import Server
from titer.config import PubmedSettings
from titer.errors import SourceError
from titer.literature.credentials import Credentials
from titer.literature.pubmed import PubmedClient
from titer.literature.windows import LAST_UID, Window

UNTIL = "2030-12-31"


def stubs(n: int, *, years: int) -> dict[str, str]:
    """Records of which only the day of entry matters, spread over some years from 2010 on."""
    entered = 'PubStatus="entrez"><Year>{}</Year><Month>1</Month><Day>1<'
    return {str(40_000_000 + i): entered.format(2010 + i % years) for i in range(n)}


def client_of(server: Server, settings: PubmedSettings) -> PubmedClient:
    settings.base_url = server.url
    person = Credentials("someone@example.org")
    return PubmedClient(settings, timeout_s=5, max_tries=3, credentials=person, backoff_s=0.01)


def test_days_are_halved_until_each_part_is_served_whole(pubmed_settings: PubmedSettings) -> None:
    with Server(stubs(25_000, years=20)) as server:
        found = client_of(server, pubmed_settings).find("words", until=UNTIL).ids
        searches = len(server.requests("esearch"))
    assert found == sorted(server.records, key=int)
    assert searches % 2 == 1, "s leaf slices cost 2s - 1 searches"
    assert searches <= 15


def test_one_day_is_halved_by_ranges_of_ids(pubmed_settings: PubmedSettings) -> None:
    with Server(stubs(12_000, years=1)) as server:
        found = client_of(server, pubmed_settings).find("words", until=UNTIL).ids
        terms = {request.parameters["term"] for request in server.requests("esearch")}
    assert found == sorted(server.records, key=int)
    assert f"(words) AND 50000001:{LAST_UID}[UID]" in terms


def test_a_limit_searches_no_further_than_it_needs(pubmed_settings: PubmedSettings) -> None:
    pubmed_settings.max_papers_per_query = 100
    with Server(stubs(25_000, years=20)) as server:
        found = client_of(server, pubmed_settings).find("words", until=UNTIL)
        years = {server.days[pmid].year for pmid in found.ids}
        assert len(server.requests("esearch")) <= 8
    assert (found.count, len(found.ids)) == (25_000, 100)
    assert min(years) > 2020


def test_the_same_limit_gives_the_same_ids(
    server: Server, pubmed_client: Callable[..., Any]
) -> None:
    found = pubmed_client(max_papers_per_query=5).find("words", until=UNTIL)
    assert (found.count, found.ids) == (60, sorted(server.records, key=int)[-5:])


def test_counts_that_never_add_up_are_an_error(
    pubmed_settings: PubmedSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(stubs(12_000, years=20)) as server:
        true_search = server.search

        def drifting(q: dict[str, str]) -> list[str]:
            whole = q["mindate"] == "1800/01/01" and q["maxdate"] == "2030/12/31"
            return true_search(q) if whole else true_search(q)[1:]

        monkeypatch.setattr(server, "search", drifting)
        with pytest.raises(SourceError, match=r"the counts of .* to 2030-12-31 do not add up"):
            client_of(server, pubmed_settings).find("words", until=UNTIL)


def test_halves_are_disjoint_and_the_newer_one_comes_first() -> None:
    day = datetime.date(2020, 1, 1)
    later = datetime.date(2020, 1, 4)
    assert Window(day, later).halves() == (
        Window(datetime.date(2020, 1, 3), later),
        Window(day, datetime.date(2020, 1, 2)),
    )
    assert Window(day, day, 1, 10).halves() == (Window(day, day, 6, 10), Window(day, day, 1, 5))
    assert Window(day, day, 7, 7).halves() is None

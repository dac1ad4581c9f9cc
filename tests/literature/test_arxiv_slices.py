"""Queries that find more than arXiv gives at once; its limit scaled down from 30,000 to 60."""

import datetime
import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.standin import corpus
from tests.standin.server import Server
from titer.errors import SourceError
from titer.literature import arxiv_pages
from titer.literature.arxiv_api import ArxivClient
from titer.literature.cache import Cache

UNTIL = "2030-12-31"
Make = Callable[..., ArxivClient]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """250 entries, four a day."""
    monkeypatch.setattr(arxiv_pages, "SERVED_ENTRIES", 60)
    with Server(entries=corpus.entries(250, per_day=4)) as running:
        yield running


def test_days_are_halved_until_each_part_is_served_whole(
    server: Server, arxiv_client: Make, cache: Cache
) -> None:
    pages = arxiv_client(cache).fetch("all:words", until=UNTIL)
    assert (pages.count, len(pages.ids), len(set(pages.ids))) == (250, 250, 250)
    counts = [row["count"] for row in pages.slices]
    assert (sum(counts), max(counts) <= 60) == (250, True)
    inner = len(pages.slices) - 1
    needed = sum(max(1, -(-count // 20)) for count in counts)
    assert len(server.requests("query")) == needed + inner, "one page for each window divided"
    assert arxiv_client(cache).fetch("all:words", until=UNTIL) == pages
    assert len(server.requests("query")) == needed + inner, "a second run asks nothing"


def test_the_windows_are_disjoint_and_leave_no_day_out(server: Server, arxiv_client: Make) -> None:
    slices = arxiv_client().fetch("all:words", until=UNTIL).slices
    assert (slices[0]["last"], slices[-1]["first"]) == (UNTIL, "1991-01-01")
    for newer, older in itertools.pairwise(slices):
        day_before = datetime.date.fromisoformat(newer["first"]) - datetime.timedelta(days=1)
        assert older["last"] == str(day_before)


def test_a_limit_above_what_is_served_takes_the_newest(server: Server, arxiv_client: Make) -> None:
    pages = arxiv_client(max_papers_per_query=90).fetch("all:words", until=UNTIL)
    newest = sorted(server.entries, key=lambda one: (server.submitted[one], one))[-90:]
    assert sorted(pages.ids) == sorted(f"{name}v1" for name in newest)
    assert pages.count == 250


def test_parts_that_do_not_add_up_are_asked_for_anew(
    server: Server, arxiv_client: Make, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_query, calls = server.query, []

    def growing(q: dict[str, str]) -> list[str]:
        calls.append(q)
        return true_query(q)[1:] if len(calls) == 1 else true_query(q)

    monkeypatch.setattr(server, "query", growing)
    pages = arxiv_client(cache).fetch("all:words", until=UNTIL)
    assert (pages.count, len(set(pages.ids))) == (250, 250)


def test_a_day_that_holds_too_much_is_named(
    server: Server, arxiv_client: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arxiv_pages, "SERVED_ENTRIES", 3)
    with pytest.raises(SourceError, match=r"more than 3 entries on 2024-\d\d-\d\d"):
        arxiv_client().fetch("all:words", until=UNTIL)

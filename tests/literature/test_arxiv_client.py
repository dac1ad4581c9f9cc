"""The real arxiv library against the stand-in API, over sockets."""

import itertools
from collections.abc import Callable

import pytest

from tests.standin.faults import Fault
from tests.standin.server import Server
from titer.errors import SourceError, Unavailable
from titer.literature.arxiv_api import ArxivClient
from titer.literature.cache import Cache
from titer.literature.parse import parse_atom

UNTIL = "2030-12-31"
Make = Callable[..., ArxivClient]

FAULTS = {
    "429 with Retry-After": Fault("status", 429, retry_after="0.02"),
    "429 without": Fault("status", 429),
    "500": Fault("status", 500),
    "502": Fault("status", 502),
    "503": Fault("status", 503),
    "reset": Fault("reset"),
    "stall": Fault("stall", seconds=1.2),
    "cut with length": Fault("cut_length"),
    "cut chunked": Fault("cut_chunked"),
    "cut without length": Fault("cut_silent"),
    "cut gzip": Fault("cut_gzip"),
    "stall in the body": Fault("stall_body", seconds=1.2),
    "html": Fault("html"),
    "json": Fault("json"),
    "empty": Fault("empty"),
    "short": Fault("short"),
    "one too many": Fault("dup"),
    "entry without id": Fault("no_id"),
}


@pytest.mark.parametrize("page", [0, 1], ids=["first page", "second page"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_query_survives(server: Server, arxiv_client: Make, fault: Fault, page: int) -> None:
    server.faults["query"].extend([None] * page + [fault])
    pages = arxiv_client().fetch("all:words", until=UNTIL)
    assert (pages.count, len(set(pages.ids)), len(pages.ids)) == (50, 50, 50)
    assert len(server.requests("query")) == 4, "three pages and the repeated one"


def test_a_repeated_page_is_asked_for_again(server: Server, arxiv_client: Make) -> None:
    server.faults["query"].extend([None, Fault("repeat")])
    assert len(set(arxiv_client().fetch("all:words", until=UNTIL).ids)) == 50
    assert len(server.requests("query")) == 4


def test_the_raw_pages_hold_the_papers(arxiv_client: Make) -> None:
    pages = arxiv_client().fetch("all:words", until=UNTIL)
    papers = [paper for body in pages.bodies for paper in parse_atom(body).papers]
    assert [f"{paper.arxiv_id}v{paper.arxiv_version}" for paper in papers] == pages.ids


def test_an_error_feed_shows_what_the_service_says(server: Server, arxiv_client: Make) -> None:
    server.faults["query"].append(Fault("error_feed"))
    with pytest.raises(SourceError, match="arXiv says: incorrect id format for 1234"):
        arxiv_client().fetch("all:words", until=UNTIL)
    assert len(server.requests("query")) == 1


def test_a_service_that_stays_down_is_unavailable(server: Server, arxiv_client: Make) -> None:
    server.faults["query"].extend([Fault("status", 503)] * 3)
    with pytest.raises(Unavailable, match="gave up after 3 tries: HTTP 503"):
        arxiv_client().fetch("all:words", until=UNTIL)


def test_nothing_newer_than_the_snapshot_is_asked_for(arxiv_client: Make) -> None:
    pages = arxiv_client().fetch("all:words", until="2024-01-05")
    assert sorted(pages.ids) == [f"2401.{i:05d}v1" for i in range(5)]


def test_a_limit_takes_the_newest_and_no_more(server: Server, arxiv_client: Make) -> None:
    pages = arxiv_client(max_papers_per_query=5).fetch("all:words", until=UNTIL)
    assert sorted(pages.ids) == [f"2401.{i:05d}v1" for i in range(45, 50)]
    (request,) = server.requests("query")
    assert request.parameters["max_results"] == "5"


def test_requests_never_overlap_or_come_too_close(server: Server, arxiv_client: Make) -> None:
    server.arxiv_gap_s = 0.1
    client = arxiv_client(gap_s=0.1)
    client.fetch("all:words", until=UNTIL)
    client.fetch("all:others", until=UNTIL)
    at = [request.at for request in server.requests("query")]
    assert [request.status for request in server.requests("query")] == [200] * 6
    assert min(later - earlier for earlier, later in itertools.pairwise(at)) >= 0.1


def test_a_second_run_asks_nothing(server: Server, arxiv_client: Make, cache: Cache) -> None:
    first = arxiv_client(cache).fetch("all:words", until=UNTIL)
    asked = len(server.journal)
    assert arxiv_client(cache).fetch("all:words", until=UNTIL) == first
    assert len(server.journal) == asked == 3


def test_a_query_without_hits_is_empty(server: Server, arxiv_client: Make) -> None:
    server.found["all:nothing"] = []
    pages = arxiv_client().fetch("all:nothing", until=UNTIL)
    assert (pages.count, pages.ids) == (0, [])


def test_the_library_still_has_what_the_seam_replaces() -> None:
    """Private names of the pinned version; a newer one must be read again before it is allowed."""
    import importlib.metadata
    import inspect

    import arxiv
    from arxiv import _feed

    assert importlib.metadata.version("arxiv").startswith("4.0")
    names = list(inspect.signature(arxiv.Client._parse_feed).parameters)
    assert names == ["self", "url", "first_page", "_try_index"]
    assert callable(_feed.parse)
    assert "_parse_feed" in inspect.getsource(arxiv.Client._results)

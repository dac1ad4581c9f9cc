"""Europe PMC: what it knows of PubMed records, and the full text of some."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.standin import jats
from tests.standin.europe_pmc import EuropePmc as Standin
from tests.standin.faults import Fault
from tests.standin.server import Answer, Server
from titer.config import EuropePmcSettings
from titer.errors import SourceError, Unavailable
from titer.literature.access import Access
from titer.literature.europe_pmc import EuropePmc
from titer.literature.http import Pacer
from titer.literature.service import Service

ROWS = {str(number): {"license": "cc by", "isOpenAccess": "Y"} for number in range(1, 31)}
PMIDS = [*ROWS, "99"]


@pytest.fixture
def standin(server: Server) -> Iterator[Standin]:
    """30 known records, one full text."""
    standin = Standin(ROWS, {"PMC1": jats.article("PMC1")})
    server.extra.update(standin.endpoints)
    yield standin


@pytest.fixture
def client(server: Server, papers_settings: Any, access: Access) -> Callable[..., EuropePmc]:
    """Makes a client with batches of a size."""

    def make(batch_size: int = 10) -> EuropePmc:
        line = access.line("Europe PMC", Pacer(0.002), papers_settings)
        settings = EuropePmcSettings(True, True, server.url, batch_size, 0.002)
        return EuropePmc(settings, Service(line, server.url, access.cache))

    return make


def found(client: EuropePmc) -> list[str]:
    return sorted((row["pmid"] for row in client.find(PMIDS)), key=int)


def test_each_known_record_comes_once(
    server: Server, standin: Standin, client: Callable[..., EuropePmc]
) -> None:
    assert found(client()) == list(ROWS)
    assert len(server.requests("search")) == 4, "31 ids by 10"


def test_a_page_shorter_than_asked_for_is_followed_to_the_last_one(
    server: Server, standin: Standin, client: Callable[..., EuropePmc]
) -> None:
    standin.most = 4  # and its last page repeats its cursor
    assert found(client()) == list(ROWS)
    assert len(server.requests("search")) == 3 * 3 + 1


def test_a_cursor_that_repeats_before_the_end_is_asked_for_again(
    server: Server, standin: Standin, client: Callable[..., EuropePmc]
) -> None:
    standin.most, standin.stuck = 4, 2
    assert found(client()) == list(ROWS)
    assert len(server.requests("search")) == 3 * 3 + 1 + 2


def test_results_that_are_counted_and_never_given_are_counted_as_such(
    server: Server, standin: Standin, client: Callable[..., EuropePmc]
) -> None:
    standin.most, standin.stuck = 4, 99
    one = client(31)
    assert found(one) == list(ROWS)[:4]
    assert one.n_short == 26
    n_requests = len(server.journal)
    assert n_requests == 1 + 2, "tried as often as any other fault"
    again = client(31)
    assert (found(again), again.n_short, len(server.journal)) == (found(one), 26, n_requests)


def test_a_page_without_results_before_the_end_is_asked_for_again(
    server: Server, standin: Standin, client: Callable[..., EuropePmc]
) -> None:
    healthy = standin.endpoints["search"]
    answers = [b'{"hitCount": 30, "resultList": {"result": []}, "nextCursorMark": "c"}']
    server.extra["search"] = lambda request: answers.pop() if answers else healthy(request)
    assert found(client(31)) == list(ROWS)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"hitCount": 1}',
        b'{"hitCount": 1e999, "resultList": {"result": []}}',
        b"[" * 100_000,
        b'{"errCode": 404, "errMsg": "no"}',
        b'{"hitCount": 1, "resultList": {"result": [{"title": "1"}]}}',
        b'{"hitCount": 1, "resultList": {"result": ["1"]}}',
        b'{"hitCount": 1, "resultList": {"result": [{"pmid": "777"}]}}',
        b'{"hitCount": 1, "resultList": {"result": [{"pmid": "1"}, {"pmid": "1"}]}}',
        b'{"hitCount": 1, "resultList": {"result": [{"pmid": "1"}, {"pmid": "2"}]}}',
    ],
    ids=[
        "list",
        "no results",
        "endless",
        "deep",
        "error",
        "no id",
        "no row",
        "not asked for",
        "twice",
        "too many",
    ],
)
def test_an_answer_that_does_not_fit_is_no_answer(
    body: bytes, server: Server, standin: Standin, client: Callable[..., EuropePmc]
) -> None:
    server.extra["search"] = lambda request: body
    with pytest.raises(Unavailable, match="Europe PMC: search 10 records"):
        found(client())


@pytest.mark.parametrize(
    "fault",
    [
        Fault("html"), Fault("json"), Fault("status", 500), Fault("status", 503, retry_after="0"),
        Fault("reset"), Fault("cut_length"), Fault("cut_chunked"), Fault("cut_silent"),
    ],
    ids=lambda fault: f"{fault.kind}{fault.status or ''}",
)  # fmt: skip
@pytest.mark.parametrize("endpoint", ["search", "fullTextXML"])
def test_a_passing_fault_changes_nothing(
    endpoint: str, fault: Fault, server: Server, standin: Standin, client: Callable[..., EuropePmc]
) -> None:
    server.faults[endpoint].extend([fault, fault])
    one = client(31)
    assert found(one) == list(ROWS)
    assert len(one.full_text("PMC1").body) == 3


def test_the_second_time_nothing_is_asked(
    server: Server, standin: Standin, client: Callable[..., EuropePmc]
) -> None:
    one = client()
    first = found(one), one.full_text("PMC1"), one.full_text("PMC2")
    n_requests = len(server.journal)
    assert (found(one), one.full_text("PMC1"), one.full_text("PMC2")) == first
    assert len(server.journal) == n_requests


def test_a_record_without_pmid_is_known_by_its_id(
    server: Server, standin: Standin, client: Callable[..., EuropePmc]
) -> None:
    body = b'{"hitCount": 1, "resultList": {"result": [{"id": "7", "source": "MED"}]}}'
    server.extra["search"] = lambda request: body
    assert found(client(31)) == ["7"]


def test_a_refusal_with_status_200_is_an_empty_full_text(
    server: Server, standin: Standin, client: Callable[..., EuropePmc]
) -> None:
    refusal = "Article with id PMC3 is not open access one"
    body = f'<ns4:errorBean xmlns:ns4="http://x/"><errMsg>{refusal}</errMsg></ns4:errorBean>'
    server.extra["fullTextXML"] = lambda request: body.encode()
    assert client().full_text("PMC3").body == []
    assert len(server.journal) == 1


def test_a_full_text_that_is_not_given_is_empty(
    standin: Standin, client: Callable[..., EuropePmc]
) -> None:
    article = client().full_text("PMC2")
    assert (article.body, article.licence) == ([], None)


def test_another_article_than_the_one_asked_for_is_refused(
    server: Server, standin: Standin, client: Callable[..., EuropePmc]
) -> None:
    server.extra["fullTextXML"] = lambda request: jats.article("PMC5").encode()
    with pytest.raises(Unavailable, match="PMC5 instead of PMC1"):
        client().full_text("PMC1")


def test_a_refusal_is_final(
    server: Server, standin: Standin, client: Callable[..., EuropePmc]
) -> None:
    server.extra["search"] = lambda request: Answer(b"bad query", 400)
    with pytest.raises(SourceError, match="HTTP 400: bad query"):
        found(client())
    assert len(server.journal) == 1


def test_another_host_is_not_followed(
    server: Server, standin: Standin, client: Callable[..., EuropePmc]
) -> None:
    away = (("Location", "http://127.0.0.2:9/x"),)
    server.extra["search"] = lambda request: Answer(b"", 302, away)
    with pytest.raises(SourceError, match=r"refused to ask http://127\.0\.0\.2"):
        found(client())

"""Licences of arXiv papers: one by one, or from a list where that takes fewer requests."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.standin.faults import Fault
from tests.standin.oai import Oai
from tests.standin.server import Server
from titer.errors import SourceError, Unavailable
from titer.literature.access import Access
from titer.literature.arxiv_oai import ArxivOai
from titer.literature.service import Service
from titer.records import Paper

Ask = Callable[..., dict[str, Any]]
BY = "http://creativecommons.org/licenses/by/4.0/"
OWN = "http://arxiv.org/licenses/nonexclusive-distrib/1.0/"
NAMES = [f"2401.{number:05d}" for number in range(60)]


def papers(names: list[str], category: str = "q-bio.QM", day: str = "2024-01-05") -> list[Paper]:
    return [
        Paper(f"arxiv:{one}", "arxiv", "", [], arxiv_id=one, categories=[category], pub_date=day)
        for one in names
    ]


@pytest.fixture
def standin(server: Server) -> Iterator[Oai]:
    """60 records, every third under CC BY, one without a licence."""
    licences = {one: BY if number % 3 == 0 else OWN for number, one in enumerate(NAMES)}
    standin = Oai({**licences, NAMES[1]: None})
    server.extra.update(standin.endpoints)
    yield standin


@pytest.fixture
def ask(server: Server, papers_settings: Any, access: Access) -> Ask:
    """Licence ids by arXiv id."""

    def asked(some: list[Paper]) -> dict[str, Any]:
        line = access.line("arXiv OAI-PMH", access.arxiv, papers_settings)
        found = ArxivOai(Service(line, server.url, access.cache)).licences(some)
        return {one: licence and licence["id"] for one, licence in found.items()}

    return asked


def verbs(server: Server) -> list[str]:
    return [request.parameters["verb"] for request in server.requests("oai")]


def test_a_few_papers_are_asked_for_one_by_one(server: Server, standin: Oai, ask: Ask) -> None:
    assert ask(papers(NAMES[:3])) == {
        NAMES[0]: "cc-by", NAMES[1]: None, NAMES[2]: "arxiv-nonexclusive",
    }  # fmt: skip
    assert verbs(server) == ["GetRecord"] * 3


def test_many_papers_are_taken_from_the_list_of_their_set(
    server: Server, standin: Oai, ask: Ask
) -> None:
    found = ask(papers(NAMES[:50]))
    assert list(found.values()).count("cc-by") == 17
    assert verbs(server) == ["ListRecords"] * 5, "five pages of ten, the sixth is not needed"
    first = server.requests("oai")[0].parameters
    assert (first["set"], first["from"]) == ("q-bio", "2024-01-05")


def test_a_list_that_is_too_long_is_given_up_for_single_records(
    server: Server, standin: Oai, ask: Ask
) -> None:
    standin.page = 1
    found = ask(papers(NAMES[-21:]))
    assert len(found) == 21
    assert verbs(server) == ["ListRecords"] * 21 + ["GetRecord"] * 21


def test_papers_that_the_list_lacks_are_asked_for_one_by_one(
    server: Server, standin: Oai, ask: Ask
) -> None:
    assert len(ask(papers([*NAMES, "2402.00001"]))) == 60
    assert verbs(server) == ["ListRecords"] * 6 + ["GetRecord"]


@pytest.mark.parametrize(
    ("category", "expected"),
    [("q-bio.QM", "q-bio"), ("cs.LG", "cs"), ("hep-th", "physics"), ("physics.bio-ph", "physics")],
)
def test_the_set_is_the_one_of_the_primary_category(
    category: str, expected: str, server: Server, standin: Oai, ask: Ask
) -> None:
    ask(papers(NAMES, category))
    assert server.requests("oai")[0].parameters["set"] == expected


@pytest.mark.parametrize("day", ["1999-01-01", "1999", ""])
def test_a_list_never_begins_before_the_services_first_day(
    day: str, server: Server, standin: Oai, ask: Ask
) -> None:
    ask(papers(NAMES, day=day))
    assert server.requests("oai")[0].parameters["from"] == "2005-09-16"


def test_an_expired_token_begins_the_list_anew(server: Server, standin: Oai, ask: Ask) -> None:
    standin.expired = 1
    assert len(ask(papers(NAMES))) == 60
    assert len(verbs(server)) == 2 + 6


def test_a_token_that_expires_again_is_an_error(server: Server, standin: Oai, ask: Ask) -> None:
    standin.expired = 9
    with pytest.raises(SourceError, match="badResumptionToken twice"):
        ask(papers(NAMES))


def test_a_bad_argument_is_final(server: Server, standin: Oai, ask: Ask) -> None:
    error = b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><error code="badArgument">'
    server.extra["oai"] = lambda request: error + b"from</error></OAI-PMH>"
    with pytest.raises(SourceError, match="GetRecord: badArgument: from"):
        ask(papers(NAMES[:1]))
    assert len(verbs(server)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("html"), Fault("json"), Fault("error"), Fault("reset"), Fault("cut_length"),
        Fault("cut_silent"), Fault("status", 503, retry_after="0"), Fault("error_feed"),
    ],
    ids=lambda fault: fault.kind,
)  # fmt: skip
def test_a_passing_fault_changes_nothing(
    fault: Fault, server: Server, standin: Oai, ask: Ask
) -> None:
    server.faults["oai"].extend([fault, None, fault, fault])
    assert len(ask(papers(NAMES))) == 60
    assert len(ask(papers(NAMES[:1]))) == 1


def test_another_record_than_the_one_asked_for_is_refused(
    server: Server, standin: Oai, ask: Ask
) -> None:
    healthy = standin.endpoints["oai"]

    def other(request: Any) -> Any:
        request.parameters["identifier"] = f"oai:arXiv.org:{NAMES[5]}"
        return healthy(request)

    server.extra["oai"] = other
    with pytest.raises(Unavailable, match="another record than the one asked for"):
        ask(papers(NAMES[:1]))


def test_the_second_time_nothing_is_asked(server: Server, standin: Oai, ask: Ask) -> None:
    some = papers([*NAMES[:30], "2402.00001"])
    first = ask(some)
    n_requests = len(server.journal)
    assert ask(some) == first
    assert len(server.journal) == n_requests

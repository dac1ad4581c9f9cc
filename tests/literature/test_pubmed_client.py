"""Real Biopython against the stand-in E-utilities, over sockets."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.standin import corpus
from tests.standin.faults import Fault
from tests.standin.server import Server
from titer.errors import RateLimited, SourceError, Unavailable
from titer.literature.cache import Cache
from titer.literature.credentials import Credentials
from titer.literature.parse import parse_pubmed
from titer.literature.pubmed import PubmedClient

UNTIL = "2030-12-31"
Make = Callable[..., PubmedClient]


def ids_of(bodies: list[bytes]) -> list[str]:
    """PMIDs of papers and skipped records, each once."""
    parsed = [parse_pubmed(body) for body in bodies]
    papers = [paper.paper_id for part in parsed for paper in part.papers]
    skipped = [row["paper_id"] for part in parsed for row in part.skipped]
    return sorted({name.removeprefix("pmid:") for name in papers + skipped}, key=int)


SEARCH_FAULTS = {
    "429 with Retry-After": Fault("status", 429, retry_after="0.02"),
    "429 with a date": Fault("status", 429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
    "429 without": Fault("status", 429),
    "500": Fault("status", 500),
    "502": Fault("status", 502),
    "503 with Retry-After": Fault("status", 503, retry_after="0.02"),
    "reset": Fault("reset"),
    "stall": Fault("stall", seconds=1.2),
    "cut with length": Fault("cut_length"),
    "cut chunked": Fault("cut_chunked"),
    "cut without length": Fault("cut_silent"),
    "cut gzip": Fault("cut_gzip"),
    "stall in the body": Fault("stall_body", seconds=1.2),
    "html": Fault("html"),
    "json": Fault("json"),
    "ERROR": Fault("error"),
    "fewer": Fault("drop"),
    "repeated": Fault("dup"),
    "empty": Fault("empty"),
}


@pytest.mark.parametrize("fault", SEARCH_FAULTS.values(), ids=SEARCH_FAULTS)
def test_a_search_survives(server: Server, pubmed_client: Make, fault: Fault) -> None:
    server.faults["esearch"].append(fault)
    assert pubmed_client().find("words", until=UNTIL).ids == sorted(server.records, key=int)
    assert len(server.requests("esearch")) <= 2


FETCH_FAULTS = {
    **{name: fault for name, fault in SEARCH_FAULTS.items() if name != "repeated"},
    "bad byte": Fault("bad_byte"),
    "bad encoding": Fault("bad_utf8"),
}


@pytest.mark.parametrize("fault", FETCH_FAULTS.values(), ids=FETCH_FAULTS)
def test_a_fetch_survives(server: Server, pubmed_client: Make, fault: Fault) -> None:
    server.faults["efetch"].append(fault)
    ids = sorted(server.records, key=int)
    assert ids_of(list(pubmed_client().fetch_each(ids))) == ids
    assert len(server.requests("efetch")) == 4, "three batches and the repeated one"


@pytest.mark.parametrize("kind", ["dup", "new_dtd", "new_tag", "gzip"])
def test_a_fetch_takes_as_it_is(server: Server, pubmed_client: Make, kind: str) -> None:
    server.faults["efetch"].append(Fault(kind))
    ids = sorted(server.records, key=int)
    assert ids_of(list(pubmed_client().fetch_each(ids))) == ids
    assert len(server.requests("efetch")) == 3


def test_only_missing_ids_are_asked_for_again(server: Server, pubmed_client: Make) -> None:
    server.faults["efetch"].append(Fault("drop", amount=2))
    ids = sorted(server.records, key=int)[:10]
    list(pubmed_client().fetch_each(ids))
    asked = [request.parameters["id"] for request in server.requests("efetch")]
    assert asked == [",".join(ids), ",".join(ids[-2:])]


def test_an_id_that_never_comes_is_asked_for_three_times_more(
    server: Server, pubmed_client: Make, cache: Cache
) -> None:
    ids = [*sorted(server.records, key=int)[:3], "999"]
    first = list(pubmed_client(cache).fetch_each(ids))
    assert (ids_of(first), len(server.requests("efetch"))) == (ids[:3], 4)
    assert ids_of(list(pubmed_client(cache).fetch_each(ids))) == ids[:3]
    assert len(server.requests("efetch")) == 4, "the second run knows that it never comes"


def test_a_forbidden_byte_that_stays_is_taken_out_at_last(
    server: Server, pubmed_client: Make
) -> None:
    server.faults["efetch"].extend([Fault("bad_byte")] * 3)
    (body,) = pubmed_client().fetch_each(sorted(server.records, key=int)[:2])
    papers = parse_pubmed(body).papers
    assert [paper.sanitised for paper in papers] == [True, False]


def test_the_last_of_many_refusals_is_rate_limited(server: Server, pubmed_client: Make) -> None:
    server.faults["esearch"].extend([Fault("status", 429)] * 3)
    with pytest.raises(RateLimited, match=r"gave up after 3 tries: HTTP 429.*run the same command"):
        pubmed_client().find("words", until=UNTIL)


def test_a_service_that_stays_down_is_unavailable(server: Server, pubmed_client: Make) -> None:
    server.faults["esearch"].extend([Fault("error")] * 3)
    with pytest.raises(Unavailable, match="Search Backend failed: Database is not supported"):
        pubmed_client().find("words", until=UNTIL)


def test_a_refused_query_is_not_repeated(server: Server, pubmed_client: Make) -> None:
    server.faults["esearch"].append(Fault("status", 400, body=b"bad\nquery"))
    with pytest.raises(SourceError, match="HTTP 400: bad query"):
        pubmed_client().find("words", until=UNTIL)
    assert len(server.requests("esearch")) == 1


def test_a_long_retry_after_ends_the_run(server: Server, pubmed_client: Make) -> None:
    server.faults["esearch"].append(Fault("status", 429, retry_after="3600"))
    with pytest.raises(RateLimited, match="asks to wait 3600 s"):
        pubmed_client().find("words", until=UNTIL)


def test_nothing_listening_is_unavailable(pubmed_client: Make) -> None:
    with pytest.raises(Unavailable, match="no connection"):
        pubmed_client(base_url="http://127.0.0.1:9").find("words", until=UNTIL)


def test_every_request_names_tool_mail_and_window(server: Server, pubmed_client: Make) -> None:
    pubmed_client().find("words", until="2015-02-01")
    (request,) = server.requests("esearch")
    expected = {"tool": "titer", "email": "someone@example.org", "datetype": "edat"}
    assert expected.items() <= request.parameters.items()
    assert request.parameters["mindate"] == "1800/01/01"
    assert request.parameters["maxdate"] == "2015/02/01"


def test_a_large_batch_is_posted(server: Server, pubmed_client: Make) -> None:
    list(pubmed_client(batch_size=200).fetch_each([str(i) for i in range(10**7, 10**7 + 150)]))
    assert server.requests("efetch")[0].method == "POST"


@pytest.mark.parametrize(("key", "gap_s", "n"), [(None, 0.4, 8), ("key", 0.12, 22)])
def test_a_strict_server_never_says_too_many(
    pubmed_settings: Any, key: str | None, gap_s: float, n: int
) -> None:
    pubmed_settings.gap_s = pubmed_settings.gap_with_key_s = gap_s
    pubmed_settings.workers = pubmed_settings.workers_with_key = 4
    pubmed_settings.batch_size = 1
    with Server(corpus.fragments(n), rates=(3, 10)) as server:
        pubmed_settings.base_url = server.url
        person = Credentials("someone@example.org", key)
        client = PubmedClient(pubmed_settings, timeout_s=5, max_tries=3, credentials=person)
        list(client.fetch_each(list(server.records)))
        assert [request.status for request in server.journal] == [200] * n
        spent = server.journal[-1].at - server.journal[0].at
    assert (n - 1) / spent > 0.75 / gap_s, "and it uses the pace it has"


def test_several_workers_overlap(server: Server, pubmed_client: Make) -> None:
    server.faults["efetch"].extend([Fault("stall", seconds=0.15)] * 2)
    list(pubmed_client().fetch_each(sorted(server.records, key=int)))
    assert max(request.in_flight for request in server.journal) == 2


def test_answers_do_not_depend_on_faults(server: Server, pubmed_client: Make) -> None:
    def digest() -> str:
        bodies = list(pubmed_client().fetch_each(sorted(server.records, key=int)))
        return hashlib.sha256(b"".join(bodies)).hexdigest()

    clean = digest()
    server.faults["efetch"].extend([Fault("reset"), Fault("html"), None, Fault("cut_silent")])
    assert digest() == clean


def test_biopython_still_has_what_the_seam_replaces() -> None:
    """Private names of the pinned version; a newer one must be read again before it is allowed."""
    import importlib.metadata

    from Bio import Entrez

    assert importlib.metadata.version("biopython").startswith("1.88")
    assert hasattr(Entrez._open, "previous")
    assert {"urlopen", "max_tries"} <= set(vars(Entrez))
    assert Entrez._open.__code__.co_names.count("urlopen") == 1
    assert Entrez._build_request("https://eutils.ncbi.nlm.nih.gov/x", {"email": "a@b"}).full_url


def test_others_who_use_biopython_are_not_led_astray(server: Server, pubmed_client: Make) -> None:
    pubmed_client().find("words", until=UNTIL)
    from Bio import Entrez

    with Entrez.urlopen(f"{server.url}/entrez/elsewhere.fcgi?tool=t&email=e@x") as answer:
        assert b"Access Denied" in answer.read()

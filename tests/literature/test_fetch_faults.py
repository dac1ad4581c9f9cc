"""Faults that last, or that only show over several answers; the table is in test_faults.py."""

import datetime
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.literature.conftest import EMAIL, KEY
from tests.standin import corpus
from tests.standin.faults import KEY_REFUSED, Fault
from tests.standin.server import Request, Server
from titer.config import PapersSettings, PubmedSettings
from titer.errors import ConfigError, RateLimited, SourceError, Unavailable
from titer.literature.arxiv_api import ArxivClient
from titer.literature.cache import Cache
from titer.literature.collect import Collection
from titer.literature.credentials import Credentials
from titer.literature.parse import parse_pubmed
from titer.literature.pubmed import PubmedClient

UNTIL = "2030-12-31"
Collect = Callable[..., Collection]
Make = Callable[..., Any]


def is_one_line(error: BaseException) -> bool:
    return "\n" not in str(error) and "run the same command again" in str(error)


def test_429_for_a_while_is_waited_out(
    server: Server, pubmed_settings: PubmedSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens_at = time.monotonic() + 0.5

    def closed(request: Request) -> Fault | None:
        return Fault("status", 429) if request.at < opens_at else None

    monkeypatch.setattr(server, "refusal", closed)
    client = PubmedClient(
        pubmed_settings, timeout_s=5, max_tries=8, credentials=Credentials(EMAIL), backoff_s=0.02
    )
    assert len(client.find("words", until=UNTIL).ids) == 60
    assert len(server.requests("esearch")) <= 8, "pauses double"


@pytest.mark.parametrize("endpoint", ["esearch", "efetch", "query"])
def test_429_without_end_stops_in_one_line_and_the_same_command_continues(
    run: Collect, server: Server, endpoint: str
) -> None:
    server.faults[endpoint].extend([None] + [Fault("status", 429)] * 12)
    with pytest.raises(RateLimited) as caught:
        run()
    assert is_one_line(caught.value)
    kept = len(server.journal)
    server.faults.clear()
    assert len(run().papers) > 100
    healthy = [request for request in server.journal if request.status == 200]
    assert len(server.journal) > kept
    assert len(healthy) == 8, "no answer was fetched twice"


def test_a_name_that_does_not_resolve_is_one_line(
    run: Collect, papers_settings: PapersSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    pubmed = replace(papers_settings.pubmed, base_url="http://eutils.invalid")
    with pytest.raises(Unavailable, match=r"no connection to http://eutils\.invalid: .*not known"):
        run(pubmed=pubmed, max_tries=2)


@pytest.mark.parametrize("service", ["pubmed", "arxiv"])
def test_a_refused_connection_is_one_line(
    run: Collect, papers_settings: PapersSettings, service: str
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(Unavailable, match=f"no connection to {url}") as caught:
        run(**{service: replace(getattr(papers_settings, service), base_url=url)}, max_tries=2)
    assert is_one_line(caught.value)


def test_a_slow_drip_is_cut_off_and_asked_for_again(
    server: Server, pubmed_settings: PubmedSettings
) -> None:
    server.faults["efetch"].append(Fault("drip", amount=1, seconds=0.02))
    client = PubmedClient(
        pubmed_settings, timeout_s=0.05, max_tries=5, credentials=Credentials(EMAIL), backoff_s=0.01
    )
    began = time.monotonic()
    list(client.fetch_each(["30000001"]))
    assert 1 <= time.monotonic() - began < 5, "twenty times the time limit"
    assert client.line.retries["too slow"] == 1


def test_what_pubmed_ignored_in_a_query_is_kept_and_said(
    run: Collect, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults["esearch"].append(Fault("warning"))
    row = run().ids["pubmed"][0]
    assert row["warnings"] == ["OutputMessage: No items found.", "PhraseNotFound: wrods"]
    assert "pubmed:1: PubMed says of 'words': PhraseNotFound: wrods" in caplog.text


def test_a_count_that_changes_between_slices_is_asked_for_again(
    pubmed_settings: PubmedSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = 'PubStatus="entrez"><Year>{}</Year><Month>1</Month><Day>1<'
    records = {str(40_000_000 + i): entered.format(1850 + i % 150) for i in range(12_000)}
    with Server(records) as server:
        true_search, calls = server.search, []

        def growing(q: dict[str, str]) -> list[str]:
            calls.append(q)
            return true_search(q)[1:] if len(calls) == 1 else true_search(q)

        monkeypatch.setattr(server, "search", growing)
        pubmed_settings.base_url = server.url
        client = PubmedClient(
            pubmed_settings, timeout_s=9, max_tries=3, credentials=Credentials(EMAIL)
        )
        found = client.find("words", until=UNTIL)
    assert (found.count, found.ids) == (12_000, sorted(records, key=int))
    assert sum(row["count"] for row in found.slices) == 12_000
    assert len(calls) == 2 * (2 * len(found.slices) - 1), "the whole window twice"


def test_no_search_asks_past_the_cap_and_none_uses_the_history(
    run: Collect, server: Server
) -> None:
    run()
    asked = [request.parameters for request in server.journal if request.path.startswith("/entrez")]
    assert asked
    for parameters in asked:
        assert int(parameters.get("retstart", 0)) + int(parameters.get("retmax", 0)) <= 9_999
        assert not {"usehistory", "WebEnv", "query_key"} & set(parameters), "it would expire"


def test_records_that_were_not_asked_for_are_left_out_with_a_reason(
    run: Collect, server: Server
) -> None:
    server.records["30000002"] = server.records["30000005"].replace("30000005", "39999999")
    found = run()
    assert {"paper_id": "pmid:39999999", "reason": "not asked for"} in found.skipped
    assert [one.paper_id for one in found.papers if one.missing] == ["pmid:30000002"]


def test_a_record_merged_into_another_is_listed_as_missing(run: Collect, server: Server) -> None:
    server.records["30000002"] = server.records["30000001"]  # asked for one, given the other
    papers = {paper.paper_id: paper for paper in run().papers}
    assert papers["pmid:30000002"].missing
    assert not papers["pmid:30000001"].missing


def test_a_deleted_record_is_not_asked_for_again(
    run: Collect, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = corpus.article_set
    monkeypatch.setattr(
        corpus, "article_set", lambda records: whole(records, deleted=("30000001",))
    )
    del server.records["30000001"]
    server.found = {name: ["30000001", "30000002"] for name in ("words", "more words")}
    assert {"paper_id": "pmid:30000001", "reason": "deleted by PubMed"} in run().skipped
    assert len(server.requests("efetch")) == 1


def test_a_book_counts_as_received(run: Collect, server: Server) -> None:
    server.found = {name: corpus.pmids("book", 60) for name in ("words", "more words")}
    assert not any(paper.missing for paper in run().papers)
    assert len(server.requests("efetch")) == 1


def test_an_answer_of_50_megabytes_is_taken(server: Server, pubmed_settings: Any) -> None:
    text = "word " * 10_500_000
    server.records["30000001"] = corpus.record(0).replace(
        "</AbstractText>", f"{text}</AbstractText>", 1
    )
    client = PubmedClient(
        pubmed_settings, timeout_s=20, max_tries=1, credentials=Credentials(EMAIL)
    )
    (body,) = client.fetch_each(["30000001"])
    assert len(body) > 50 * 2**20
    assert len(parse_pubmed(body).papers[0].abstract) > 50 * 10**6


def test_entries_in_another_order_are_asked_for_anew(server: Server, arxiv_client: Make) -> None:
    server.faults["query"].append(Fault("shuffle"))
    pages = arxiv_client().fetch("all:words", until=UNTIL)
    assert sorted(pages.ids) == [f"{name}v1" for name in server.entries]


def test_a_page_that_never_fits_the_others_ends_in_one_line(
    server: Server, arxiv_client: Make, cache: Cache
) -> None:
    server.faults["query"].extend([None, Fault("repeat"), Fault("repeat")] * 3)
    with pytest.raises(SourceError, match=r"the pages of .* do not fit: try again later"):
        arxiv_client(cache).fetch("all:words", until=UNTIL)
    assert len(arxiv_client(cache).fetch("all:words", until=UNTIL).ids) == 50


def test_a_total_that_changes_between_pages_is_asked_for_anew(
    server: Server, arxiv_client: Make, cache: Cache
) -> None:
    server.faults["query"].extend([None, Fault("total")])
    pages = arxiv_client(cache).fetch("all:words", until=UNTIL)
    assert (pages.count, len(set(pages.ids))) == (50, 50)
    assert len(server.requests("query")) == 5, "the two pages and then all three"


def test_a_new_version_between_two_pages_is_the_same_paper(
    server: Server, arxiv_client: Make
) -> None:
    first = max(server.entries)
    client: ArxivClient = arxiv_client()

    def newer(n_entries: int, count: int) -> None:
        server.entries[first] = corpus.entry(49, version=2)
        server.submitted[first] = datetime.date(2024, 1, 25)  # it moves to the second page

    client.on_page = newer
    names = [name.partition("v")[0] for name in client.fetch("all:words", until=UNTIL).ids]
    assert sorted(names) == sorted(server.entries)


def test_an_entry_without_a_summary_counts_as_withdrawn(run: Collect, server: Server) -> None:
    server.faults["query"].append(Fault("no_summary"))
    withdrawn = [paper for paper in run().papers if paper.withdrawn]
    assert [paper.paper_id for paper in withdrawn] == ["arxiv:2401.00049"]


def test_a_withdrawn_paper_is_marked(run: Collect, server: Server) -> None:
    comment = "<arxiv:comment>This paper has been withdrawn by the author"
    text = server.entries["2401.00003"].replace("<arxiv:comment>Synthetic sample record", comment)
    server.entries["2401.00003"] = text
    papers = {paper.paper_id: paper for paper in run().papers}
    assert papers["arxiv:2401.00003"].withdrawn


def test_a_clock_that_jumps_changes_neither_pace_nor_papers(
    run: Collect, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = time.time()
    jumps = iter(range(10**6))
    monkeypatch.setattr(time, "time", lambda: clock + (-1) ** next(jumps) * 86_400 * 400)
    server.faults["efetch"].append(Fault("status", 429, retry_after="0.05"))
    began = time.monotonic()
    assert len(run().papers) > 100
    assert time.monotonic() - began < 10
    assert len(server.journal) == 2 + 3 + 3 + 1


@pytest.mark.parametrize(
    ("status", "body", "name"),
    [
        (400, KEY_REFUSED % KEY.encode(), "NCBI_API_KEY"),
        (200, KEY_REFUSED % KEY.encode(), "NCBI_API_KEY"),
        (400, b"email is invalid", "NCBI_EMAIL"),
    ],
    ids=["key", "key with status 200", "e-mail"],
)
def test_a_wrong_key_or_address_names_the_variable_and_never_its_value(
    run: Collect, server: Server, status: int, body: bytes, name: str
) -> None:
    server.faults["esearch"].extend([Fault("status", status, body=body)] * 3)
    with pytest.raises(ConfigError, match=f"PubMed refuses the value of {name}") as caught:
        run()
    assert is_one_line(caught.value)
    assert not any(secret in str(caught.value) for secret in (KEY, EMAIL))

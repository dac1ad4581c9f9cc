"""A stand-in for NCBI E-utilities and the arXiv API on this machine, over real sockets.

    python -m tests.standin.server --pubmedqa FILE --port N        serve real abstracts by hand

Invariant: like the services, it counts what it is asked and refuses what they refuse: more than so
many requests per second, requests without tool and email, arXiv requests too close or at once.
"""

import argparse
import datetime
import gzip
import re
import socket
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from tests.standin import corpus
from tests.standin.faults import ERROR, ERROR_FEED, HTML, JSON, Fault, changed, chosen

SERVED_IDS = 9_999
SERVED_ENTRIES = 2_000
_ENTERED = re.compile(r'PubStatus="entrez"><Year>(\d+)</Year><Month>(\d+)</Month><Day>(\d+)<')
_PUBLISHED = re.compile(r"<published>(\d{4})-(\d\d)-(\d\d)")
_UIDS = re.compile(r"\((.*)\) AND (\d+):(\d+)\[UID\]$", re.DOTALL)
_SUBMITTED = re.compile(r"\((.*)\) AND submittedDate:\[(\d{8})\d{4} TO (\d{8})\d{4}\]$", re.DOTALL)


@dataclass
class Request:
    """One line of the journal."""

    at: float
    method: str
    endpoint: str
    parameters: dict[str, str]
    in_flight: int
    path: str = ""
    status: int = 0


@dataclass(frozen=True)
class Answer:
    """What an endpoint answers where a body alone does not say it."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Endpoint = Callable[[Request], "bytes | Answer | None"]
"""Answers a request; None leaves it to the endpoint of that name that is built in."""


class Server:
    """Serves while the context is open; `faults` and `journal` are keyed by endpoint."""

    def __init__(
        self,
        records: Mapping[str, str] | None = None,
        entries: Mapping[str, str] | None = None,
        *,
        found: Mapping[str, list[str]] | None = None,
        rates: tuple[int, int] | None = None,
        arxiv_gap_s: float = 0.0,
        latency_s: float = 0.0,
        extra: Mapping[str, Endpoint] | None = None,
        port: int = 0,
    ) -> None:
        """Nothing is served before the context is entered.

        Args:
            records: PMID to PubMed fragment.
            entries: arXiv id to Atom entry.
            found: what a query finds; any other query finds everything.
            rates: requests per second without and with a key, enforced.
            arxiv_gap_s: seconds between arXiv requests, enforced, one at a time.
            latency_s: seconds before every answer.
            extra: further endpoints by the last part of their path, asked before those built in.
            port: 0 takes a free one.
        """
        self.records = dict(records or {})
        self.entries = dict(entries or {})
        self.found = dict(found or {})
        self.extra = dict(extra or {})
        self.rates = rates
        self.arxiv_gap_s = arxiv_gap_s
        self.latency_s = latency_s
        self.faults: dict[str, deque[Fault | None]] = defaultdict(deque)
        self.journal: list[Request] = []
        self.lock = threading.Lock()
        self.in_flight: dict[str, int] = defaultdict(int)
        self.recent: deque[float] = deque()
        self.last_arxiv = 0.0
        self.days = {pmid: _day(_ENTERED, text) for pmid, text in self.records.items()}
        self.submitted = {one: _day(_PUBLISHED, text) for one, text in self.entries.items()}
        self.http = _Server(("127.0.0.1", port), _Handler)
        self.http.standin = self
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def __enter__(self) -> Self:
        """Begin to serve."""
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop serving."""
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def requests(self, endpoint: str) -> list[Request]:
        """What one endpoint was asked, in order."""
        return [one for one in self.journal if one.endpoint == endpoint]

    def search(self, q: dict[str, str]) -> list[str]:
        """PMIDs of a query in a window; as PubMed does, a lone mindate is ignored."""
        term, low, high = q.get("term", ""), 0, 10**9
        if match := _UIDS.match(term):
            term, low, high = match[1], int(match[2]), int(match[3])
        ids = [one for one in self.found.get(term, self.records) if low <= int(one) <= high]
        if q.get("mindate") and q.get("maxdate"):
            first, last = (
                datetime.datetime.strptime(q[name], "%Y/%m/%d").date()
                for name in ("mindate", "maxdate")
            )
            ids = [one for one in ids if first <= self.days[one] <= last]
        return sorted(ids, key=int, reverse=True)

    def query(self, q: dict[str, str]) -> list[str]:
        """ArXiv ids of a query in a window, the newest first."""
        term, first, last = q.get("search_query", ""), "00000000", "99999999"
        if match := _SUBMITTED.match(term):
            term, first, last = match[1], match[2], match[3]
        ids = self.found.get(term, list(self.entries))
        dates = {one: self.submitted[one].strftime("%Y%m%d") for one in ids}
        kept = [one for one in ids if first <= dates[one] <= last]
        return sorted(kept, key=lambda one: (dates[one], one), reverse=True)

    def refusal(self, request: Request) -> Fault | None:
        """What the real service would refuse."""
        if request.endpoint == "query":
            close = request.at - self.last_arxiv < self.arxiv_gap_s
            self.last_arxiv = request.at
            at_once = self.arxiv_gap_s > 0 and request.in_flight > 1
            return Fault("status", 429, body=b"Rate exceeded.") if close or at_once else None
        if not request.path.startswith("/entrez/"):
            return None
        if not (request.parameters.get("tool") and request.parameters.get("email")):
            return Fault("status", 400, body=b"tool and email are needed")
        if self.rates is None:
            return None
        while self.recent and request.at - self.recent[0] >= 1:
            self.recent.popleft()
        self.recent.append(request.at)
        limit = self.rates["api_key" in request.parameters]
        over = len(self.recent) > limit
        return Fault("status", 429, retry_after="1", body=JSON) if over else None


def _day(pattern: re.Pattern[str], text: str) -> datetime.date:
    match = pattern.search(text)
    return datetime.date(*map(int, match.groups())) if match else datetime.date(2000, 1, 1)


_UNFINISHED = ("cut_length", "cut_chunked", "cut_silent", "stall_body", "drip")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    standin: Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every answer on a kept connection waits 40 ms
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Keep stderr clean."""

    def do_GET(self) -> None:
        self._serve("")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _serve(self, posted: str) -> None:
        standin = self.server.standin
        parts = urlsplit(self.path)
        endpoint = parts.path.rsplit("/", 1)[-1].removesuffix(".fcgi")
        q = {k: v[-1] for k, v in parse_qs(f"{parts.query}&{posted}").items()}
        with standin.lock:
            standin.in_flight[endpoint] += 1
            here = standin.in_flight[endpoint]
            self.entry = Request(time.monotonic(), self.command, endpoint, q, here, parts.path)
            standin.journal.append(self.entry)
            script = standin.faults[endpoint]
            fault = standin.refusal(self.entry) or (script.popleft() if script else None)
        try:
            time.sleep(standin.latency_s)
            self._answer(endpoint, q, fault)
        finally:
            with standin.lock:
                standin.in_flight[endpoint] -= 1

    def _answer(self, endpoint: str, q: dict[str, str], fault: Fault | None) -> None:
        if fault is not None and self._failed(endpoint, fault):
            return
        extra = self.server.standin.extra.get(endpoint)
        answer = extra(self.entry) if extra else None
        if answer is None:
            inner = {"esearch": self._esearch, "efetch": self._efetch, "query": self._query}
            answer = inner[endpoint](q, fault) if endpoint in inner else HTML
        if isinstance(answer, bytes):
            answer = Answer(answer)
        self._send(changed(fault, answer.body), fault, answer.status, answer.headers)

    def _failed(self, endpoint: str, fault: Fault) -> bool:
        """Whether the fault is the whole answer."""
        tag = {"esearch": b"eSearchResult", "efetch": b"eFetchResult"}.get(endpoint, b"error")
        whole = {"html": HTML, "json": JSON, "error": ERROR % (tag, tag), "error_feed": ERROR_FEED}
        if fault.kind == "status":
            self._send(fault.body, fault, status=fault.status)
        elif fault.kind == "reset":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif fault.kind == "stall":
            time.sleep(fault.seconds)
            self.close_connection = True  # and the client sees no status line at all
        elif fault.kind in whole:
            self._send(whole[fault.kind], None)
        else:
            return False
        return True

    def _send(
        self,
        body: bytes,
        fault: Fault | None,
        status: int = 200,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        kind = fault.kind if fault else ""
        if kind in ("gzip", "cut_gzip"):
            body = gzip.compress(body)
            body = body[: len(body) // 2] if kind == "cut_gzip" else body
            headers = [*headers, ("Content-Encoding", "gzip")]
        self.entry.status = status
        self.send_response(status)
        for name, value in [*headers, *(fault.headers if fault else [])]:
            self.send_header(name, value)
        self.send_header("Content-Type", "text/xml; charset=UTF-8")
        if kind == "cut_chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif kind != "cut_silent":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault is None or kind not in _UNFINISHED:
            self.wfile.write(body)
            return
        self.close_connection = True
        part = body[: len(body) * 6 // 10]
        if kind == "drip":
            for at in range(0, len(part), fault.amount):
                self.wfile.write(part[at : at + fault.amount])
                time.sleep(fault.seconds)
            return
        self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if kind == "cut_chunked" else part)
        if kind == "stall_body":
            time.sleep(fault.seconds)

    def _esearch(self, q: dict[str, str], fault: Fault | None) -> bytes:
        ids = self.server.standin.search(q)
        start = int(q.get("retstart", 0))
        if start >= SERVED_IDS:
            return ERROR % (b"eSearchResult", b"eSearchResult")
        end = min(start + int(q.get("retmax", 20)), SERVED_IDS)
        page = chosen(fault, ids[start:end])
        listed = "".join(f"<Id>{one}</Id>" for one in page)
        return (
            '<?xml version="1.0" encoding="UTF-8" ?>\n<!DOCTYPE eSearchResult PUBLIC '
            '"-//NLM//DTD esearch 20060628//EN" '
            '"https://eutils.ncbi.nlm.nih.gov/eutils/dtd/20060628/esearch.dtd">\n'
            f"<eSearchResult><Count>{len(ids)}</Count><RetMax>{len(page)}</RetMax>"
            f"<RetStart>{start}</RetStart><IdList>{listed}</IdList><TranslationSet/>"
            f"<QueryTranslation>{escape(q.get('term', ''))}</QueryTranslation></eSearchResult>"
        ).encode()

    def _efetch(self, q: dict[str, str], fault: Fault | None) -> bytes:
        records = self.server.standin.records
        ids = chosen(fault, [one for one in q.get("id", "").split(",") if one in records])
        return corpus.article_set([records[one] for one in ids])

    def _query(self, q: dict[str, str], fault: Fault | None) -> bytes:
        standin = self.server.standin
        ids = standin.query(q)
        start, size = int(q.get("start", 0)), int(q.get("max_results", 10))
        end = start + min(size, SERVED_ENTRIES)
        page = chosen(fault, ids[start:end])
        if fault and fault.kind == "repeat":
            page = ids[: len(page)]
        entries = [standin.entries[one] for one in page]
        return corpus.feed(entries, total=len(ids), start=start, size=size)


def main() -> None:
    """Serve PubMedQA items until interrupted; there are no arXiv entries among them."""
    from tests.standin import pubmedqa

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--pubmedqa", type=Path, required=True, help="labelled items (JSON)")
    parser.add_argument("--port", type=int, default=0)
    chosen = parser.parse_args()
    with Server(pubmedqa.fragments(chosen.pubmedqa), port=chosen.port) as server:
        print(f"papers.pubmed.base_url={server.url} papers.arxiv.base_url={server.url}", flush=True)
        server.thread.join()


if __name__ == "__main__":
    main()

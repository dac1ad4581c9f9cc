"""arXiv through arxiv.py: one connection, every page verified before it counts.

The only importer of `arxiv`. The library makes the addresses and turns the pages; each of its
requests goes through `Client._parse_feed`, which is replaced here, because the original has no
timeout, takes an HTML page for zero results and counts a repeated page twice.
Source of the limits: arXiv API terms of use and user manual.
"""

import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import arxiv
import requests
from arxiv import _feed
from lxml import etree

from titer import files
from titer.config import ArxivSettings
from titer.errors import SourceError
from titer.literature.cache import Cache
from titer.literature.credentials import Credentials
from titer.literature.http import (
    Line,
    Pacer,
    Patience,
    Unusable,
    check_host,
    collected,
    is_local,
    status_fault,
)
from titer.literature.markup import safe_parser, without_forbidden
from titer.literature.parse import ATOM

SERVED_ENTRIES = 30_000
"""Entries that the service gives per query."""

FIRST_MINUTE = "199101010000"
USER_AGENT = "titer (arxiv.py 4)"
ERROR_ID = "/api/errors"
OPENSEARCH = "{http://a9.com/-/spec/opensearch/1.1/}"


@dataclass
class Pages:
    """The pages that hold the entries of a query."""

    query: str
    until: str
    count: int = 0
    """Entries that arXiv counts, more than were fetched where the number is limited."""
    bodies: list[bytes] = field(default_factory=list)
    """Raw pages in order."""
    ids: list[str] = field(default_factory=list)
    """Versioned arXiv ids in the order of the pages, as many as the limit allows."""


class VerifiedClient(arxiv.Client):  # type: ignore[misc]
    """arxiv.Client whose pages come from the cache or through our line, verified."""

    def __init__(self, line: Line, *, base_url: str, page_size: int, cache: Cache | None) -> None:
        """One client serves one query, because it remembers the ids of earlier pages."""
        super().__init__(page_size=page_size, delay_seconds=0, num_retries=0)
        self.query_url_format = f"{base_url}/api/query?{{}}"
        self.base_url = base_url
        self.line = line
        self.cache = cache
        self.bodies: list[bytes] = []
        self.count = 0
        self._seen: set[str] = set()
        self._session = _OneHostSession(base_url)

    def close(self) -> None:
        """End the connection."""
        self._session.close()

    def _parse_feed(self, url: str, first_page: bool = True, _try_index: int = 0) -> Any:
        check_host(url, self.base_url)
        body, ids, self.count = self._cached(url) or self._asked(url)
        self._seen |= set(ids)
        self.bodies.append(body)
        return _feed.parse(body)

    def _cached(self, url: str) -> tuple[bytes, list[str], int] | None:
        body = self.cache.read("arxiv", files.sha256_text(url)) if self.cache else None
        try:
            return None if body is None else self._verified(body, url)
        except Unusable:
            return None

    def _asked(self, url: str) -> tuple[bytes, list[str], int]:
        what = f"page {url.partition('?')[2]}"
        if self.cache:
            self.cache.check_online(f"arXiv {what}")
        answer = self.line.ask(
            lambda: self._get(url, what), lambda body: self._verified(body, url), what
        )
        if self.cache:
            self.cache.write("arxiv", files.sha256_text(url), answer[0])
        return answer

    def _get(self, url: str, what: str) -> bytes:
        patience = self.line.patience
        deadline = time.monotonic() + 20 * patience.timeout_s
        try:
            with self._session.get(url, timeout=patience.timeout_s, stream=True) as answer:
                body = collected(answer.iter_content(65536), deadline=deadline)
                if answer.status_code != 200:
                    text = error_text(body)
                    retry_after = answer.headers.get("Retry-After")
                    status_fault(self.line, answer.status_code, text, retry_after, what)
                return body
        except requests.RequestException as error:
            raise Unusable(type(error).__name__) from None
        finally:
            # the pause counts from the end of an answer: requests never come closer than the gap
            self.line.pacer.push(self.line.pacer.gap_s)

    def _verified(self, body: bytes, url: str) -> tuple[bytes, list[str], int]:
        """The body, its ids and the service's count, when the page is what was asked for."""
        asked = parse_qs(urlsplit(url).query)
        start, size = int(asked["start"][0]), int(asked["max_results"][0])
        root = _root(body)
        ids = [(one.findtext(f"{ATOM}id") or "").strip() for one in root.iterfind(f"{ATOM}entry")]
        if any(ERROR_ID in one for one in ids):
            raise self.line.refuse("query", f"arXiv says: {error_text(body)}")
        count = _number(root, "totalResults")
        if _number(root, "startIndex") != start:
            raise Unusable("a page that starts elsewhere")
        expected = max(0, min(size, count - start))
        if len(ids) != expected:
            raise Unusable(f"{len(ids)} of {expected} entries")
        # the library leaves out entries without id or dates, and then pages overlap
        if len(_feed.parse(body).results) != expected or len(set(ids)) != expected:
            raise Unusable("entries without id or date, or the same one twice")
        if self._seen & set(ids):
            raise Unusable("a repeated page")
        return body, ids, count


class ArxivClient:
    """Fetches the pages of a query; answers come from the cache where it has them."""

    def __init__(
        self,
        settings: ArxivSettings,
        *,
        timeout_s: float,
        max_tries: int,
        credentials: Credentials | None = None,
        cache: Cache | None = None,
        backoff_s: float | None = None,
        pacer: Pacer | None = None,
    ) -> None:
        """Send nothing yet; the first pause after a fault is the gap unless it is given.

        The credentials are never sent to arXiv: they are here to be masked. A pacer is given where
        arXiv's other services are asked as well.
        """
        self.settings = settings
        self.cache = cache
        first_pause = settings.gap_s if backoff_s is None else backoff_s
        patience = Patience(timeout_s, max_tries, first_pause)
        pacer = pacer or Pacer(settings.gap_s)
        self.line = Line("arXiv", pacer, patience, credentials or Credentials())

    def fetch(self, query: str, *, until: str) -> Pages:
        """The pages of the newest entries submitted up to a date.

        Args:
            query: in the syntax of the arXiv API.
            until: ISO date of the last day of submission.

        Raises:
            SourceError: refused by the service, or more entries than it serves.
        """
        limit = self.settings.max_papers_per_query
        size = min(self.settings.page_size, limit or self.settings.page_size)
        base_url = self.settings.base_url.rstrip("/")
        client = VerifiedClient(self.line, base_url=base_url, page_size=size, cache=self.cache)
        window = f"[{FIRST_MINUTE} TO {until.replace('-', '')}2359]"
        search = arxiv.Search(
            f"({query}) AND submittedDate:{window}",
            max_results=limit or None,
            sort_by=arxiv.SortCriterion.SubmittedDate,
        )
        pages = Pages(query, until)
        try:
            for result in client.results(search):
                self._check_served(query, client.count)
                pages.ids.append(result.get_short_id())
        finally:
            client.close()
        pages.count, pages.bodies = client.count, client.bodies
        return pages

    def _check_served(self, query: str, count: int) -> None:
        wanted = min(count, self.settings.max_papers_per_query or count)
        if wanted > SERVED_ENTRIES:
            raise SourceError(
                f"arXiv: {query!r} finds {count} papers, and the service gives {SERVED_ENTRIES} "
                "per query. Narrow the query, or set papers.arxiv.max_papers_per_query"
            )


class _OneHostSession(requests.Session):
    """A session that follows redirects within the configured host only."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url = base_url
        self.trust_env = not is_local(base_url)
        self.headers["User-Agent"] = USER_AGENT

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target and urlsplit(target).netloc:
            check_host(target, self.base_url)
        return target


def _root(body: bytes) -> Any:
    """Root element of a whole Atom feed.

    Raises:
        Unusable: it is something else.
    """
    try:
        root = etree.fromstring(body, safe_parser())
    except etree.XMLSyntaxError:
        whole = body.rstrip().endswith(b"</feed>")
        repaired = without_forbidden(body) if whole else body
        last_resort = repaired if repaired != body else None
        raise Unusable(
            "malformed" if whole else "cut or not XML", last_resort=last_resort
        ) from None
    if root.tag != f"{ATOM}feed":
        raise Unusable(f"<{etree.QName(root).localname}> instead of <feed>")
    return root


def _number(root: Any, name: str) -> int:
    text = (root.findtext(f"{OPENSEARCH}{name}") or "").strip()
    if not text.isdigit():
        raise Unusable(f"a feed without {name}")
    return int(text)


def error_text(body: bytes) -> str:
    """The message of an error feed, or the beginning of any other body."""
    text = body[:20_000].decode("utf-8", "replace")
    summary = re.search(r"<summary>(.*?)</summary>", text, re.DOTALL)
    return summary[1].strip() if summary else text[:200]

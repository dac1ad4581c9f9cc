"""One window of arXiv through arxiv.py: one connection, every page verified before it counts.

The library makes the addresses and turns the pages; each of its requests goes through
`Client._parse_feed`, which is replaced here, because the original has no timeout, takes an HTML
page for zero results and counts a repeated page twice.
"""

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import arxiv
import requests
from arxiv import _feed
from lxml import etree

from titer import files
from titer.addresses import is_local
from titer.literature.cache import Cache
from titer.literature.fields import whole_number
from titer.literature.http import (
    Line,
    Unusable,
    check_host,
    collected,
    status_fault,
)
from titer.literature.markup import safe_parser, without_forbidden
from titer.literature.parse import ATOM

SERVED_ENTRIES = 30_000
"""Entries that the service gives per query; more are asked for in narrower windows."""

USER_AGENT = "titer (arxiv.py 4)"
ERROR_ID = "/api/errors"
OPENSEARCH = "{http://a9.com/-/spec/opensearch/1.1/}"


class Changed(Exception):
    """The pages of a window do not belong to one list: the window is asked for anew."""


class TooMany(Exception):
    """A window holds more entries than the service gives."""


class VerifiedClient(arxiv.Client):  # type: ignore[misc]
    """arxiv.Client whose pages come from the cache or through our line, verified."""

    def __init__(
        self,
        line: Line,
        *,
        base_url: str,
        page_size: int,
        wanted: int,
        cache: Cache | None,
        on_page: Callable[[int, int], object],
    ) -> None:
        """One client serves one window, because it remembers the ids of earlier pages.

        `wanted` entries are enough, 0 for all; `on_page` is told of entries and count.
        """
        super().__init__(page_size=page_size, delay_seconds=0, num_retries=0)
        self.query_url_format = f"{base_url}/api/query?{{}}"
        self.base_url = base_url
        self.line = line
        self.cache = cache
        self.wanted = wanted
        self.on_page = on_page
        self.bodies: list[bytes] = []
        self.keys: list[str] = []
        """Of the pages in the cache, also of one that turned out not to fit."""
        self.count: int | None = None
        self._seen: set[str] = set()
        self._repeated = False
        self._session = _OneHostSession(base_url)

    def close(self) -> None:
        """End the connection."""
        self._session.close()

    def _parse_feed(self, url: str, first_page: bool = True, _try_index: int = 0) -> Any:
        check_host(url, self.base_url)
        body, ids, self.count = self._cached(url) or self._asked(url)
        if min(self.wanted or self.count, self.count) > SERVED_ENTRIES:
            raise TooMany
        self.on_page(len(ids), self.count)
        self._seen |= set(ids)
        self._repeated = False
        self.bodies.append(body)
        return _feed.parse(body)

    def _cached(self, url: str) -> tuple[bytes, list[str], int] | None:
        self.keys.append(files.sha256_text(url))
        body = self.cache.read("arxiv", self.keys[-1]) if self.cache else None
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
            self.cache.write("arxiv", self.keys[-1], answer[0])
        return answer

    def _get(self, url: str, what: str) -> bytes:
        patience = self.line.patience
        deadline = time.monotonic() + 20 * patience.timeout_s
        try:
            with self._session.get(url, timeout=patience.timeout_s, stream=True) as answer:
                body = collected(answer.iter_content(65536), deadline=deadline)
                if answer.status_code != 200:
                    text = error_text(body)
                    status_fault(self.line, answer.status_code, text, answer.headers, what)
                return body
        except requests.ConnectionError as error:
            raise Unusable(_cause(error, self.base_url)) from None
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
        names = [(one.findtext(f"{ATOM}id") or "").strip() for one in root.iterfind(f"{ATOM}entry")]
        if any(ERROR_ID in one for one in names):
            raise self.line.refuse("query", f"arXiv says: {error_text(body)}")
        # a paper may get a new version between two pages and stays the same paper
        ids = [plain_id(one) for one in names]
        count = _number(root, "totalResults")
        if self.count is not None and count != self.count:
            raise Changed(f"{self.count} entries became {count}")
        if _number(root, "startIndex") != start:
            raise Unusable("a page that starts elsewhere")
        expected = max(0, min(size, count - start))
        if len(ids) != expected:
            raise Unusable(f"{len(ids)} of {expected} entries")
        # the library leaves out entries without id or dates, and then pages overlap
        if len(_feed.parse(body).results) != expected or len(set(ids)) != expected:
            raise Unusable("entries without id or date, or the same one twice")
        if self._seen & set(ids):
            if self._repeated:
                raise Changed("the order of the entries changed")
            self._repeated = True
            raise Unusable("a repeated page")
        return body, ids, count


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


def plain_id(name: str) -> str:
    """An arXiv id or address without its version."""
    return re.sub(r"v\d+$", "", name)


def _cause(error: requests.ConnectionError, base_url: str) -> str:
    """The innermost reason in few words; the whole chain repeats the address."""
    inner: Any = error.args[0] if error.args else error
    reason = getattr(inner, "reason", None)
    if reason is not None:
        return f"no connection to {base_url}: {type(reason).__name__}"
    last = inner.args[-1] if inner.args else inner
    return type(last if isinstance(last, Exception) else inner).__name__


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
        raise Unusable(f"<{root.tag.rpartition('}')[2]}> instead of <feed>")
    return root


def _number(root: Any, name: str) -> int:
    number = whole_number((root.findtext(f"{OPENSEARCH}{name}") or "").strip())
    if number is None:
        raise Unusable(f"a feed without {name}")
    return number


def error_text(body: bytes) -> str:
    """The message of an error feed, or the beginning of any other body."""
    text = body[:20_000].decode("utf-8", "replace")
    summary = re.search(r"<summary>(.*?)</summary>", text, re.DOTALL)
    return summary[1].strip() if summary else text[:200]

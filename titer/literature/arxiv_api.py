"""arXiv: every entry of a query, in windows of submission that the service gives whole.

Invariant: the windows are disjoint, and their counts add up to what arXiv counts in all of them.
Source of the limits: arXiv API terms of use and user manual.
"""

import datetime
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import arxiv

from titer.config import ArxivSettings
from titer.literature import arxiv_pages
from titer.literature.arxiv_pages import Changed, TooMany, VerifiedClient
from titer.literature.cache import Cache
from titer.literature.credentials import Credentials
from titer.literature.http import Line, Pacer, Patience
from titer.literature.windows import Window

FIRST_DAY = datetime.date(1991, 1, 1)
"""Before the oldest submission."""

ROUNDS = 3
"""Times that a window is asked for, when its pages or its parts do not fit together."""

IDS_PER_PAGE = 100
"""Ids of one request: longer addresses are cut by some proxies."""

log = logging.getLogger(__name__)


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
    slices: list[dict[str, Any]] = field(default_factory=list)
    """Windows of submission that were served whole, with their counts, the newest first."""
    keys: list[str] = field(default_factory=list)
    """Of the pages in the cache."""


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
        self.on_page: Callable[[int, int], object] = lambda n_entries, count: None
        """Called with each page's entries and with what its query counts."""

    def fetch(self, query: str, *, until: str) -> Pages:
        """The pages of the newest entries submitted up to a date.

        More entries than the service gives per query are asked for in windows of submission, halved
        until each is served whole.

        Args:
            query: in the syntax of the arXiv API.
            until: ISO date of the last day of submission.

        Raises:
            SourceError: refused by the service, or its pages never fit together.
        """
        pages = Pages(query, until)
        limit = self.settings.max_papers_per_query
        window = Window(FIRST_DAY, datetime.date.fromisoformat(until))
        pages.count = self._slice(pages, window, limit)
        pages.ids = pages.ids[:limit] if limit else pages.ids
        return pages

    def fetch_ids(self, ids: Sequence[str]) -> Iterator[bytes]:
        """Yield the pages that hold the entries with these ids, in their present versions.

        Args:
            ids: arXiv ids without versions. One that arXiv no longer has is in no page.
        """
        for start in range(0, len(ids), IDS_PER_PAGE):
            part = list(ids[start : start + IDS_PER_PAGE])
            client = self._client(len(part))
            try:
                list(client.results(arxiv.Search(id_list=part, max_results=len(part))))
                yield from client.bodies
            finally:
                client.close()

    def _slice(self, pages: Pages, window: Window, wanted: int) -> int:
        """Add the pages of a window and return how many entries arXiv counts in it."""
        parts: tuple[list[Any], ...] = (pages.bodies, pages.ids, pages.slices, pages.keys)
        had = [len(part) for part in parts]
        for _ in range(ROUNDS):
            client = self._client(wanted)
            try:
                self._add(pages, client, window)
                return client.count or 0
            except TooMany:
                count = client.count or 0
                if self._halves(pages, window, wanted) in (count, None):
                    return count
            except Changed as error:
                log.info("arXiv: %s to %s: %s, asked anew", window.first, window.last, error)
            finally:
                client.close()
            self._forget([*client.keys, *pages.keys[had[-1] :]])
            for part, n in zip(parts, had, strict=True):
                del part[n:]
        days = f"{window.first} to {window.last}"
        raise self.line.refuse(pages.query, f"the pages of {days} do not fit: try again later")

    def _halves(self, pages: Pages, window: Window, wanted: int) -> int | None:
        """Entries counted in both halves, or None when the newer one has all that is wanted."""
        halves = window.halves() if window.first < window.last else None
        if halves is None:
            most = arxiv_pages.SERVED_ENTRIES
            raise self.line.refuse(pages.query, f"more than {most} entries on {window.first}")
        had = len(pages.ids)
        newer = self._slice(pages, halves[0], wanted)
        left = wanted - (len(pages.ids) - had)
        if wanted and left <= 0:
            return None
        return newer + self._slice(pages, halves[1], left if wanted else 0)

    def _forget(self, keys: list[str]) -> None:
        """Take pages that do not fit together out of the cache."""
        if self.cache is not None:
            for key in keys:
                self.cache.forget("arxiv", key)

    def _client(self, wanted: int) -> VerifiedClient:
        size = min(self.settings.page_size, wanted or self.settings.page_size)
        base_url = self.settings.base_url.rstrip("/")
        return VerifiedClient(
            self.line,
            base_url=base_url,
            page_size=size,
            wanted=wanted,
            cache=self.cache,
            on_page=self.on_page,
        )

    def _add(self, pages: Pages, client: VerifiedClient, window: Window) -> None:
        """Add the pages of a window that is served whole."""
        days = f"[{window.first:%Y%m%d}0000 TO {window.last:%Y%m%d}2359]"
        search = arxiv.Search(
            f"({pages.query}) AND submittedDate:{days}",
            max_results=client.wanted or None,
            sort_by=arxiv.SortCriterion.SubmittedDate,
        )
        pages.ids += [result.get_short_id() for result in client.results(search)]
        pages.bodies += client.bodies
        pages.keys += client.keys
        row = {"first": str(window.first), "last": str(window.last), "count": client.count}
        pages.slices.append(row)

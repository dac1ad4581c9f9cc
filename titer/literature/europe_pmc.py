"""Europe PMC: licence, PMC id, retraction and open full text of PubMed records.

Fields by the reference guide of its REST service and public code that reads them: hitCount,
nextCursorMark, resultList.result with pmid, pmcid, license (`cc by-nc`), isOpenAccess, inEPMC and
pubTypeList. The count may exceed what is given (getpapers#153).
†Not checked against the live service: how many ids a query takes.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from titer import files
from titer.config import EuropePmcSettings
from titer.literature.answers import root_of
from titer.literature.http import NotServed, Unusable
from titer.literature.jats import Article, pmcid_of, read_article
from titer.literature.service import Service

PATH = "/europepmc/webservices/rest"

SOURCE = "europe_pmc"
"""Name of the source in records."""

ROUNDS = 3
"""Times that a page which ends too early is asked for again."""

ABSENT = b"<article/>"
"""Kept for an article that the service lists and does not give: no body, no licence."""


class EuropePmc:
    """Answers come from the cache where it has them."""

    def __init__(self, settings: EuropePmcSettings, service: Service) -> None:
        """The service's line brings pace and patience."""
        self.settings = settings
        self.service = service
        self.n_short = 0
        """Results that were counted and never came."""

    def find(self, pmids: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield what the service knows of some PubMed records, one row per known one.

        Raises:
            SourceError: refused or unreachable.
        """
        ordered = sorted(set(pmids), key=int)
        size = self.settings.batch_size
        for start in range(0, len(ordered), size):
            yield from self._batch(ordered[start : start + size])

    def _batch(self, pmids: list[str]) -> Iterator[dict[str, Any]]:
        """The pages of one query; the last page repeats its cursor, so the count decides."""
        cursor, left = "*", frozenset(pmids)
        while True:
            page = self._ask(pmids, cursor, left)
            yield from page.rows
            if page.is_last:
                self.n_short += page.n_short
                return
            cursor, left = page.following, left - {row["pmid"] for row in page.rows}

    def _ask(self, pmids: list[str], cursor: str, left: frozenset[str]) -> "_Page":
        """One page; one that ends too early is asked for again, then taken."""
        query = {
            "query": f"EXT_ID:({' OR '.join(pmids)}) AND SRC:MED",
            "resultType": "core",
            "format": "json",
            "pageSize": len(pmids),
            "cursorMark": cursor,
        }
        read = partial(_page, left=left, n_seen=len(pmids) - len(left), cursor=cursor)
        tries = itertools.count(1)
        most = min(ROUNDS, self.service.line.patience.max_tries - 1)

        def verify(body: bytes) -> _Page:
            page = read(body)
            if page.n_short and next(tries) <= most:
                raise Unusable(f"{page.n_short} results fewer than counted")
            return page

        return self.service.get(
            f"{PATH}/search?{urlencode(query, quote_via=quote)}",
            verify,
            f"search {len(pmids)} records ({pmids[0]} to {pmids[-1]})",
            kind="europe_pmc",
            kept=read,
        )

    def full_text(self, pmcid: str) -> Article:
        """The article with its body, which is empty where the service does not give it.

        Raises:
            SourceError: refused or unreachable.
        """
        address = f"{PATH}/{pmcid}/fullTextXML"
        try:
            root = self.service.get(
                address, partial(_article, pmcid=pmcid), f"full text {pmcid}", kind="full_text"
            )
        except NotServed:
            self.service.keep(address, ABSENT, kind="full_text")
            root = root_of(ABSENT, "article")
        return read_article(root, source=SOURCE)


def _article(body: bytes, pmcid: str) -> Any:
    """Root of an article that is not another one; some state no PMC id (tidypmc#4)."""
    if b"errorBean" in body[:500] and b"not open access" in body:  # with status 200
        return root_of(ABSENT, "article")
    root = root_of(body, "article")
    if pmcid_of(root) not in ("", pmcid):
        raise Unusable(f"{pmcid_of(root)} instead of {pmcid}")
    return root


@dataclass(frozen=True)
class _Page:
    """Results of one page, and how to go on."""

    rows: list[dict[str, Any]]
    following: str
    is_last: bool
    n_short: int
    """Results that are counted, on a last page that comes before them."""


def _page(body: bytes, *, left: frozenset[str], n_seen: int, cursor: str) -> _Page:
    """A page whose results were asked for and did not come before.

    Raises:
        Unusable: it is something else.
    """
    try:
        answer = files.parse_json(body)
        count, rows = int(answer["hitCount"]), answer["resultList"]["result"]
        names = [str(row.get("pmid") or row["id"]) for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise Unusable("no list of results") from None
    n_short = count - n_seen - len(rows)
    if not len(names) == len(set(names) & left) or n_short < 0:
        raise Unusable("results that were not asked for, or came before")
    following = str(answer.get("nextCursorMark") or "")
    is_last = not n_short or not rows or following in ("", cursor)
    rows = [{**row, "pmid": name} for row, name in zip(rows, names, strict=True)]
    return _Page(rows, following, is_last, n_short if is_last else 0)

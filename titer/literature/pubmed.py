"""PubMed through Biopython: slices, searches and batches, every answer verified by its content.

The only importer of `Bio`. Biopython builds the requests; each call ends in the module name
`Entrez.urlopen`, which is replaced here, because the original has no timeout, returns cut answers
as whole ones and retries at once. Nothing of Biopython's parser is used: it loads DTDs.
Reference: Cock et al. (2009), Biopython.
"""

import datetime
import threading
import urllib.request
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import Bio.Entrez

from titer import files
from titer.config import PubmedSettings
from titer.literature.answers import SERVED_IDS, received, root_of, search_result
from titer.literature.cache import Cache, ids_key
from titer.literature.credentials import Credentials
from titer.literature.http import Line, Pacer, Patience, Unusable
from titer.literature.transport import Transport
from titer.literature.windows import FIRST_DAY, Window

Entrez: Any = Bio.Entrez
"""Typed loosely: two of the names that are set here are private."""

OFFICIAL = "https://eutils.ncbi.nlm.nih.gov"
"""Host that Biopython writes into every request."""

ROUNDS = 3
"""Times that ids missing from an answer are asked for again, and that a window is asked for while
its parts do not add up."""

_routes = threading.local()
_original_urlopen = Entrez.urlopen


def ncbi_pacer(settings: PubmedSettings, credentials: Credentials) -> Pacer:
    """The pace of all clients that ask NCBI together; a key allows the faster one."""
    return Pacer(settings.gap_s if credentials.api_key is None else settings.gap_with_key_s)


@dataclass
class Found:
    """What a search found."""

    query: str
    until: str
    count: int
    """Of the whole query, as PubMed counts; more than the ids where the number is limited."""
    ids: list[str] = field(default_factory=list)
    """In numerical order."""
    warnings: list[str] = field(default_factory=list)
    """What PubMed ignored or did not find in the query, sorted."""
    slices: list[dict[str, Any]] = field(default_factory=list)
    """Windows that were served whole: `{first, last, low, high, count}`, the newest first."""


@dataclass
class _Slice:
    """What a window holds."""

    count: int
    ids: list[str]
    leaves: list[dict[str, Any]]


class PubmedClient:
    """Searches and fetches; answers come from the cache where it has them."""

    database = "pubmed"
    """Of NCBI; names the kind of response in the cache as well."""

    service = "PubMed"
    """Name in errors and logs."""

    def __init__(
        self,
        settings: PubmedSettings,
        *,
        timeout_s: float,
        max_tries: int,
        credentials: Credentials,
        cache: Cache | None = None,
        backoff_s: float = 0.5,
        pacer: Pacer | None = None,
    ) -> None:
        """Send nothing yet; a key in the credentials selects its faster pace.

        A pacer is given where several clients ask NCBI.
        """
        has_key = credentials.api_key is not None
        self.settings = settings
        self.base_url = settings.base_url.rstrip("/")
        self.credentials = credentials
        self.cache = cache
        self.workers = settings.workers_with_key if has_key else settings.workers
        patience = Patience(timeout_s, max_tries, backoff_s)
        pacer = pacer or ncbi_pacer(settings, credentials)
        self.line = Line(self.service, pacer, patience, credentials)
        self.transport = Transport(self.line, OFFICIAL, self.base_url)

    def find(self, query: str, *, until: str) -> Found:
        """All PMIDs that a query finds among records entered up to a date.

        Where `max_papers_per_query` limits them, the newest are taken: whole windows from the
        newest on, then the highest PMIDs, so that the same limit gives the same ids.

        Args:
            query: a PubMed search term.
            until: ISO date of the last day of entry.
        """
        limit = self.settings.max_papers_per_query
        key = files.sha256_text(files.dump_json([query, until, limit]))
        kept = self.cache.read_ids(key) if self.cache else None
        if kept is not None and set(kept) == {one.name for one in fields(Found)}:
            return Found(**kept)
        found = Found(query, until, 0)
        window = Window(FIRST_DAY, datetime.date.fromisoformat(until))
        whole = self._slice(found, window, limit)
        found.count, found.slices = whole.count, whole.leaves
        found.ids = sorted(set(whole.ids), key=int)[-limit:]  # [-0:] is all of them
        found.warnings = sorted(set(found.warnings))
        if self.cache:
            self.cache.write_ids(key, asdict(found))
        return found

    def _slice(self, found: Found, window: Window, wanted: int) -> _Slice:
        """The ids of a window; where `wanted` is not 0, the older half may be left out."""
        for _ in range(ROUNDS):
            count, ids = self._esearch(found, window)
            if count <= SERVED_IDS:
                return _Slice(count, ids, [{**window.to_json(), "count": count}])
            halves = window.halves()
            if halves is None:
                raise self.line.refuse(found.query, f"{count} records with the same PMID")
            newer = self._slice(found, halves[0], wanted)
            if wanted and len(newer.ids) >= wanted:
                return _Slice(count, newer.ids, newer.leaves)
            older = self._slice(found, halves[1], wanted and wanted - len(newer.ids))
            # records that arrive between two calls: the parts are asked for again
            if newer.count + older.count == count:
                return _Slice(count, newer.ids + older.ids, newer.leaves + older.leaves)
        days = f"{window.first} to {window.last}"
        raise self.line.refuse(found.query, f"the counts of {days} do not add up: try again later")

    def _esearch(self, found: Found, window: Window) -> tuple[int, list[str]]:
        what = f"search {found.query!r}"
        if self.cache:
            self.cache.check_online(f"PubMed {what}")

        def verify(body: bytes) -> tuple[int, list[str]]:
            root = root_of(body, "eSearchResult")
            # <WarningList> says what was ignored; without it a phrase vanishes silently
            for path in ("ErrorList/*", "WarningList/*"):
                found.warnings += [f"{one.tag}: {one.text}" for one in root.iterfind(path)]
            return search_result(root)

        return self.line.ask(
            lambda: self._call(
                what,
                Entrez.esearch,
                term=window.term(found.query),
                retmax=str(SERVED_IDS),
                sort="pub_date",
                datetype="edat",
                mindate=f"{window.first:%Y/%m/%d}",  # ignored unless maxdate is there as well
                maxdate=f"{window.last:%Y/%m/%d}",
            ),
            verify,
            what,
        )

    def fetch_each(self, ids: Sequence[str]) -> Iterator[bytes]:
        """Yield raw `PubmedArticleSet` answers that together hold the records of the ids.

        They come in the order of the batches, few of them in memory at a time.

        Ids are asked for in batches of `batch_size`; those missing from an answer are asked for
        again, at most three times. What never came is for the caller to notice.
        """
        size = self.settings.batch_size
        batches = deque(list(ids[at : at + size]) for at in range(0, len(ids), size))
        waiting: deque[Future[list[bytes]]] = deque()
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                while batches or waiting:
                    while batches and len(waiting) < 2 * self.workers:
                        waiting.append(pool.submit(self._batch, batches.popleft()))
                    yield from waiting.popleft().result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _batch(self, ids: list[str]) -> list[bytes]:
        """The answers for one batch: the first one, then those for what was missing."""
        bodies, missing = [], ids
        for number in range(1 + ROUNDS):
            key = ids_key(missing)
            answer = self._cached(key)
            is_new = answer is None
            body, pmids = answer or self._efetch(missing)
            left = [pmid for pmid in missing if pmid not in pmids]
            # an answer without any of the ids is kept only when it is the last word on them
            if is_new and self.cache and (left != missing or number == ROUNDS):
                self.cache.write(self.database, key, body)
            bodies.append(body)
            if not left or (not is_new and left == missing):
                break
            missing = left
        return bodies

    def _cached(self, key: str) -> tuple[bytes, set[str]] | None:
        body = self.cache.read(self.database, key) if self.cache else None
        try:
            return None if body is None else self.received(body)
        except Unusable:
            return None

    def _efetch(self, ids: list[str]) -> tuple[bytes, set[str]]:
        what = f"fetch {len(ids)} records ({ids[0]} to {ids[-1]})"
        if self.cache:
            self.cache.check_online(f"{self.service} {what}")
        return self.line.ask(
            lambda: self._call(what, Entrez.efetch, id=list(ids), retmode="xml"),
            self.received,
            what,
        )

    def received(self, body: bytes) -> tuple[bytes, set[str]]:
        """A verified answer with the ids of its records.

        Raises:
            Unusable: it is something else.
        """
        return received(body)

    def _call(self, what: str, function: Any, **parameters: Any) -> bytes:
        """One call of Biopython, led through `_routed` to this client."""
        _install()
        _routes.client, _routes.what = self, what
        # Biopython's own pace has a global clock that is not thread-safe: ours replaces it
        Entrez._open.previous = 0
        try:
            with function(
                db=self.database,
                tool="titer",
                email=self.credentials.email,
                api_key=self.credentials.api_key,
                **parameters,
            ) as handle:
                body = handle.read()
        finally:
            _routes.client = None
        return body.encode() if isinstance(body, str) else bytes(body)


def _routed(request: urllib.request.Request, *rest: Any, **named: Any) -> Any:
    """What `Entrez.urlopen` is: to the client whose thread this is, else as it was."""
    client = getattr(_routes, "client", None)
    if client is None:
        return _original_urlopen(request, *rest, **named)
    return client.transport.open(request, _routes.what)


def _install() -> None:
    Entrez.urlopen = _routed
    Entrez.max_tries = 1  # only our own policy tries again

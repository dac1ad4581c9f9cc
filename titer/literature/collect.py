"""All papers of a run, from the sample collection, from files or from the services.

Invariant: after the bytes there is one path. Where papers come from changes who delivers bytes,
never how they become records.
"""

import contextlib
import datetime
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from titer.config import DomainSettings, PapersSettings, PapersSource
from titer.errors import ConfigError, DataError, SourceError
from titer.literature.access import Access
from titer.literature.cache import Cache
from titer.literature.credentials import Credentials
from titer.literature.enrich import asks_services, check_table, enrich, switched_on
from titer.literature.files import read_papers
from titer.literature.http import Line, Pacer
from titer.literature.merge import Parsed
from titer.literature.parse import parse_atom, parse_pubmed
from titer.literature.progress import Progress
from titer.records import Paper

log = logging.getLogger(__name__)


@dataclass
class Collection:
    """The papers of a run, where they come from, and what was left out."""

    papers: list[Paper]
    """In order of paper_id, each id once."""
    ids: dict[str, Any]
    """Files or queries with their counts and sorted ids; no times, so it is deterministic."""
    skipped: list[dict[str, Any]]
    """`{paper_id, reason}`."""


@dataclass
class _Gathered:
    """Records as they arrive: each id once, newest version, queries joined."""

    papers: dict[str, Paper] = field(default_factory=dict)
    skipped: list[dict[str, Any]] = field(default_factory=list)

    def add(self, parsed: Parsed, query_ids: Iterable[str] = ()) -> None:
        """Take in what some bytes held."""
        self.skipped += parsed.skipped
        for paper in parsed.papers:
            self._add(paper, list(query_ids))

    def _add(self, paper: Paper, query_ids: list[str]) -> None:
        known = self.papers.get(paper.paper_id)
        if known is not None:
            query_ids = sorted({*known.query_ids, *query_ids})
            paper = max(known, paper, key=_version)  # the first of equal ones
        paper.query_ids = query_ids
        self.papers[paper.paper_id] = paper

    def collection(self, ids: dict[str, Any]) -> Collection:
        """Everything in its final order."""
        papers = [self.papers[name] for name in sorted(self.papers)]
        unique = {(row["paper_id"], row["reason"]): row for row in self.skipped}
        ids = {**ids, "papers": [paper.paper_id for paper in papers]}
        return Collection(papers, ids, [unique[key] for key in sorted(unique)])


def _version(paper: Paper) -> tuple[bool, int, str]:
    return (not paper.missing, paper.arxiv_version or 0, paper.date_revised or "")


def collect(
    settings: PapersSettings,
    domain: DomainSettings,
    *,
    sample: Path,
    own: Path | None,
    cache: Path,
    credentials: Credentials | None,
    retractions: Path | None = None,
    is_wanted: bool = True,
) -> Collection:
    """Papers from the source that the settings name.

    Args:
        settings: where papers come from.
        domain: what is searched.
        sample: folder of the sample collection.
        own: file or folder of a user's own papers; read when the source is files.
        cache: folder of raw responses; used when a service is asked.
        credentials: of a run that asks a service.
        retractions: file of the Retraction Watch table; None where its source is an address.
        is_wanted: false where examples come from a user's own rows alone; no papers then.

    Raises:
        ConfigError: a live run without an e-mail address, or with a key that PubMed refuses.
        DataError: files that are missing, empty or damaged (FormatError); another run holds the
            cache; the disk is full.
        SourceError: a service failed, a query finds nothing, or offline misses an answer.
    """
    if not is_wanted:
        return Collection([], {"source": "none", "papers": []}, [])
    credentials = credentials or Credentials()
    if settings.source != PapersSource.sample:
        check_table(settings, retractions)
    if settings.source == PapersSource.live:
        return _live(settings, domain, cache, credentials, retractions)
    path = sample if settings.source == PapersSource.sample else own
    if path is None:
        raise ConfigError(f"papers.path = {settings.path!r}: name a file or folder of papers")
    parsed = read_papers(path)
    gathered = _Gathered()
    gathered.add(parsed)
    ids: dict[str, Any] = {"source": str(settings.source), "files": parsed.files}
    if settings.source == PapersSource.files:
        papers = list(gathered.papers.values())
        ids |= _enriched_files(papers, settings, cache, credentials, retractions)
    elif switched_on(settings):
        log.warning("papers.source=sample asks no further source: %s", switched_on(settings))
    return gathered.collection(ids | ({"ignored": parsed.ignored} if parsed.ignored else {}))


def _enriched_files(
    papers: list[Paper],
    settings: PapersSettings,
    folder: Path,
    credentials: Credentials,
    table: Path | None,
) -> dict[str, Any]:
    """What further sources add to a user's own files; a service's answers go by the snapshot."""
    if not asks_services(settings, table):
        return enrich(papers, settings, None, table=table)
    cache = Cache(folder, _checked_date(settings.snapshot), offline=settings.offline)
    access = access_to(settings, cache, credentials)
    with cache.locked():
        return enrich(papers, settings, access, table=table)


def access_to(settings: PapersSettings, cache: Cache, credentials: Credentials) -> Access:
    """One pacer per service, shared by all that ask it."""
    from titer.literature.pubmed import ncbi_pacer

    return Access(
        cache,
        credentials,
        ncbi=ncbi_pacer(settings.pubmed, credentials),
        arxiv=Pacer(settings.arxiv.gap_s),
        watched=lambda line: _watched(line, cache),
    )


def _live(
    settings: PapersSettings,
    domain: DomainSettings,
    folder: Path,
    credentials: Credentials,
    table: Path | None,
) -> Collection:
    if settings.pubmed.enabled and domain.pubmed_queries and not settings.offline:
        credentials.require_email()
    snapshot = _checked_date(settings.snapshot)
    cache = Cache(folder, snapshot, offline=settings.offline)
    access = access_to(settings, cache, credentials)
    gathered = _Gathered()
    ids: dict[str, Any] = {"source": "live", "snapshot": snapshot, "pubmed": [], "arxiv": []}
    with cache.locked():
        if settings.pubmed.enabled:
            ids["pubmed"] = _pubmed(settings, domain.pubmed_queries, gathered, access)
        if settings.arxiv.enabled:
            ids["arxiv"] = _arxiv(settings, domain.arxiv_queries, gathered, access)
        for paper in gathered.papers.values():
            paper.snapshot_date = snapshot
        if not gathered.papers and not settings.allow_no_hits:
            raise SourceError("live: no paper at all. Enable papers.pubmed or papers.arxiv")
        ids |= enrich(list(gathered.papers.values()), settings, access, table=table)
        collection = gathered.collection(ids)
        cache.write_snapshot(collection.ids)
    return collection


def _checked_date(snapshot: str | None) -> str:
    """The snapshot, which also names a folder."""
    try:
        if snapshot and re.fullmatch(r"\d{4}-\d\d-\d\d", snapshot):
            return datetime.date.fromisoformat(snapshot).isoformat()
    except ValueError:
        pass
    raise ConfigError(f"papers.snapshot = {snapshot!r}: must be a quoted date, 'YYYY-MM-DD'")


def _pubmed(
    settings: PapersSettings, queries: list[str], gathered: _Gathered, access: Access
) -> list[dict[str, Any]]:
    """Add what PubMed has and return what ids.json says of it."""
    from titer.literature.pubmed import PubmedClient

    client = PubmedClient(settings.pubmed, **access.options(settings, access.ncbi))
    rows: list[dict[str, Any]] = []
    asked: dict[str, list[str]] = {}
    batches: list[list[str]] = []
    with access.watched(client.line) as bar:
        for number, query in enumerate(queries, 1):
            found = client.find(query, until=access.cache.folder.name)
            row = _row(f"pubmed:{number}", found, found.ids)
            rows.append({**row, "warnings": found.warnings})
            _check_hits(row, settings)
            for warning in found.warnings:
                log.warning("%s: PubMed says of %r: %s", row["query_id"], query, warning)
            # only what no earlier query found: a query added at the end fetches little
            batches.append([pmid for pmid in found.ids if pmid not in asked])
            for pmid in found.ids:
                asked.setdefault(pmid, []).append(row["query_id"])
        bar.expect(len(asked))
        for new in batches:
            for body in client.fetch_each(new):
                parsed = parse_pubmed(body)
                bar.add(len(parsed.papers) + len(parsed.skipped))
                gathered.add(parsed)
    _settle(gathered, asked)
    return rows


def _settle(gathered: _Gathered, asked: dict[str, list[str]]) -> None:
    """Leave out what was not asked for, and list what was and never came."""
    for name in [name for name, paper in gathered.papers.items() if paper.pmid not in asked]:
        del gathered.papers[name]
        gathered.skipped.append({"paper_id": name, "reason": "not asked for"})
    settled = {row["paper_id"] for row in gathered.skipped}
    for pmid, query_ids in asked.items():
        name = f"pmid:{pmid}"
        if name not in gathered.papers and name not in settled:
            absent = Paper(name, "pubmed", "", [], pmid=pmid, missing=True)
            gathered.papers[name] = absent
        if name in gathered.papers:
            gathered.papers[name].query_ids = query_ids


def _arxiv(
    settings: PapersSettings, queries: list[str], gathered: _Gathered, access: Access
) -> list[dict[str, Any]]:
    """The same of arXiv."""
    from titer.literature.arxiv_api import ArxivClient
    from titer.literature.arxiv_pages import plain_id

    client = ArxivClient(settings.arxiv, **access.options(settings, access.arxiv))
    rows: list[dict[str, Any]] = []
    with access.watched(client.line) as bar:
        limit = settings.arxiv.max_papers_per_query
        client.on_page = lambda n, count: bar.add(n, of=min(count, limit or count))
        for number, query in enumerate(queries, 1):
            pages = client.fetch(query, until=access.cache.folder.name)
            plain = {plain_id(name) for name in pages.ids}
            row = _row(f"arxiv:{number}", pages, plain)
            rows.append(row)
            _check_hits(row, settings)
            for body in pages.bodies:
                parsed = parse_atom(body)
                # the last page may hold more than the limit
                parsed.papers = [one for one in parsed.papers if one.arxiv_id in plain]
                gathered.add(parsed, [row["query_id"]])
    return rows


def _row(name: str, found: Any, ids: Iterable[str]) -> dict[str, Any]:
    """What ids.json says of a query; `found` is of either service."""
    asked = {"query_id": name, "query": found.query, "until": found.until}
    return {**asked, "count": found.count, "slices": found.slices, "ids": sorted(ids)}


def _check_hits(row: dict[str, Any], settings: PapersSettings) -> None:
    if row["count"] == 0 and not settings.allow_no_hits:
        raise SourceError(
            f"{row['query_id']}: {row['query']!r} finds nothing until {row['until']}. "
            "Correct it in conf/domain, or set papers.allow_no_hits=true"
        )


@contextlib.contextmanager
def _watched(line: Line, cache: Cache) -> Iterator[Progress]:
    """Show what a service is asked, and note it beside the cache, also when the run fails."""
    try:
        with Progress(line) as bar:
            yield bar
    finally:
        counts = line.counts()
        log.info("%s: %s", line.service, counts)
        if line.n_requests:
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            with contextlib.suppress(DataError):  # on a full disk the fetching says so
                cache.note({"service": line.service, "fetched_at": now, **counts})

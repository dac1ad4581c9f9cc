"""What changed about known papers since they were collected: asked again, never from the cache.

Invariant: nothing of the collection is touched. A paper of which a service says nothing new stays
as it was; a service that was not asked is named.
Source of the signals: PubMed's publication types and CommentsCorrections, arXiv's comments and the
Retraction Watch table (reference: literature, section 6).
"""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from titer.config import PapersSettings
from titer.literature.access import Access
from titer.literature.cache import Cache
from titer.literature.collect import access_to
from titer.literature.credentials import Credentials
from titer.literature.enrich import enrich
from titer.literature.parse import parse_atom, parse_pubmed
from titer.records import Paper

STATUS = {
    "retracted": "retracted",
    "concern": "expression of concern",
    "withdrawn": "withdrawn by its authors",
}
"""Field of a paper and what its becoming true means."""

GONE = "deleted by the service or no longer delivered"


@dataclass(frozen=True)
class Change:
    """One paper that may no longer teach, or may teach again."""

    paper_id: str
    what: str
    """In words: retracted, expression of concern, withdrawn, gone, or no longer one of them."""
    detail: str
    """The notice's id, or empty."""


@dataclass(frozen=True)
class Rechecked:
    """The answer of a recheck."""

    n_asked: dict[str, int]
    """Papers asked about, by service."""
    not_asked: dict[str, str]
    """Service -> why it was not asked."""
    changes: list[Change] = field(default_factory=list)
    """In order of paper_id."""


def compare(known: Sequence[Paper], now: Sequence[Paper], gone: Iterable[str]) -> list[Change]:
    """Changes of status between a collection and what the services say now.

    Args:
        known: the collection's papers.
        now: the same papers as they are delivered today; others are ignored.
        gone: paper_ids that a service no longer delivers.
    """
    today = {paper.paper_id: paper for paper in now}
    changes = [Change(name, GONE, "") for name in sorted(set(gone))]
    for paper in known:
        new = today.get(paper.paper_id)
        if new is None:
            continue
        for key, text in STATUS.items():
            was, is_now = getattr(paper, key), getattr(new, key)
            if is_now and not was:
                changes.append(Change(paper.paper_id, text, _detail(new, key)))
            elif was and not is_now:
                changes.append(Change(paper.paper_id, f"no longer: {text}", ""))
    return sorted(changes, key=lambda change: (change.paper_id, change.what))


def _detail(paper: Paper, key: str) -> str:
    if key == "retracted" and paper.retraction:
        notice, date = paper.retraction.get("notice_id"), paper.retraction.get("date")
        return " ".join(text for text in (f"notice {notice}" if notice else "", date or "") if text)
    return ""


def recheck(
    papers: Sequence[Paper],
    settings: PapersSettings,
    *,
    cache_dir: Path,
    day: str,
    credentials: Credentials,
    retractions: Path | None = None,
) -> Rechecked:
    """Ask the services again about papers that they delivered or that files held.

    Args:
        papers: of the collection; synthetic ones are left out, since nobody knows them.
        settings: hosts and paces; `pubmed.enabled` and `arxiv.enabled` decide who is asked, and
            `europe_pmc` and `retraction_watch` where they are enabled.
        cache_dir: answers are kept below `recheck-<day>`, so that a killed recheck continues.
        day: ISO date of the question.
        retractions: file of the Retraction Watch table; None where its source is an address.

    Raises:
        ConfigError: PubMed is asked without an e-mail address.
        SourceError: a service failed; the same command continues.
    """
    real = [paper for paper in papers if not paper.synthetic]
    skipped: dict[str, str] = {}
    if len(real) < len(papers):
        skipped["synthetic papers"] = f"{len(papers) - len(real)} exist only in this project"
    cache = Cache(cache_dir, f"recheck-{day}", offline=False)
    access = access_to(settings, cache, credentials)
    asked: dict[str, int] = {}
    now: list[Paper] = []
    gone: list[str] = []
    with contextlib.ExitStack() as stack:
        for service, ask in (("pubmed", _ask_pubmed), ("arxiv", _ask_arxiv)):
            known = [paper for paper in real if paper.source == service]
            if not known:
                continue
            if not getattr(settings, service).enabled:
                skipped[service] = f"papers.{service}.enabled=false"
                continue
            if not asked:
                stack.enter_context(cache.locked())
            found = ask(known, settings, access)
            asked[service] = len(known)
            now += found
            here = {paper.paper_id for paper in found}
            gone += [paper.paper_id for paper in known if paper.paper_id not in here]
        consulted = enrich(now, _only_status(settings), access, table=retractions) if now else {}
    for name in sorted(set(consulted.get("retraction_sources", ())) - set(asked)):
        asked[name] = len(now)
    return Rechecked(asked, skipped, compare(real, now, gone))


def _only_status(settings: PapersSettings) -> PapersSettings:
    """The settings without the sources that say nothing of a paper's status."""
    return replace(
        settings,
        europe_pmc=replace(settings.europe_pmc, full_text=False),
        pmc=replace(settings.pmc, enabled=False),
        arxiv_oai=replace(settings.arxiv_oai, enabled=False),
    )


def _ask_pubmed(known: Sequence[Paper], settings: PapersSettings, access: Access) -> list[Paper]:
    """The records as PubMed has them now; one that it no longer delivers is absent."""
    from titer.literature.pubmed import PubmedClient

    access.credentials.require_email()
    client = PubmedClient(settings.pubmed, **access.options(settings, access.ncbi))
    pmids = sorted((paper.pmid for paper in known if paper.pmid), key=int)
    now: list[Paper] = []
    with access.watched(client.line) as bar:
        bar.expect(len(pmids))
        for body in client.fetch_each(pmids):
            delivered = parse_pubmed(body).papers
            bar.add(len(delivered))
            now += delivered
    return now


def _ask_arxiv(known: Sequence[Paper], settings: PapersSettings, access: Access) -> list[Paper]:
    """The entries as arXiv has them now; one that it no longer has is absent."""
    from titer.literature.arxiv_api import ArxivClient

    client = ArxivClient(settings.arxiv, **access.options(settings, access.arxiv))
    ids = sorted(paper.arxiv_id for paper in known if paper.arxiv_id)
    with access.watched(client.line) as bar:
        bar.expect(len(ids))
        return [paper for body in client.fetch_ids(ids) for paper in parse_atom(body).papers]

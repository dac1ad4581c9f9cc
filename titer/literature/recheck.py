"""What changed about known papers since they were collected: asked again, never from the cache.

Invariant: nothing of the collection is touched. A paper of which a service says nothing new stays
as it was; a service that was not asked is named.
Source of the signals: PubMed's publication types and CommentsCorrections, arXiv's comments and the
Retraction Watch table (reference: literature, section 6).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from titer.config import PapersSettings
from titer.literature.cache import Cache
from titer.literature.credentials import Credentials
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
) -> Rechecked:
    """Ask the services again about papers that they delivered or that files held.

    Args:
        papers: of the collection; synthetic ones are left out, since nobody knows them.
        settings: hosts and paces; `pubmed.enabled` and `arxiv.enabled` decide who is asked.
        cache_dir: answers are kept below `recheck-<day>`, so that a killed recheck continues.
        day: ISO date of the question.

    Raises:
        ConfigError: PubMed is asked without an e-mail address.
        SourceError: a service failed; the same command continues.
    """
    real = [paper for paper in papers if not paper.synthetic]
    cache = Cache(cache_dir, f"recheck-{day}", offline=False)
    asked: dict[str, int] = {}
    skipped: dict[str, str] = {}
    if len(real) < len(papers):
        skipped["synthetic papers"] = f"{len(papers) - len(real)} exist only in this project"
    changes: list[Change] = []
    for service, ask in (("pubmed", _ask_pubmed), ("arxiv", _ask_arxiv)):
        known = [paper for paper in real if paper.source == service]
        if known and not getattr(settings, service).enabled:
            skipped[service] = f"papers.{service}.enabled=false"
        elif known:
            with cache.locked():
                now, gone = ask(known, settings, cache, credentials)
            asked[service] = len(known)
            changes += compare(known, now, gone)
    return Rechecked(asked, skipped, sorted(changes, key=lambda one: (one.paper_id, one.what)))


def _ask_pubmed(
    known: Sequence[Paper], settings: PapersSettings, cache: Cache, credentials: Credentials
) -> tuple[list[Paper], list[str]]:
    """The records as PubMed has them now, and the ids that it no longer delivers."""
    from titer.literature.pubmed import PubmedClient

    credentials.require_email()
    client = PubmedClient(
        settings.pubmed,
        timeout_s=settings.timeout_s,
        max_tries=settings.max_tries,
        credentials=credentials,
        cache=cache,
    )
    pmids = sorted((paper.pmid for paper in known if paper.pmid), key=int)
    now: list[Paper] = []
    for body in client.fetch_each(pmids):
        now += parse_pubmed(body).papers
    here = {paper.pmid for paper in now}
    return now, [f"pmid:{pmid}" for pmid in pmids if pmid not in here]


def _ask_arxiv(
    known: Sequence[Paper], settings: PapersSettings, cache: Cache, credentials: Credentials
) -> tuple[list[Paper], list[str]]:
    """The entries as arXiv has them now, and the ids that it no longer delivers."""
    from titer.literature.arxiv_api import ArxivClient

    client = ArxivClient(
        settings.arxiv,
        timeout_s=settings.timeout_s,
        max_tries=settings.max_tries,
        credentials=credentials,
        cache=cache,
    )
    ids = sorted(paper.arxiv_id for paper in known if paper.arxiv_id)
    now = [paper for body in client.fetch_ids(ids) for paper in parse_atom(body).papers]
    here = {paper.arxiv_id for paper in now}
    return now, [f"arxiv:{name}" for name in ids if name not in here]

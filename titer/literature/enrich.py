"""What the optional sources add to the papers of a run: licences, full text, retractions.

Invariant: the sources run in one order, and the result does not depend on the order of the papers.
What a record states of itself comes first; an index that knows a licence goes before it, and the
article's own statement before the index. A source that is off is never asked.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from titer import files
from titer.config import PapersSettings
from titer.errors import DataError, FormatError
from titer.literature import retractions
from titer.literature.access import Access
from titer.literature.http import Pacer, Unusable
from titer.literature.jats import Article
from titer.literature.licences import Licence, normal_licence, stated_by_record
from titer.literature.service import Service
from titer.records import Paper

Counts = dict[str, Any]


def switched_on(settings: PapersSettings) -> list[str]:
    """Names of the optional sources that are enabled, in the order in which they run."""
    names = ("europe_pmc", "pmc", "arxiv_oai", "retraction_watch")
    return [name for name in names if getattr(settings, name).enabled]


def asks_services(settings: PapersSettings, table: Path | None) -> bool:
    """Whether an enabled source needs the network, or the cache of an earlier answer."""
    on = switched_on(settings)
    return bool(set(on) - {"retraction_watch"}) or (bool(on) and table is None)


def check_table(settings: PapersSettings, table: Path | None) -> None:
    """Refuse a table that is not there, before anything is asked.

    Raises:
        DataError: there is no file.
    """
    if settings.retraction_watch.enabled and table is not None and not table.is_file():
        raise DataError(
            f"{settings.retraction_watch.source}: no such file (papers.retraction_watch.source). "
            "Put the table there, or name an https address"
        )


def enrich(
    papers: Sequence[Paper],
    settings: PapersSettings,
    access: Access | None,
    *,
    table: Path | None = None,
) -> dict[str, Any]:
    """Add to the papers what the enabled sources say.

    Args:
        papers: changed in place.
        settings: which sources, and how they are asked.
        access: may be None where no source needs the network (`asks_services`).
        table: file of the Retraction Watch table, or None where its source is an address.

    Returns:
        `retraction_sources`, the names of those that were consulted, and under `enriched` the
        counts of each enabled source; no times, so it is deterministic.

    Raises:
        SourceError: a service failed, or offline misses an answer; what was fetched is kept.
        ConfigError: PubMed Central without an e-mail address.
        FormatError: the table is damaged.
        ValueError: a service is needed, and there is no access.
    """
    if access is None and asks_services(settings, table):
        raise ValueError(f"no access to services, and these are on: {switched_on(settings)}")
    ordered = sorted(papers, key=lambda paper: paper.paper_id)
    for paper in ordered:
        paper.license = stated_by_record(paper)
    on = switched_on(settings)
    counts: dict[str, Counts] = {}
    for name in on:
        if name == "retraction_watch" and table is not None:
            counts[name] = _watch_file(ordered, settings, table)
        elif access is not None:
            counts[name] = _SERVICES[name](ordered, settings, access)
    consulted = {"europe_pmc", "retraction_watch"} & set(on)
    consulted |= {paper.source for paper in ordered if paper.source == "pubmed"}
    return {"retraction_sources": sorted(consulted), "enriched": counts}


def _europe_pmc(papers: list[Paper], settings: PapersSettings, access: Access) -> Counts:
    from titer.literature.europe_pmc import SOURCE, EuropePmc

    ours = settings.europe_pmc
    line = access.line("Europe PMC", Pacer(ours.gap_s), settings)
    client = EuropePmc(ours, Service(line, ours.base_url, access.cache))
    asked = _by((paper.pmid, paper) for paper in papers if not paper.missing)
    counts = {"asked": len(asked), "known": 0, "open_access": 0, "retracted": 0} | _NO_LICENCES
    open_access: list[Paper] = []
    with access.watched(line) as bar:
        bar.expect(len(asked))
        for row in client.find(list(asked)):
            bar.add(1)
            paper = asked[row["pmid"]]
            counts["known"] += 1
            counts["open_access"] += _take_row(paper, row, counts)
            if ours.full_text and row.get("inEPMC") == "Y" and row.get("isOpenAccess") == "Y":
                open_access.append(paper)
        counts["not_given"] = client.n_short
        if ours.full_text:
            wanting = _by((paper.pmcid, paper) for paper in open_access if _wants_body(paper))
            counts |= _no_bodies(wanting)
            bar.expect(counts["known"] + len(wanting))
            for pmcid in sorted(wanting):
                bar.add(1)
                _take_article(wanting[pmcid], client.full_text(pmcid), SOURCE, counts)
    return counts


def _take_row(paper: Paper, row: Mapping[str, Any], counts: Counts) -> bool:
    """Take in what Europe PMC knows of a record, and return whether it is open access."""
    from titer.literature.europe_pmc import SOURCE

    paper.pmcid = paper.pmcid or row.get("pmcid") or None
    _take_licence(paper, normal_licence(row.get("license"), source=SOURCE), counts)
    types = (row.get("pubTypeList") or {}).get("pubType") or []
    if any(str(name).lower() == "retracted publication" for name in types):
        counts["retracted"] += 1
        retractions.mark_retracted(paper, SOURCE)
    return bool(row.get("isOpenAccess") == "Y")


def _pmc(papers: list[Paper], settings: PapersSettings, access: Access) -> Counts:
    from titer.literature.pmc import SOURCE, PmcClient

    wanting = _by((paper.pmcid, paper) for paper in papers if _wants_body(paper))
    if wanting and not access.cache.offline:
        access.credentials.require_email()
    client = PmcClient(settings.pmc, settings.pubmed, **access.options(settings, access.ncbi))
    counts = _no_bodies(wanting) | _NO_LICENCES
    given = set()
    with access.watched(client.line) as bar:
        bar.expect(len(wanting))
        for article in client.articles(wanting):
            bar.add(1)
            paper = wanting.get(article.pmcid)
            if paper is not None and article.pmcid not in given:
                given.add(article.pmcid)
                _take_article(paper, article, SOURCE, counts)
    return counts | {"not_given": len(wanting) - len(given)}


def _arxiv_oai(papers: list[Paper], settings: PapersSettings, access: Access) -> Counts:
    from titer.literature.arxiv_oai import SOURCE, ArxivOai

    line = access.line("arXiv OAI-PMH", access.arxiv, settings)
    client = ArxivOai(Service(line, settings.arxiv_oai.base_url, access.cache))
    asked = [paper for paper in papers if paper.arxiv_id and not paper.missing]
    counts = {"asked": len(asked), "known": 0, "licence": 0}
    with access.watched(line):
        found = client.licences(asked)
    for paper in asked:
        if paper.arxiv_id in found:
            stated = found[paper.arxiv_id]
            counts["known"] += 1
            counts["licence"] += bool(stated and stated["id"])
            # the service knows the paper: no licence there is an answer too
            paper.license = stated or {"id": None, "url": None, "source": SOURCE}
    return counts


def _watch_file(papers: list[Paper], settings: PapersSettings, path: Path) -> Counts:
    body = path.read_bytes()
    name = settings.retraction_watch.source
    counts = retractions.mark(papers, retractions.read_table(body, name))
    return {"source": name, "sha256": files.sha256_bytes(body)} | counts


def _watch_service(papers: list[Paper], settings: PapersSettings, access: Access) -> Counts:
    # an address may hold its user's e-mail after the question mark
    name = settings.retraction_watch.source.partition("?")[0]

    def verify(body: bytes) -> tuple[retractions.Table, str]:
        try:
            return retractions.read_table(body, name), files.sha256_bytes(body)
        except FormatError as error:
            raise Unusable(str(error)) from None

    base_url, address = retractions.split_address(settings.retraction_watch.source)
    line = access.line("Retraction Watch", Pacer(0.0), settings)
    with access.watched(line):
        service = Service(line, base_url, access.cache)
        table, digest = service.get(address, verify, "the table", kind="retraction_watch")
    return {"source": name, "sha256": digest} | retractions.mark(papers, table)


_SERVICES: dict[str, Callable[[list[Paper], PapersSettings, Access], Counts]] = {
    "europe_pmc": _europe_pmc,
    "pmc": _pmc,
    "arxiv_oai": _arxiv_oai,
    "retraction_watch": _watch_service,
}

_NAME = re.compile(r"(?:PMC)?[0-9]+")
_NO_LICENCES = {"licence": 0, "licence_differs": 0}


def _by(pairs: Iterable[tuple[str | None, Paper]]) -> dict[str, Paper]:
    """Papers by the name that a service knows them by, those without a usable one left out."""
    return {name: paper for name, paper in pairs if name and _NAME.fullmatch(name)}


def _no_bodies(wanting: Mapping[str, Paper]) -> Counts:
    return {"bodies_asked": len(wanting), "bodies": 0, "without_body": 0}


def _wants_body(paper: Paper) -> bool:
    """Whether a paper can teach and has no full text yet."""
    gone = paper.missing or paper.retracted or paper.is_retraction_notice or paper.withdrawn
    return not gone and not paper.body


def _take_article(paper: Paper, article: Article, source: str, counts: Counts) -> None:
    _take_licence(paper, article.licence, counts)
    counts["bodies" if article.body else "without_body"] += 1
    if not article.body:
        return
    paper.body = article.body
    name = article.pmcid or paper.pmcid or ""
    paper.body_source = {"source": source, "pmcid": name, "sha256": article.sha256}
    paper.sanitised = paper.sanitised or article.sanitised


def _take_licence(paper: Paper, licence: Licence | None, counts: Counts) -> None:
    """The newer statement replaces the older one, unless only the older names a licence."""
    if licence is None:
        return
    known = (paper.license or {}).get("id")
    counts["licence"] += bool(licence["id"])
    counts["licence_differs"] += bool(known and licence["id"] and known != licence["id"])
    if licence["id"] or not known:
        paper.license = licence

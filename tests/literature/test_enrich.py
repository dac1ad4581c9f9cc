"""The optional sources in a run: each behind one switch, in one order, over all papers."""

import copy
import itertools
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.literature.conftest import EMAIL, KEY
from tests.standin import corpus, jats, watch
from tests.standin.europe_pmc import EuropePmc
from tests.standin.faults import Fault
from tests.standin.oai import Oai
from tests.standin.pmc import Pmc
from tests.standin.server import Server
from titer.config import DomainSettings, PapersSettings, PapersSource
from titer.errors import ConfigError, DataError, SourceError, Unavailable
from titer.files import dump_json
from titer.literature.access import Access
from titer.literature.cache import Cache
from titer.literature.collect import Collection, collect
from titer.literature.credentials import Credentials
from titer.literature.enrich import enrich
from titer.literature.jats import read_article
from titer.records import Paper

Run = Callable[..., Collection]
ALL = ("europe_pmc", "pmc", "arxiv_oai", "retraction_watch")
OPEN, RETRACTED = "30000001", corpus.pmids("retracted", 60)[0]
BY = "http://creativecommons.org/licenses/by/4.0/"


def pmcid(pmid: str) -> str:
    return f"PMC{int(pmid) - corpus.FIRST_PMID + 7_000_000}"


@pytest.fixture
def services(server: Server) -> Server:
    """All four sources; Europe PMC gives one full text and PubMed Central another."""
    plain = {"license": "cc by-nc", "isOpenAccess": "Y", "inEPMC": "Y"}
    rows: dict[str, dict[str, Any]] = {one: dict(plain) for one in server.records}
    rows["30000002"] = {"isOpenAccess": "N", "inEPMC": "N"}
    rows["30000005"]["pubTypeList"] = {"pubType": ["Journal Article", "Retracted Publication"]}
    pages = {pmcid(one): jats.article(pmcid(one), body="") for one in server.records}
    pages[pmcid("30000003")] = jats.article(pmcid("30000003"))
    table = watch.table(watch.row(OriginalPaperPubMedID="30000006"))
    server.extra.update(EuropePmc(rows, {pmcid(OPEN): jats.article(pmcid(OPEN))}).endpoints)
    server.extra.update(Pmc(pages).endpoints)
    server.extra.update(Oai(dict.fromkeys(server.entries, BY), page=30).endpoints)
    server.extra.update(watch.endpoints(table))
    return server


@pytest.fixture
def run(
    papers_settings: PapersSettings,
    domain: DomainSettings,
    credentials: Credentials,
    tmp_path: Path,
) -> Run:
    """Collects with some sources switched on and changed settings."""

    def collected(
        *on: str, table: Path | None = None, full_text: bool = True, **changes: Any
    ) -> Collection:
        settings = replace(papers_settings, **changes)
        for name in on:
            more = {"full_text": full_text} if name == "europe_pmc" else {}
            setattr(settings, name, replace(getattr(settings, name), enabled=True, **more))
        return collect(
            settings,
            domain,
            sample=tmp_path / "own",
            own=tmp_path / "own",
            cache=tmp_path / "cache",
            credentials=credentials,
            retractions=table,
        )

    return collected


def papers(found: Collection) -> dict[str, Paper]:
    return {paper.pmid or paper.arxiv_id or "": paper for paper in found.papers}


def write_own(folder: Path, n: int = 3) -> None:
    folder.mkdir(exist_ok=True)
    records = [corpus.record(number) for number in range(n)]
    (folder / "a.xml").write_bytes(corpus.article_set(records))


def test_what_is_off_is_never_asked(run: Run, services: Server) -> None:
    found = run()
    assert {request.endpoint for request in services.journal} == {"esearch", "efetch", "query"}
    assert {request.parameters["db"] for request in services.requests("efetch")} == {"pubmed"}
    assert (found.ids["enriched"], found.ids["retraction_sources"]) == ({}, ["pubmed"])


@pytest.mark.parametrize("name", ALL)
def test_each_switch_asks_its_source_alone(name: str, run: Run, services: Server) -> None:
    run()
    services.journal.clear()
    found = run(name, full_text=False)
    asked = {"europe_pmc": "search", "pmc": "efetch", "arxiv_oai": "oai"}.get(name, "watch.csv")
    assert {request.endpoint for request in services.journal} == {asked}
    assert list(found.ids["enriched"]) == [name]


def test_europe_pmc_brings_licences(run: Run, services: Server) -> None:
    found = papers(run("europe_pmc", full_text=False))
    assert found[OPEN].license == {"id": "cc-by-nc", "url": None, "source": "europe_pmc"}
    assert found["30000002"].license is None
    assert not any(paper.body for paper in found.values())


def test_europe_pmc_brings_full_text_with_the_articles_own_licence(
    run: Run, services: Server
) -> None:
    found = run("europe_pmc")
    paper = papers(found)[OPEN]
    assert [row["label"] for row in paper.body] == [
        "Introduction", "Materials and methods", "Results",
    ]  # fmt: skip
    assert paper.texts[len(paper.sections)] == paper.body[0]
    assert (paper.license or {})["id"] == "cc-by"
    counts = found.ids["enriched"]["europe_pmc"]
    assert (counts["bodies"], counts["licence_differs"]) == (1, 1)
    assert counts["bodies"] + counts["without_body"] == counts["bodies_asked"]


def test_europe_pmc_brings_an_id_that_pubmed_lacks(run: Run, services: Server) -> None:
    record = services.records[OPEN]
    services.records[OPEN] = record.replace(
        f'<ArticleId IdType="pmc">{pmcid(OPEN)}</ArticleId>', ""
    )
    standin = EuropePmc({OPEN: {"pmcid": "PMC42"}})
    services.extra.update(standin.endpoints)
    assert papers(run("europe_pmc"))[OPEN].pmcid == "PMC42"


def test_pubmed_central_brings_full_text(run: Run, services: Server) -> None:
    found = run("pmc")
    assert {name for name, paper in papers(found).items() if paper.body} == {"30000003"}
    counts = found.ids["enriched"]["pmc"]
    assert (counts["bodies"], counts["not_given"]) == (1, 0)
    assert counts["without_body"] == counts["bodies_asked"] - 1 > 0


def test_a_full_text_is_fetched_from_one_source_only(run: Run, services: Server) -> None:
    found = run("europe_pmc", "pmc")
    assert {name for name, paper in papers(found).items() if paper.body} == {OPEN, "30000003"}
    asked = [one for request in services.requests("efetch") if request.parameters["db"] == "pmc"
             for one in request.parameters["id"].split(",")]  # fmt: skip
    assert pmcid(OPEN).removeprefix("PMC") not in asked


def test_a_full_text_can_be_read_again_from_the_answer_it_came_from(
    run: Run, services: Server, tmp_path: Path
) -> None:
    found = papers(run("europe_pmc", "pmc"))
    cache = Cache(tmp_path / "cache", "2030-12-31", offline=True)
    names = [
        (path.parent.name, path.name.partition(".")[0]) for path in cache.folder.glob("*/*.gz")
    ]
    bodies = [cache.read(*name) or b"" for name in names if name[0] in ("full_text", "pmc")]
    articles = [one for body in bodies for one in etree.fromstring(body).iter("article")]
    read = {one.sha256: one.body for one in (read_article(a, source="x") for a in articles)}
    for name, source in ((OPEN, "europe_pmc"), ("30000003", "pmc")):
        paper = found[name]
        stated = paper.body_source or {}
        assert (stated["source"], stated["pmcid"]) == (source, pmcid(name))
        assert read[stated["sha256"]] == paper.body
    assert found["30000004"].body_source is None


def test_no_full_text_is_fetched_for_a_retracted_paper(run: Run, services: Server) -> None:
    run("europe_pmc", "pmc")
    asked = {request.path.split("/")[-2] for request in services.requests("fullTextXML")}
    assert pmcid(RETRACTED) not in asked
    assert pmcid("30000005") not in asked, "retracted as Europe PMC says"


def test_arxiv_licences_replace_the_terms_of_the_metadata(run: Run, services: Server) -> None:
    services.extra.update(Oai({"2401.00001": BY, "2401.00002": None}).endpoints)
    found = run("arxiv_oai")
    named = papers(found)
    assert (named["2401.00001"].license or {})["id"] == "cc-by"
    assert named["2401.00002"].license == {"id": None, "url": None, "source": "arxiv_oai"}
    assert found.ids["enriched"]["arxiv_oai"] == {"asked": 50, "known": 2, "licence": 1}


def test_a_paper_is_retracted_if_any_source_says_so(run: Run, services: Server) -> None:
    found = run("europe_pmc", "retraction_watch")
    named = papers(found)
    sources = {name: (named[name].retraction or {}).get("sources")
               for name in (RETRACTED, "30000005", "30000006", OPEN)}  # fmt: skip
    assert sources == {
        RETRACTED: ["pubmed"], "30000005": ["europe_pmc"], "30000006": ["retraction_watch"],
        OPEN: None,
    }  # fmt: skip
    assert named["30000006"].retracted
    assert found.ids["retraction_sources"] == ["europe_pmc", "pubmed", "retraction_watch"]
    counts = found.ids["enriched"]["retraction_watch"]
    assert (counts["rows"], counts["retracted"], counts["retracted_here_only"]) == (1, 1, 1)


def test_the_arxiv_services_share_one_pace(
    run: Run, services: Server, papers_settings: PapersSettings
) -> None:
    gap_s = 0.05
    run("arxiv_oai", arxiv=replace(papers_settings.arxiv, gap_s=gap_s))
    requests = [one for one in services.journal if one.endpoint in ("query", "oai")]
    times = [one.at for one in requests]
    assert {one.endpoint for one in requests} == {"query", "oai"}
    assert min(b - a for a, b in itertools.pairwise(times)) >= gap_s
    assert {one.in_flight for one in requests} == {1}


def test_pubmed_and_pubmed_central_share_one_pace(
    run: Run, services: Server, papers_settings: PapersSettings
) -> None:
    gap_s = 0.05
    run("pmc", pubmed=replace(papers_settings.pubmed, gap_with_key_s=gap_s))
    times = [one.at for one in services.journal if one.endpoint in ("esearch", "efetch")]
    assert (times[-1] - times[0]) / (len(times) - 1) >= gap_s * 0.95


def test_a_second_run_asks_nothing_and_gives_the_same(run: Run, services: Server) -> None:
    first, n_requests = run(*ALL), len(services.journal)
    assert run(*ALL) == first
    assert run(*ALL, offline=True) == first
    assert len(services.journal) == n_requests


@pytest.mark.parametrize("name", ALL)
def test_offline_fails_on_a_miss_without_asking(name: str, run: Run, services: Server) -> None:
    run()
    n_requests = len(services.journal)
    with pytest.raises(SourceError, match=r"papers\.offline=true asks no service"):
        run(name, offline=True)
    assert len(services.journal) == n_requests


@pytest.mark.parametrize(
    ("name", "endpoint", "service"),
    [
        ("europe_pmc", "search", "Europe PMC"), ("europe_pmc", "fullTextXML", "Europe PMC"),
        ("pmc", "efetch", "PubMed Central"), ("arxiv_oai", "oai", "arXiv OAI-PMH"),
        ("retraction_watch", "watch.csv", "Retraction Watch"),
    ],
)  # fmt: skip
def test_a_source_that_stays_away_is_one_line_and_what_was_fetched_is_kept(
    name: str, endpoint: str, service: str, run: Run, services: Server
) -> None:
    run()
    services.journal.clear()
    services.faults[endpoint].extend([None] + [Fault("status", 503)] * 9)
    if name == "retraction_watch":
        services.faults[endpoint].popleft()
    with pytest.raises(Unavailable, match=f"{service}: .*HTTP 503.*run the same command") as error:
        run(name)
    assert error.value.exit_code == 3
    assert "\n" not in str(error.value)
    services.faults[endpoint].clear()
    answered = [one for one in services.journal if one.status == 200]
    services.journal.clear()
    run(name)
    again = {(one.path, dump_json(one.parameters)) for one in services.journal}
    assert again.isdisjoint((one.path, dump_json(one.parameters)) for one in answered)


@pytest.mark.parametrize(
    "body", [b"<!DOCTYPE html><html></html>", watch.table(watch.row())[:-40], b"{}"]
)
def test_a_table_that_is_none_is_not_kept(body: bytes, run: Run, services: Server) -> None:
    healthy = services.extra["watch.csv"]
    services.extra.update(watch.endpoints(body))
    with pytest.raises(Unavailable, match=r"Retraction Watch: the table: .*watch\.csv:"):
        run("retraction_watch")
    services.extra["watch.csv"] = healthy
    assert papers(run("retraction_watch"))["30000006"].retracted


def test_no_secret_is_written_anywhere(
    run: Run, services: Server, tmp_path: Path, caplog: Any, papers_settings: PapersSettings
) -> None:
    caplog.set_level(logging.DEBUG)
    address = f"{services.url}/watch.csv?{EMAIL}"
    table = replace(papers_settings.retraction_watch, source=address)
    found = run(*ALL, retraction_watch=table)
    assert found.ids["enriched"]["retraction_watch"]["source"] == f"{services.url}/watch.csv"
    services.faults["watch.csv"].extend([Fault("status", 403, body=address.encode())] * 9)
    with pytest.raises(SourceError) as error:
        run(*ALL, retraction_watch=table, snapshot="2029-01-01")
    kept = [path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    texts = [str(error.value), caplog.text, repr(found), *map(repr, kept)]
    names = [str(path) for path in (tmp_path / "cache").rglob("*")]
    assert not any(secret in text for text in [*texts, *names] for secret in (EMAIL, KEY))


def test_own_files_get_retractions_from_a_file_without_any_request(
    run: Run, services: Server, tmp_path: Path
) -> None:
    write_own(tmp_path / "own")
    table = tmp_path / "watch.csv"
    table.write_bytes(watch.table(watch.row(OriginalPaperPubMedID="30000002")))
    found = run(
        "retraction_watch", source=PapersSource.files, path="own", snapshot=None, table=table
    )
    assert papers(found)["30000002"].retracted
    assert services.journal == []
    assert not (tmp_path / "cache").exists()


def test_own_files_get_licences_of_a_snapshot(run: Run, services: Server, tmp_path: Path) -> None:
    write_own(tmp_path / "own")
    found = run("europe_pmc", source=PapersSource.files, path="own")
    assert (papers(found)["30000003"].license or {})["id"] == "cc-by-nc"
    assert found.ids["source"] == "files"


def test_asking_a_service_for_own_files_needs_a_snapshot(
    run: Run, services: Server, tmp_path: Path
) -> None:
    write_own(tmp_path / "own")
    with pytest.raises(ConfigError, match=r"papers\.snapshot = None: must be a quoted date"):
        run("europe_pmc", source=PapersSource.files, path="own", snapshot=None)
    assert services.journal == []


def test_the_sample_asks_nothing_and_says_so(
    run: Run, services: Server, tmp_path: Path, caplog: Any
) -> None:
    write_own(tmp_path / "own")
    found = run("europe_pmc", source=PapersSource.sample)
    assert services.journal == []
    assert "enriched" not in found.ids
    assert "papers.source=sample asks no further source: ['europe_pmc']" in caplog.text


def test_a_table_that_is_missing_is_named_before_anything_is_asked(
    run: Run, services: Server, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"no such file \(papers\.retraction_watch\.source\)"):
        run("retraction_watch", table=tmp_path / "none.csv")
    assert services.journal == []


@pytest.mark.parametrize("name", ["PMC12.1", "PMC", "manuscript/../1", "NIHMS9"])
def test_an_id_that_is_none_of_pubmed_centrals_is_not_asked_for(
    name: str, run: Run, services: Server
) -> None:
    services.records[OPEN] = services.records[OPEN].replace(pmcid(OPEN), name)
    found = run("europe_pmc", "pmc")
    assert papers(found)[OPEN].pmcid == name
    assert not papers(found)[OPEN].body


def test_pubmed_central_wants_the_address_of_its_user(
    services: Server, papers_settings: PapersSettings, access: Access
) -> None:
    settings = replace(papers_settings, pmc=replace(papers_settings.pmc, enabled=True))
    anonymous = replace(access, credentials=Credentials())
    one = Paper("pmid:1", "pubmed", "", [], pmid="1", pmcid="PMC1")
    with pytest.raises(ConfigError, match="NCBI_EMAIL is not set"):
        enrich([one], settings, anonymous)
    assert enrich([], settings, anonymous)["enriched"]["pmc"]["bodies_asked"] == 0
    assert services.journal == []


def test_a_source_is_not_left_out_for_want_of_access(papers_settings: PapersSettings) -> None:
    settings = replace(papers_settings, pmc=replace(papers_settings.pmc, enabled=True))
    with pytest.raises(ValueError, match=r"no access to services, and these are on: \['pmc'\]"):
        enrich([], settings, None)


def test_the_order_of_the_papers_does_not_matter(
    run: Run, services: Server, papers_settings: PapersSettings, access: Access
) -> None:
    plain = run().papers
    settings = copy.deepcopy(papers_settings)
    for name in ALL:
        getattr(settings, name).enabled = True
    there, back = copy.deepcopy(plain), copy.deepcopy(plain[::-1])
    first = enrich(there, settings, access)
    n_requests = len(services.journal)
    assert enrich(back, settings, access) == first
    assert back[::-1] == there
    assert len(services.journal) == n_requests


def test_an_unclear_wording_does_not_replace_a_known_licence(run: Run, services: Server) -> None:
    unclear = jats.article(pmcid(OPEN), permissions="<license><p>Free to read.</p></license>")
    rows = {OPEN: {"license": "cc by", "isOpenAccess": "Y", "inEPMC": "Y"}}
    services.extra.update(EuropePmc(rows, {pmcid(OPEN): unclear}).endpoints)
    assert (papers(run("europe_pmc"))[OPEN].license or {})["id"] == "cc-by"

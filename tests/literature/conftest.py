"""Settings that point at the stand-in server, with gaps and timeouts scaled down."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.standin import corpus
from tests.standin.server import Server
from titer.config import (
    ArxivOaiSettings,
    ArxivSettings,
    DocumentsSettings,
    DomainSettings,
    EuropePmcSettings,
    ExampleSources,
    ExamplesSettings,
    LengthUnit,
    OnConcern,
    OnLeak,
    OnLong,
    PapersSettings,
    PapersSource,
    PmcSettings,
    PubmedSettings,
    RetractionWatchSettings,
)
from titer.literature.cache import Cache
from titer.literature.collect import Collection, collect
from titer.literature.credentials import Credentials

EMAIL, KEY = "someone@example.org", "0123456789abcdefSECRET"


@pytest.fixture
def server() -> Iterator[Server]:
    """60 PubMed records of all kinds and 50 arXiv entries."""
    with Server(corpus.fragments(60), corpus.entries(50)) as running:
        yield running


@pytest.fixture
def credentials() -> Credentials:
    """An address and a key that must show up nowhere."""
    return Credentials(EMAIL, KEY)


@pytest.fixture
def pubmed_settings(server: Server) -> PubmedSettings:
    """Batches of 20, as fast as the server answers."""
    return PubmedSettings(
        enabled=True,
        base_url=server.url,
        max_papers_per_query=0,
        batch_size=20,
        gap_s=0.002,
        gap_with_key_s=0.001,
        workers=2,
        workers_with_key=2,
    )


@pytest.fixture
def arxiv_settings(server: Server) -> ArxivSettings:
    """Pages of 20."""
    return ArxivSettings(True, server.url, max_papers_per_query=0, page_size=20, gap_s=0.002)


@pytest.fixture
def pubmed_client(pubmed_settings: PubmedSettings, credentials: Credentials) -> Callable[..., Any]:
    """Makes a client; fields of the settings, `cache` and `credentials` can be given."""

    def make(
        cache: Cache | None = None, credentials: Credentials = credentials, **changes: Any
    ) -> Any:
        from titer.literature.pubmed import PubmedClient

        return PubmedClient(
            replace(pubmed_settings, **changes),
            timeout_s=0.8,
            max_tries=3,
            credentials=credentials,
            cache=cache,
            backoff_s=0.002,
        )

    return make


@pytest.fixture
def arxiv_client(arxiv_settings: ArxivSettings, credentials: Credentials) -> Callable[..., Any]:
    """Makes a client; fields of the settings and `cache` can be given."""

    def make(cache: Cache | None = None, **changes: Any) -> Any:
        from titer.literature.arxiv_api import ArxivClient

        return ArxivClient(
            replace(arxiv_settings, **changes),
            timeout_s=0.8,
            max_tries=3,
            credentials=credentials,
            cache=cache,
        )

    return make


@pytest.fixture
def papers_settings(
    pubmed_settings: PubmedSettings, arxiv_settings: ArxivSettings, server: Server
) -> Any:
    """A live run until the end of 2030."""
    return PapersSettings(
        source=PapersSource.live,
        path=None,
        snapshot="2030-12-31",
        offline=False,
        cache_dir=".cache/papers",
        timeout_s=0.8,
        max_tries=3,
        allow_no_hits=False,
        pubmed=pubmed_settings,
        arxiv=arxiv_settings,
        europe_pmc=EuropePmcSettings(
            enabled=False, full_text=False, base_url=server.url, batch_size=20, gap_s=0.002
        ),
        pmc=PmcSettings(enabled=False, batch_size=10),
        arxiv_oai=ArxivOaiSettings(enabled=False, base_url=server.url),
        retraction_watch=RetractionWatchSettings(enabled=False, source=f"{server.url}/watch.csv"),
    )


@pytest.fixture
def domain() -> DomainSettings:
    """Two PubMed queries and one arXiv query, each finding everything."""
    return DomainSettings(
        "Stand-in",
        ["words", "more words"],
        ["all:words"],
        lexicon=[],
        entities=[],
        tags=[],
        wording={},
    )


@pytest.fixture
def examples_settings() -> ExamplesSettings:
    """Abstracts of at least 40 English words."""
    return ExamplesSettings(
        seed=7,
        sources=ExampleSources.both,
        mix=None,
        min_words=40,
        languages=["eng"],
        licences=[],
        on_concern=OnConcern.drop,
        recipes=["conclusion"],
        per_paper=3,
        per_journal=0,
        per_year=0,
        recipe_share=1.0,
        validation_share=0.05,
        heldout_share=0.05,
        exchange_answers=False,
        on_leak=OnLeak.drop,
        encoder=None,
        encoder_threshold=0.9,
        on_long=OnLong.drop,
        replay=0.0,
        max_examples=1000,
        documents=DocumentsSettings(
            unit=LengthUnit.characters,
            chunk_size=1000,
            overlap=200,
            max_file_mb=50,
            max_pages=2000,
            timeout_s=60,
        ),
    )


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """An empty cache."""
    return Cache(tmp_path / "cache", "2030-12-31", offline=False)


@pytest.fixture
def run(
    papers_settings: PapersSettings,
    domain: DomainSettings,
    credentials: Credentials,
    tmp_path: Path,
) -> Callable[..., Collection]:
    """Collects with changed settings of the papers."""

    def collected(credentials: Any = credentials, **changes: Any) -> Collection:
        return collect(
            replace(papers_settings, **changes),
            domain,
            sample=tmp_path / "sample",
            own=tmp_path / "own",
            cache=tmp_path / "cache",
            credentials=credentials,
        )

    return collected


@pytest.fixture
def access(cache: Cache, credentials: Credentials) -> Any:
    """What the optional sources need, with short pauses."""
    from titer.literature.access import Access
    from titer.literature.http import Pacer
    from titer.literature.progress import Progress

    return Access(
        cache,
        credentials,
        ncbi=Pacer(0.002),
        arxiv=Pacer(0.002),
        watched=Progress,
        backoff_s=0.002,
    )

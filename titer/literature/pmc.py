"""PubMed Central through efetch: the body of open-access papers.

efetch answers with status 200 and an article without a body where the publisher does not allow
more, and with an `error` element for ids that it does not serve: both count as whole answers.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from titer.config import PmcSettings, PubmedSettings
from titer.literature.answers import root_of
from titer.literature.jats import Article, pmcid_of, read_article
from titer.literature.pubmed import PubmedClient

ROOT = "pmc-articleset"

SOURCE = "pmc"
"""Name of the source in records."""


class PmcClient(PubmedClient):
    """Fetches articles as PubmedClient fetches records: batches, missing ids again, the cache."""

    database = "pmc"
    service = "PubMed Central"

    def __init__(self, settings: PmcSettings, pubmed: PubmedSettings, **more: Any) -> None:
        """Host, pace and workers are PubMed's; `more` is what PubmedClient takes besides."""
        super().__init__(replace(pubmed, batch_size=settings.batch_size), **more)

    def received(self, body: bytes) -> tuple[bytes, set[str]]:
        """A verified answer with the numbers of the articles that it gives or refuses by name.

        Raises:
            Unusable: it is something else.
        """
        root = root_of(body, ROOT)
        given = {pmcid_of(article).removeprefix("PMC") for article in root.iterfind("article")}
        refusals = "\n".join("".join(one.itertext()) for one in root.iterfind("error"))
        return body, given | set(re.findall(r"\d+", refusals))

    def articles(self, pmcids: Iterable[str]) -> Iterator[Article]:
        """Yield the articles of some ids (`PMC123`), those without a body included.

        Raises:
            SourceError: refused or unreachable.
        """
        numbers = sorted({name.upper().removeprefix("PMC") for name in pmcids}, key=int)
        for body in self.fetch_each(numbers):
            for article in root_of(body, ROOT).iterfind("article"):
                yield read_article(article, source=SOURCE)

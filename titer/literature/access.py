"""What it takes to ask services in one run: cache, secrets, and one pacer per service."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from titer.config import PapersSettings
from titer.literature.cache import Cache
from titer.literature.credentials import Credentials
from titer.literature.http import Line, Pacer, Patience
from titer.literature.progress import Progress


@dataclass(frozen=True)
class Access:
    """Shared by gathering and by the optional sources."""

    cache: Cache
    credentials: Credentials
    ncbi: Pacer
    """Shared with PubMed."""
    arxiv: Pacer
    """Shared with the arXiv API: the terms of use count both together."""
    watched: Callable[[Line], AbstractContextManager[Progress]]
    """Shows and notes the requests of a line while it is used."""
    backoff_s: float = 0.5
    """First pause after a fault, or the pacer's gap where that is longer."""

    def line(self, service: str, pacer: Pacer, settings: PapersSettings) -> Line:
        """A line to one more service."""
        backoff_s = max(self.backoff_s, pacer.gap_s)
        patience = Patience(settings.timeout_s, settings.max_tries, backoff_s)
        return Line(service, pacer, patience, self.credentials)

    def options(self, settings: PapersSettings, pacer: Pacer) -> dict[str, Any]:
        """What the clients of PubMed, PubMed Central and the arXiv API take besides settings."""
        return {
            "timeout_s": settings.timeout_s,
            "max_tries": settings.max_tries,
            "credentials": self.credentials,
            "cache": self.cache,
            "pacer": pacer,
        }

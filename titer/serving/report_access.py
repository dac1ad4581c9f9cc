"""Who may read the report in a browser, which sends no header with a link.

Invariant: a link works once, for a minute, and only after a key that opens the domain asked for it.
"""

import secrets
import time
from pathlib import Path

from titer.serving.keys import ALL, Key

LASTS_S = 60
N_LINKS = 1_000
"""Links that are remembered; the oldest is forgotten first."""


class ReportAccess:
    """Links to the report of the last run."""

    def __init__(self, path: Path, domain: str | None) -> None:
        """No link yet.

        Args:
            path: the report.
            domain: that it is about; null where nobody said so.
        """
        self.path = path
        self._domain = domain
        self._links: dict[str, float] = {}

    def is_open_to(self, key: Key) -> bool:
        """Whether there is a report that a key may read."""
        opens = ALL in key.domains if self._domain is None else key.opens(self._domain)
        return opens and self.path.is_file()

    def link(self) -> str:
        """A new word that opens the report once."""
        while len(self._links) >= N_LINKS:
            del self._links[next(iter(self._links))]
        word = secrets.token_urlsafe(32)
        self._links[word] = time.monotonic() + LASTS_S
        return word

    def use(self, word: str) -> bool:
        """Whether a word opens the report; it never does so again."""
        return self._links.pop(word, 0.0) > time.monotonic()

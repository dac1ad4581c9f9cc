"""Parts of PubMed or arXiv that are small enough to be served whole.

Invariant: the halves of a window are disjoint and together are the window, the newer one first.
"""

import datetime
from dataclasses import asdict, dataclass
from typing import Any

FIRST_DAY = datetime.date(1800, 1, 1)
"""Before the oldest day of entry."""

LAST_UID = 99_999_999
"""Above any PMID."""


@dataclass(frozen=True)
class Window:
    """Days of entry or submission, and within one day of PubMed a range of PMIDs."""

    first: datetime.date
    last: datetime.date
    low: int = 1
    high: int = LAST_UID

    def halves(self) -> tuple["Window", "Window"] | None:
        """The newer and the older half, or None where nothing is left to divide."""
        if self.first < self.last:
            middle = self.first + (self.last - self.first) // 2
            later = middle + datetime.timedelta(days=1)
            return Window(later, self.last), Window(self.first, middle)
        if self.low < self.high:
            half = (self.low + self.high) // 2
            newer = Window(self.first, self.last, half + 1, self.high)
            return newer, Window(self.first, self.last, self.low, half)
        return None

    def to_json(self) -> dict[str, Any]:
        """Its bounds, as ids.json holds them."""
        return {**asdict(self), "first": str(self.first), "last": str(self.last)}

    def term(self, query: str) -> str:
        """The query within the range of PMIDs."""
        whole = (self.low, self.high) == (1, LAST_UID)
        return query if whole else f"({query}) AND {self.low}:{self.high}[UID]"

"""What a live run shows of a service: records so far of the total, requests, retries, time left.

Invariant: a run of less than five seconds shows nothing.
"""

from types import TracebackType
from typing import Any, Self

from titer.literature.http import Line

DELAY_S = 5.0
"""Before the bar appears."""


class Progress:
    """One bar per service, open while the context is."""

    def __init__(self, line: Line) -> None:
        """The total is unknown until `expect` has been told of it."""
        from tqdm.auto import tqdm

        self.line = line
        # miniters=0: a request or a retry is worth showing although no record came with it
        self.bar: Any = tqdm(desc=line.service, unit=" records", delay=DELAY_S, miniters=0)

    def __enter__(self) -> Self:
        """Follow every request of the line."""
        self.line.on_request = self._show
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last state on the screen."""
        self.line.on_request = lambda: None
        self._show()
        self.bar.close()

    def expect(self, n_records: int) -> None:
        """Set the total, from which the time left follows."""
        self.bar.total = n_records  # without reset(), which would show the bar at once

    def add(self, n_records: int, *, of: int = 0) -> None:
        """Count records that have arrived, from the service or from the cache, of at least `of`."""
        if of:
            self.expect(max(of, self.bar.total or 0))
        self.bar.update(n_records)

    def _show(self) -> None:
        n_retries = sum(self.line.retries.values())
        self.bar.set_postfix_str(f"{self.line.n_requests} requests, {n_retries} retries", False)
        self.bar.update(0)

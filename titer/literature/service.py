"""A further service, asked by address: answers from the cache, else paced, verified and kept."""

import contextlib
import urllib.request
from collections.abc import Callable
from typing import TypeVar

from titer import files
from titer.literature.cache import Cache
from titer.literature.http import Line, Unusable
from titer.literature.transport import Transport

T = TypeVar("T")


class Service:
    """One host; one request at a time, the next one a gap after the end of the last answer."""

    def __init__(self, line: Line, base_url: str, cache: Cache) -> None:
        """Nothing is sent before `get`."""
        self.line = line
        self.base_url = base_url.rstrip("/")
        self.cache = cache
        self.transport = Transport(line, self.base_url, self.base_url)

    def get(
        self,
        address: str,
        verify: Callable[[bytes], T],
        what: str,
        *,
        kind: str,
        kept: Callable[[bytes], T] | None = None,
        refresh: bool = False,
    ) -> T:
        """What an answer holds.

        Args:
            address: path and query; part of the key in the cache.
            verify: returns what the body holds, or raises Unusable.
            what: names the request in errors.
            kind: of the response in the cache.
            kept: like `verify`, of an answer that was accepted before; the same if not given.
            refresh: ask even where the cache has an answer.

        Raises:
            SourceError: refused, unreachable, or offline and not in the cache.
        """
        key = files.sha256_text(address)
        body = None if refresh else self.cache.read(kind, key)
        if body is not None:
            with contextlib.suppress(Unusable):
                return (kept or verify)(body)
        self.cache.check_online(f"{self.line.service} {what}")
        body, found = self.line.ask(
            lambda: self._send(address, what), lambda body: (body, verify(body)), what
        )
        self.cache.write(kind, key, body)
        return found

    def keep(self, address: str, body: bytes, *, kind: str) -> None:
        """Note in the cache what a refusal means, so that it is not asked again."""
        self.cache.write(kind, files.sha256_text(address), body)

    def _send(self, address: str, what: str) -> bytes:
        request = urllib.request.Request(f"{self.base_url}{address}", method="GET")
        try:
            with self.transport.open(request, what) as answer:
                return answer.read()
        finally:
            self.line.pacer.push(self.line.pacer.gap_s)

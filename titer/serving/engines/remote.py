"""Answers streamed by a server: one request, many events, and one plain error where it ends early.

Invariant: the key goes to the configured address only and into no log, error or repr; whatever ends
before the server said that it is done is an error and never an answer.
"""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from titer import addresses, files
from titer.errors import ConfigError, RateLimited, SourceError, Unavailable

CONNECT_S = 5.0
PAUSE_S = 5.0
"""After a server was not reached it counts as gone for so long, then it is tried again."""


class Remote:
    """One server that streams events over HTTP."""

    def __init__(
        self, name: str, address: str, key: str | None, *, n_asked: int, silence_s: float
    ) -> None:
        """Ask nothing yet.

        Args:
            name: in errors.
            address: up to and without the path.
            key: sent as `Authorization: Bearer`.
            n_asked: requests under way at most; the server queues what it cannot do at once.
            silence_s: longest time without an event.
        """
        self.name = name
        self.address = address.rstrip("/")
        self.key = key
        self._n_asked = n_asked
        self._silence_s = silence_s
        self._client: Any = None
        self.is_closing = False
        self._gone_until = 0.0
        self.waiting = 0
        """Requests under way."""

    @property
    def is_up(self) -> bool:
        """Whether it answered when it was last asked, or may be tried again."""
        return not self.is_closing and time.monotonic() >= self._gone_until

    def pause(self) -> None:
        """Count as gone for a while."""
        self._gone_until = time.monotonic() + PAUSE_S

    async def events(
        self, path: str, body: Mapping[str, Any]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """What the server sends, one JSON object at a time, up to `[DONE]` or its end.

        Raises:
            RateLimited: as many requests are under way as may be, or the server says so.
            ConfigError: the server refuses the request itself.
            Unavailable: it was not reached, went silent or broke off.
        """
        import httpx

        with self._under_way():
            try:
                async with self._opened().stream("POST", f"{self.address}{path}", json=body) as got:
                    if got.status_code != 200:
                        self._refuse(got.status_code, (await got.aread()).decode(errors="replace"))
                    async for line in got.aiter_lines():
                        event = self._event(line)
                        if event is not None:
                            yield event
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                self.pause()
                what = type(error).__name__
                raise Unavailable(f"{self.name}: gives no answer ({what}). Ask again") from None

    async def close(self) -> None:
        """Refuse what comes, wait for what is under way and close the connections."""
        import asyncio

        self.is_closing = True
        while self.waiting:
            await asyncio.sleep(0.02)
        if self._client is not None:
            await self._client.aclose()

    @contextmanager
    def _under_way(self) -> Any:
        if self.is_closing:
            raise Unavailable(f"{self.name}: is being shut down. Ask again later")
        if self.waiting >= self._n_asked:
            raise RateLimited(f"{self.name}: {self.waiting} requests wait already. Ask again later")
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    def _opened(self) -> Any:
        import httpx

        if self._client is None:
            # neither a proxy nor a .netrc of the environment decides where the key goes
            self._client = httpx.AsyncClient(
                headers={"Authorization": f"Bearer {self.key}"} if self.key else {},
                timeout=httpx.Timeout(self._silence_s, connect=CONNECT_S),
                limits=httpx.Limits(max_connections=None),
                trust_env=False,
            )
        return self._client

    def _event(self, line: str) -> dict[str, Any] | None:
        field, _, data = line.partition(":")
        if field not in ("data", "error") or data.strip() == "[DONE]":
            return None
        try:
            event = files.parse_json(data)
        except ValueError:
            event = None
        if not isinstance(event, dict) or field == "error" or "error" in event:
            raise Unavailable(f"{self.name}: broke off: {self._said(data)}. Ask again")
        return event

    def _refuse(self, status: int, text: str) -> NoReturn:
        said = f"{self.name}: HTTP {status}: {self._said(text)}"
        if status == 429:
            raise RateLimited(said)
        if status >= 500 or status in (401, 403):
            raise Unavailable(said)
        if status in (400, 413, 422):
            raise ConfigError(said)
        raise SourceError(said)

    def _said(self, words: str) -> str:
        return addresses.one_line(words, self.key)

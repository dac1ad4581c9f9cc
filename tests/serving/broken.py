"""Engines that fail in the ways that a killed process or a lost machine does."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from titer.errors import TiterError
from titer.serving.engine import Ask, Piece


class Scripted:
    """Says what it was told to, then fails, waits or ends: what stands behind it may be remote."""

    name = "scripted"

    def __init__(
        self,
        models: Iterable[str],
        texts: Sequence[str] = (),
        *,
        error: TiterError | None = None,
        wait_s: float = 0.0,
        finish_reason: str | None = "stop",
        opened: bool = False,
    ) -> None:
        self._models = frozenset(models)
        self._texts = texts
        self._error = error
        self._wait_s = wait_s
        self._finish_reason = finish_reason
        self._opened = opened
        self.n_open = 0
        """Answers begun and not ended."""

    def models(self) -> frozenset[str]:
        return self._models

    async def answer(self, ask: Ask) -> AsyncIterator[Piece]:
        self.n_open += 1
        try:
            for text in self._texts:
                yield Piece(text)
            await asyncio.sleep(self._wait_s)
            if self._error is not None:
                raise self._error
            if self._finish_reason is not None:
                yield Piece("", self._finish_reason, 3, len(self._texts), self._opened)
        finally:
            self.n_open -= 1

    async def close(self) -> None:
        pass

"""Many clients at once, each asking its next question when its last one is answered."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Q = TypeVar("Q")


@dataclass(frozen=True)
class Load:
    """How a server did."""

    n_clients: int
    wall_s: float
    latencies_s: list[float]
    """In the order in which answers ended."""
    texts: list[str]
    """In the order of the questions."""
    n_tokens: int
    cpu_s: float | None = None
    """That the server used, where it is a process of its own."""

    @property
    def requests_per_s(self) -> float:
        """Answers per second."""
        return len(self.texts) / self.wall_s

    @property
    def tokens_per_s(self) -> float:
        """New tokens per second."""
        return self.n_tokens / self.wall_s

    def percentile_ms(self, share: float) -> float:
        """Latency that so large a share of the answers kept, by nearest rank."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    def words(self) -> str:
        """Rate and latencies for a table."""
        cpu = (
            "" if self.cpu_s is None else f", {1000 * self.cpu_s / len(self.texts):.0f} ms CPU each"
        )
        return (
            f"{self.requests_per_s:.1f} answers/s, {self.tokens_per_s:.0f} tokens/s, p50 "
            f"{self.percentile_ms(0.5):.0f} ms, p99 {self.percentile_ms(0.99):.0f} ms{cpu}"
        )


async def run(
    questions: Sequence[Q],
    answer: Callable[[Q], Awaitable[tuple[str, int]]],
    *,
    n_clients: int,
    on_answer: Callable[[], None] = lambda: None,
) -> Load:
    """Ask all questions.

    Args:
        answer: from a question to text and number of new tokens.
        on_answer: called after each.
    """
    texts, latencies, n_tokens = [""] * len(questions), list[float](), 0
    waiting = iter(enumerate(questions))

    async def client() -> None:
        nonlocal n_tokens
        for number, question in waiting:
            began = time.perf_counter()
            texts[number], n_new = await answer(question)
            latencies.append(time.perf_counter() - began)
            n_tokens += n_new
            on_answer()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(n_clients)))
    return Load(n_clients, time.perf_counter() - began, latencies, texts, n_tokens)

"""The clients of the serving benchmark: how many at once, what they count."""

import asyncio

import pytest

from benchmarks import serving_load
from benchmarks.serving_load import Load


def test_clients_ask_everything_once_and_no_more_at_once_than_they_are() -> None:
    running, most, asked = 0, 0, []

    async def answer(question: int) -> tuple[str, int]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        asked.append(question)
        await asyncio.sleep(0.001 * (question % 3))
        running -= 1
        return f"answer {question}", question

    load = asyncio.run(serving_load.run(range(40), answer, n_clients=4))
    assert most == 4
    assert sorted(asked) == list(range(40))
    assert load.texts == [f"answer {n}" for n in range(40)]
    assert load.n_tokens == sum(range(40))
    assert len(load.latencies_s) == 40


@pytest.mark.parametrize(("share", "ms"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0)])
def test_percentiles_are_latencies_that_were_measured(share: float, ms: float) -> None:
    load = Load(1, 2.0, [n / 1000 for n in range(100, 0, -1)], [""] * 100, 400)
    assert load.percentile_ms(share) == ms
    assert (load.requests_per_s, load.tokens_per_s) == (50.0, 200.0)

"""Serving under load: rate, memory, wrong adapters, the gateway's own time, and other servers.

    python -m benchmarks.serving                              after `dvc repro`; about ten minutes
    python -m benchmarks.serving --out FILE.json              also keep the table
    python -m benchmarks.serving --parts memory               some of it

Needs the models of the default run. Greedy answers of 3 to 60 tokens, wall time, rounds alternate.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks import gates, serving_load, serving_servers, serving_world
from benchmarks.gates import Gate
from benchmarks.serving_load import Load
from benchmarks.serving_servers import Server
from benchmarks.serving_world import ADAPTER, FULL, NAMES, World, ask
from titer.serving.engine import Ask
from titer.serving.engines.in_process import InProcess

N_CLIENTS = 32
N_QUESTIONS = 256
N_ALONE, N_TOGETHER = 64, 512
"""Requests of a round with one client, and with all."""
N_MIXED = 2_000
N_LONG = 10_000
N_SHORT = 8
"""Tokens of an answer in the long run."""
N_PAIRS = 200
WARM = 2_000
"""Requests before memory counts: allocators and slots have their size by then."""
PER_REQUEST_BYTES = 512
"""Growth that passes as flat: 10,000 requests would add 5 MiB."""


async def _answer(engine: InProcess, one: Ask) -> tuple[str, int]:
    pieces = [piece async for piece in engine.answer(one)]
    return "".join(piece.text for piece in pieces), pieces[-1].n_new_tokens


async def _loaded(engine: InProcess, asks: Sequence[Ask], n_clients: int, **more: Any) -> Load:
    return await serving_load.run(
        asks, lambda one: _answer(engine, one), n_clients=n_clients, **more
    )


def throughput(world: World, n_rounds: int) -> Iterator[Gate]:
    """Many clients over one, with the adapter on."""
    engine = InProcess([world.servable(ADAPTER)])
    asks = [ask(ADAPTER, text) for text in world.questions]
    together = (asks * -(-N_TOGETHER // len(asks)))[:N_TOGETHER]

    async def rounds() -> list[tuple[Load, Load]]:
        await _loaded(engine, asks[:N_CLIENTS], N_CLIENTS)
        found = [
            (await _loaded(engine, asks[:N_ALONE], 1), await _loaded(engine, together, N_CLIENTS))
            for _ in range(n_rounds)
        ]
        await engine.close()
        return found

    pairs = asyncio.run(rounds())
    ratios = [many.tokens_per_s / one.tokens_per_s for one, many in pairs]
    ratio = statistics.median(ratios)
    one, many = sorted(pairs, key=lambda pair: pair[1].tokens_per_s)[len(pairs) // 2]
    figure = f"{ratio:.1f} [{min(ratios):.1f}, {max(ratios):.1f}] times one at a time"
    yield Gate("S1", f"{N_CLIENTS} clients, tokens per second", figure, ">= 2.5", ratio >= 2.5)
    yield Gate("", "  one client", one.words(), "reported", True)
    yield Gate("", f"  {N_CLIENTS} clients", many.words(), "reported", True)


def isolation(world: World) -> Iterator[Gate]:
    """Answers that are not those of the model that was asked for."""
    answers = {name: world.answers(name, world.questions) for name in NAMES}
    told_apart = [
        n for n in range(len(world.questions)) if len({answers[name][n] for name in NAMES}) == 3
    ]
    draw = random.Random(1)
    picked = [(draw.choice(NAMES), draw.choice(told_apart)) for _ in range(N_MIXED)]
    engine = InProcess([world.servable(name) for name in NAMES])

    async def load() -> Load:
        asks = [ask(name, world.questions[n]) for name, n in picked]
        found = await _loaded(engine, asks, N_CLIENTS)
        await engine.close()
        return found

    texts = asyncio.run(load()).texts
    wrong = sum(text != answers[name][n] for text, (name, n) in zip(texts, picked, strict=True))
    figure = f"{wrong} of {len(texts)}, {len(told_apart)} questions tell the three models apart"
    yield Gate("S2", "wrong answers, base and two adapters", figure, "0", wrong == 0)


def memory(world: World) -> Iterator[Gate]:
    """Resident memory over many short requests."""
    import psutil

    engine = InProcess([world.servable(name) for name in NAMES])
    process, seen = psutil.Process(), list[tuple[int, int]]()
    n_done = 0

    def count() -> None:
        nonlocal n_done
        n_done += 1
        if n_done % 250 == 0:
            seen.append((n_done, process.memory_info().rss))
            print(f"  {n_done} of {N_LONG}", end="\r", file=sys.stderr, flush=True)

    async def load() -> None:
        draw = random.Random(2)
        asks = [
            ask(draw.choice(NAMES), draw.choice(world.questions), n_new=N_SHORT)
            for _ in range(N_LONG)
        ]
        await _loaded(engine, asks, N_CLIENTS, on_answer=count)
        await engine.close()

    asyncio.run(load())
    counted = [pair for pair in seen if pair[0] >= WARM]
    slope = statistics.linear_regression(*zip(*counted, strict=True)).slope
    megabytes = f"{counted[0][1] / 2**20:.1f} MiB after {WARM:,}, {counted[-1][1] / 2**20:.1f}"
    figure = f"{megabytes} after {N_LONG:,}: {slope:+.0f} bytes a request"
    yield Gate("S3", f"memory over {N_LONG:,} requests", figure, f"<= {PER_REQUEST_BYTES} bytes",
               slope <= PER_REQUEST_BYTES)  # fmt: skip


def overhead(world: World, home: Path) -> Iterator[Gate]:
    """A request through the gateway beside the same one asked of its engine, in turns."""
    import uvicorn

    from titer.serving import keys

    home = serving_servers.new_home(home)
    _, key = keys.add(home / keys.FILE, "benchmark", [keys.ALL])
    app, engine = serving_servers.application(home)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        pairs = _pairs(world, engine, port, key)
    finally:
        server.should_exit = True
        thread.join()
    spent = [1000 * (through - alone) for through, alone in pairs]
    low, median, high = statistics.quantiles(spent, n=4)
    figure = f"{median:.2f} ms, quartiles {low:.2f} and {high:.2f}, {len(spent)} pairs"
    yield Gate("S4", "the gateway's own time, median", figure, "< 5 ms", median < 5)


def _pairs(world: World, engine: InProcess, port: int, key: str) -> list[tuple[float, float]]:
    """Seconds through the gateway and of its engine alone."""
    import http.client
    import json

    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def through(question: str) -> str:
        body = {
            "model": "base", "messages": [{"role": "user", "content": question}],
            "max_tokens": serving_world.N_NEW, "temperature": 0,
        }  # fmt: skip
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        value = json.loads(connection.getresponse().read())
        text: str = value["choices"][0]["message"]["content"]
        return text

    def alone(question: str) -> str:
        return runner.run(_answer(engine, ask("base", question)))[0]

    def seconds(work: Callable[[str], str], question: str) -> tuple[float, str]:
        began = time.perf_counter()
        text = work(question)
        return time.perf_counter() - began, text

    found = []
    with asyncio.Runner() as runner:
        for number in range(N_PAIRS + 10):
            question = world.questions[number % len(world.questions)]
            first, second = (through, alone) if number % 2 else (alone, through)
            (a_s, a), (b_s, b) = seconds(first, question), seconds(second, question)
            if a.strip() != b.strip():
                raise AssertionError(f"the gateway answers {a!r}, its engine {b!r}")
            found.append((a_s, b_s) if number % 2 else (b_s, a_s))
    return found[10:]  # the first ones warm both


def beside(world: World, home: Path, n_rounds: int) -> Iterator[Gate]:
    """The same questions over HTTP to each server, one server at a time."""
    folder = world.models / "full"
    wanted = [text.strip() for text in world.answers(FULL, world.questions)]
    servers: dict[str, Callable[[], AbstractContextManager[Server]]] = {
        "titer, engine transformers": lambda: serving_servers.gateway(
            serving_servers.new_home(home)
        ),
        "transformers serve": lambda: serving_servers.transformers_serve(folder),
        "transformers serve, continuous batching": lambda: serving_servers.transformers_serve(
            folder, "--continuous-batching", *serving_servers.CACHE
        ),
        f"llama.cpp, {N_CLIENTS} slots": lambda: serving_servers.llama_cpp(
            folder, serving_servers.new_home(home), n_rows=N_CLIENTS
        ),
    }
    rates: dict[str, float] = {}
    for name, start in servers.items():
        with start() as server:
            loads = [asyncio.run(server.load(world.questions, N_CLIENTS)) for _ in range(n_rounds)]
        load = sorted(loads, key=lambda one: one.requests_per_s)[len(loads) // 2]
        same = sum(a.strip() == b for a, b in zip(load.texts, wanted, strict=True))
        rates[name] = load.requests_per_s
        figure = f"{load.words()}; {same} of {len(wanted)} as evaluated"
        is_peer = name == "transformers serve"
        ok = not is_peer or next(iter(rates.values())) >= load.requests_per_s
        yield Gate("S5", name, figure, "titer as fast at least" if is_peer else "reported", ok)


PARTS: dict[str, Callable[[World, Path, int], Iterator[Gate]]] = {
    "throughput": lambda world, _, n_rounds: throughput(world, n_rounds),
    "isolation": lambda world, *_: isolation(world),
    "memory": lambda world, *_: memory(world),
    "overhead": lambda world, home, _: overhead(world, home),
    "beside": beside,
}


def measure(parts: Sequence[str], folder: Path, n_rounds: int) -> Iterator[Gate]:
    """The gates of the parts that are named."""
    world = serving_world.build(folder, N_QUESTIONS)
    for part in parts:
        yield from PARTS[part](world, folder, n_rounds)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="also write the table as JSON")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        gates.report(measure(chosen.parts, Path(name), chosen.rounds), chosen.out)


if __name__ == "__main__":
    main()

"""The servers that are compared, each in a process of its own, each with one full fine-tune.

    python -m benchmarks.serving_servers ROOT PORT      the gateway with the engine transformers

`transformers serve` needs `pip install "transformers[serving]"`; where that is elsewhere, name its
folder in TITER_TRANSFORMERS_SERVING.
"""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import serving_load, serving_world
from benchmarks.serving_load import Load
from benchmarks.serving_world import FULL, N_NEW
from titer.errors import Unavailable
from titer.serving.engine import BASE
from titer.serving.engines.in_process import InProcess

START_S = 180.0
CACHE = ("--cb-num-blocks", "1024", "--cb-block-size", "32")
"""Else its continuous batching takes all memory that is free."""


@dataclass(frozen=True)
class Server:
    """An OpenAI-style server that is up."""

    url: str
    """Up to and with /v1."""
    model: str
    key: str | None = None
    pid: int | None = None
    """Of the server's process."""

    def cpu_s(self) -> float:
        """CPU seconds that the server and its children have used."""
        import psutil

        top = psutil.Process(self.pid)
        times = [one.cpu_times() for one in (top, *top.children(recursive=True))]
        return sum(one.user + one.system for one in times)

    async def load(self, questions: Sequence[str], n_clients: int) -> Load:
        """Ask it over HTTP."""
        import httpx

        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=120, headers=headers, limits=limits) as client:

            async def answer(question: str) -> tuple[str, int]:
                body = {
                    "model": self.model, "messages": [{"role": "user", "content": question}],
                    "max_tokens": N_NEW, "temperature": 0, "stream": False,
                }  # fmt: skip
                reply = await client.post(f"{self.url}/chat/completions", json=body)
                reply.raise_for_status()
                value = reply.json()
                text = value["choices"][0]["message"]["content"]
                return text, int(value["usage"]["completion_tokens"])

            await answer(questions[0])  # the model is loaded with its first request
            before = self.cpu_s()
            load = await serving_load.run(questions, answer, n_clients=n_clients)
            return replace(load, cpu_s=self.cpu_s() - before)


@contextmanager
def gateway(home: Path) -> Iterator[Server]:
    """Titer's own, with the engine transformers."""
    from titer.serving import keys

    _, key = keys.add(home / keys.FILE, "benchmark", [keys.ALL])
    port = _free_port()
    command = [sys.executable, "-m", "benchmarks.serving_servers", str(home), str(port)]
    with _running(command, f"http://127.0.0.1:{port}/health", {}) as pid:
        yield Server(f"http://127.0.0.1:{port}/v1", BASE, key, pid)


@contextmanager
def transformers_serve(folder: Path, *options: str) -> Iterator[Server]:
    """The server that transformers brings along."""
    port = _free_port()
    command = [
        str(Path(sys.executable).with_name("transformers")), "serve", str(folder),
        "--device", "cpu", "--port", str(port), *options,
    ]  # fmt: skip
    beside = os.environ.get("TITER_TRANSFORMERS_SERVING")
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), beside)))
    with _running(command, f"http://127.0.0.1:{port}/health", {"PYTHONPATH": path}) as pid:
        yield Server(f"http://127.0.0.1:{port}/v1", str(folder), None, pid)


@contextmanager
def llama_cpp(folder: Path, home: Path, *, n_rows: int) -> Iterator[Server]:
    """llama.cpp's own server with the same weights in float32."""
    from titer.export import gguf_model
    from titer.serving.engines.llama_cpp import Gguf, LlamaCpp, LlamaLimits

    path = gguf_model.write_model(folder, home / "full.gguf", number_format="f32")
    one = serving_world.World(folder.parent, [], home).servable(FULL)
    engine = LlamaCpp(
        [one], {FULL: Gguf(path)},
        limits=LlamaLimits(n_rows=n_rows, context=512),
    )  # fmt: skip
    try:
        address, key = engine.address(FULL)
        yield Server(f"{address}/v1", FULL, key, engine._children[FULL].process.pid)
    finally:
        asyncio.run(engine.close())


@contextmanager
def _running(command: Sequence[str], health: str, environment: dict[str, str]) -> Iterator[int]:
    import requests

    with subprocess.Popen(
        command, env=os.environ | environment, cwd=serving_world.ROOT,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            until = time.monotonic() + START_S
            while not _answers(requests, health):
                if process.poll() is not None or time.monotonic() > until:
                    raise Unavailable(f"{' '.join(command[:4])}: did not start")
                time.sleep(0.2)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _answers(requests: Any, health: str) -> bool:
    try:
        return bool(requests.get(health, timeout=2).status_code == 200)
    except requests.RequestException:
        return False


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def serve_gateway(home: Path, port: int) -> None:
    """Serve the full fine-tune until SIGTERM, as the base of a gateway without domains."""
    import uvicorn

    uvicorn.run(application(home)[0], host="127.0.0.1", port=port, log_level="error")


def application(home: Path) -> tuple[Any, InProcess]:
    """The gateway of `serve_gateway`, and its engine."""
    from titer.serving.app import create_app
    from titer.serving.catalogue import Catalogue, Offer
    from titer.serving.limits import Limits

    world = serving_world.World(serving_world.ROOT / "models", [], home)
    servable = replace(world.servable(FULL), name=BASE)
    catalogue = Catalogue({BASE: Offer(servable, may_open_thought=False)})
    limits = Limits(key_per_minute=10**6, n_waiting=256)
    engine = InProcess([servable])
    return create_app(home, catalogue, [engine], limits=limits), engine


def new_home(parent: Path) -> Path:
    """A folder for keys and log of one gateway."""
    home = parent / secrets.token_hex(4)
    home.mkdir()
    return home


if __name__ == "__main__":
    serve_gateway(Path(sys.argv[1]), int(sys.argv[2]))

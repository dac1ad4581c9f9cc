"""The engine `llama_cpp`: GGUF files in llama.cpp, a base and its adapters in one child process.

Invariant: a prompt goes as token ids from our own template; each request names the scale of every
adapter, 1 for its own and 0 for the others.
"""

import asyncio
import json
import logging
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer.errors import ConfigError, LoadError, Unavailable
from titer.serving.engine import Ask, Piece, Servable
from titer.serving.engines.prompts import Prompts
from titer.serving.engines.remote import Remote

logger = logging.getLogger(__name__)

FINISHED = {"eos": "stop", "limit": "length"}
ENDING_S = 5.0


@dataclass(frozen=True)
class Gguf:
    """Files of one model, as `titer export gguf` wrote them."""

    model: Path
    """Merged, or the base."""
    adapter: Path | None = None


@dataclass(frozen=True)
class LlamaLimits:
    """How much one GGUF model takes on."""

    n_rows: int = 8
    """Answers at once; each has a context of its own."""
    context: int = 4096
    """Tokens of prompt and answer together, or the model's own where that is less."""
    n_asked: int = 128
    """Requests under way at most."""
    n_threads: int = max(1, (os.cpu_count() or 2) // 2)
    n_gpu_layers: int = 0
    silence_s: float = 120.0
    """Longest time without a token."""


class LlamaCpp:
    """Answers of llama.cpp for several models."""

    name = "llama_cpp"

    def __init__(
        self,
        servables: Sequence[Servable],
        files: Mapping[str, Gguf],
        *,
        limits: LlamaLimits | None = None,
    ) -> None:
        """Start one process per GGUF model and load its adapters.

        Args:
            files: of each servable, by its name.
            limits: of each process.

        Raises:
            ConfigError: a model has no files here, or two share a name.
            LoadError: llama.cpp does not take a file.
        """
        limits = limits or LlamaLimits()
        missing = sorted(one.name for one in servables if one.name not in files)
        if missing:
            raise ConfigError(
                f"{missing[0]}: no GGUF file is named. Make one with: titer export gguf"
            )
        self._prompts = Prompts(servables, context=limits.context)
        self._children: dict[str, _Child] = {}
        self._scales: dict[str, list[dict[str, float]]] = {}
        try:
            for model in dict.fromkeys(files[one.name].model for one in servables):
                names = [one.name for one in servables if files[one.name].model == model]
                self._start(model, names, files, limits)
        except BaseException:
            for child in self._children.values():
                child.end()
            raise

    def _start(
        self, model: Path, names: Sequence[str], files: Mapping[str, Gguf], limits: LlamaLimits
    ) -> None:
        adapters = list(dict.fromkeys(a for n in names if (a := files[n].adapter) is not None))
        known = [c for n in names if (c := self._prompts.by_name[n].context) is not None]
        child = _Child(model, adapters, min(known, default=limits.context), limits)
        for name in names:
            self._children[name] = child
            own = files[name].adapter
            self._scales[name] = [
                {"id": number, "scale": float(adapter == own)}
                for number, adapter in enumerate(adapters)
            ]

    def models(self) -> frozenset[str]:
        """Names whose process answered when it was last asked, or may be tried again."""
        return frozenset(name for name, child in self._children.items() if child.remote.is_up)

    def address(self, name: str) -> tuple[str, str]:
        """Where a model's server listens on this machine, and its key; for measurements."""
        remote = self._children[name].remote
        return remote.address, remote.key or ""

    async def answer(self, ask: Ask) -> AsyncGenerator[Piece, None]:
        """Text of one answer as it is made; to close the iterator closes the connection.

        Raises:
            RateLimited, Unavailable, ConfigError: as `Remote.events`, and where the prompt leaves
                no room.
        """
        prompt = await self._prompts.prompt(ask)
        remote = await self._children[ask.model].ready()
        body = {
            "prompt": prompt.ids,
            "n_predict": prompt.max_new_tokens,
            "temperature": ask.temperature,
            "top_p": ask.top_p,
            "seed": ask.seed % 2**32,
            "lora": self._scales[ask.model],
            **PLAIN,
        }
        last = dict[str, Any]()
        async with aclosing(remote.events("/completion", body)) as events:
            async for last in events:
                if last.get("content"):
                    n_new = int(last.get("tokens_predicted", 0))
                    yield prompt.piece(last["content"], None, n_new)
        finish_reason = FINISHED.get(last.get("stop_type", ""))
        if finish_reason is None:
            raise Unavailable("llama.cpp: broke off in mid-answer. Ask again")
        n_new = int(last["tokens_predicted"])
        n_new = max(n_new - (finish_reason == "stop"), 0)  # the end token is counted there
        yield prompt.piece("", finish_reason, n_new)

    async def close(self) -> None:
        """Wait for what is under way and end the processes."""
        for child in set(self._children.values()):
            await child.remote.close()
            child.end()
        self._prompts.close()


PLAIN: Mapping[str, Any] = {
    # as transformers: temperature first, then top_p, and nothing else
    "samplers": ["temperature", "top_p"], "top_k": 0, "min_p": 0.0, "typical_p": 1.0,
    "repeat_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0,
    "stream": True, "cache_prompt": False,
}  # fmt: skip
"""llama.cpp's own defaults would change the answers."""


class _Child:
    """The process of one GGUF model; one that died is started again by the next request."""

    def __init__(
        self, model: Path, adapters: Sequence[Path], context: int, limits: LlamaLimits
    ) -> None:
        self._model = model
        key = secrets.token_urlsafe(32)  # other users of this machine are not to ask it
        self._settings = {
            "model": str(model),
            "adapters": [str(one) for one in adapters],
            "context": context,
            "n_rows": limits.n_rows,
            "n_threads": limits.n_threads,
            "n_gpu_layers": limits.n_gpu_layers,
            "key": key,
        }
        self._starting = threading.Lock()
        self.process, address = self._started()
        self.remote = Remote(
            "llama.cpp", address, key, n_asked=limits.n_asked, silence_s=limits.silence_s
        )

    def _started(self) -> tuple[subprocess.Popen[str], str]:
        """The process and its address.

        Raises:
            LoadError: llama.cpp does not take the files.
        """
        process = subprocess.Popen(
            [sys.executable, "-m", "titer.serving.engines.llama_cpp_child"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        said = _said(process, json.dumps(self._settings))
        if "address" not in said:
            _end(process)
            reason = said.get("error", f"its process ended with {process.returncode}")
            raise LoadError(f"{self._model}: llama.cpp does not load it: {reason}")
        return process, said["address"]

    async def ready(self) -> Remote:
        """The server, started again where its process is gone.

        Raises:
            Unavailable: it cannot be started, or is being shut down.
        """
        if self.process.poll() is not None:
            await asyncio.to_thread(self._start_again)
        return self.remote

    def _start_again(self) -> None:
        with self._starting:
            code = self.process.poll()
            if code is None or self.remote.is_closing:
                return
            logger.warning("%s: llama.cpp ended with %s and is started again", self._model, code)
            _end(self.process)
            try:
                self.process, self.remote.address = self._started()
            except LoadError as error:
                self.remote.pause()
                raise Unavailable(f"{error}. Ask again later") from None

    def end(self) -> None:
        """End the process."""
        _end(self.process)


def _said(process: subprocess.Popen[str], settings: str) -> dict[str, str]:
    """What a new process answers to its settings; nothing where it ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{settings}\n")
        process.stdin.flush()
    except BrokenPipeError:
        return {}
    line = process.stdout.readline()
    said: dict[str, str] = json.loads(line) if line else {}
    return said


def _end(process: subprocess.Popen[str]) -> None:
    """Let a process end by closing its input, or kill it; a second time does nothing."""
    if process.stdin is None or process.stdin.closed:
        return
    try:
        process.communicate(timeout=ENDING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()

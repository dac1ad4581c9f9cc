"""The engine `vllm`: a server with an OpenAI-compatible address that batches and streams itself.

Invariant: a prompt goes as token ids from our own template, so that the server's template, sampling
defaults and special tokens have no say; the model is named in each request.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from titer import addresses
from titer.errors import Unavailable
from titer.serving.engine import Ask, Piece, Servable
from titer.serving.engines.prompts import Prompts
from titer.serving.engines.remote import Remote

KEY = "TITER_VLLM_API_KEY"
"""Environment variable with the server's key."""
FINISHED = ("stop", "length")


@dataclass(frozen=True)
class Address:
    """Where the server is."""

    base_url: str
    """Up to and with /v1."""
    key: str | None = field(default=None, repr=False)
    """From the environment, see `KEY`."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Name here -> name there (`--served-model-name`, `--lora-modules`); the same where absent."""
    n_asked: int = 256
    """Requests under way at most."""
    silence_s: float = 120.0
    """Longest time without a token."""

    def __post_init__(self) -> None:
        """Refuse what is no address, and a key that would travel in the clear.

        Raises:
            ConfigError: with what to give.
        """
        addresses.check(self.base_url, self.key, option="--url", variable=KEY)


class Vllm:
    """Answers of a vLLM server, or of any other that takes OpenAI's completions."""

    name = "vllm"

    def __init__(self, servables: Sequence[Servable], address: Address) -> None:
        """Load the tokenizers; the server is asked with the first request.

        Raises:
            ConfigError: two models share a name.
            LoadError, BaseMismatch: a tokenizer cannot be used, or is not that of the evaluation.
        """
        self._prompts = Prompts(servables)
        self._names = address.names
        self._remote = Remote(
            "vLLM", address.base_url, address.key, n_asked=address.n_asked,
            silence_s=address.silence_s,
        )  # fmt: skip

    def models(self) -> frozenset[str]:
        """Names that it can answer for now."""
        return frozenset(self._prompts.by_name) if self._remote.is_up else frozenset()

    async def answer(self, ask: Ask) -> AsyncGenerator[Piece, None]:
        """Text of one answer as it is made; to close the iterator closes the connection.

        Raises:
            RateLimited, Unavailable, ConfigError: as `Remote.events`, and where the prompt leaves
                no room.
        """
        prompt = await self._prompts.prompt(ask)
        body = {
            "model": self._names.get(ask.model, ask.model),
            "prompt": prompt.ids,
            "max_tokens": prompt.max_new_tokens,
            "temperature": ask.temperature,
            "top_p": ask.top_p,
            "seed": ask.seed,
            "stop_token_ids": sorted(self._prompts.by_name[ask.model].ends),
            **PLAIN,
        }
        finish_reason, usage = None, dict[str, Any]()
        async with aclosing(self._remote.events("/completions", body)) as events:
            async for event in events:
                usage = event.get("usage") or usage
                for choice in event.get("choices", ()):
                    finish_reason = choice.get("finish_reason") or finish_reason
                    if choice.get("text"):
                        yield prompt.piece(choice["text"], None, _made(usage, finish_reason))
        if finish_reason not in FINISHED:
            raise Unavailable(f"vLLM: broke off in mid-answer ({finish_reason}). Ask again")
        yield prompt.piece("", finish_reason, _made(usage, finish_reason))

    async def close(self) -> None:
        """Wait for what is under way and close the connections."""
        await self._remote.close()
        self._prompts.close()


def _made(usage: Mapping[str, Any], finish_reason: str | None) -> int:
    """New tokens without the end token, which is counted there."""
    return max(int(usage.get("completion_tokens", 0)) - (finish_reason == "stop"), 0)


PLAIN: Mapping[str, Any] = {
    "stream": True, "n": 1,
    "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}  # fmt: skip
"""vLLM fills what is left open from the model folder's generation_config.json."""

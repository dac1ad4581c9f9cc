"""What the gateway asks of an engine, and what an engine may do: nothing else is shared.

Invariant: the model is named in each request and is state of none; two requests at once, for two
models, never meet. An engine knows no keys, no domains and no HTTP client.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from titer.config import Dtype, GenerationSettings, Think

BASE = "base"
"""Name of the base model, on which every adapter rests."""


@dataclass(frozen=True)
class Servable:
    """One model as it was evaluated: served is what was measured."""

    name: str
    """`base`, or a version such as `autoimmune-qlora@v1.0.0`."""
    folder: Path
    """Base model or full fine-tune: safetensors, tokenizer, template."""
    adapter: Path | None
    """LoRA folder on top of it."""
    domain: str | None
    """Whose keys open it; null for the base, which every key opens."""
    base_revision: str
    """Identity of the base, as the run record of the evaluation has it."""
    template_sha256: str
    precision: Dtype
    quantize: bool
    """Base in 4-bit NF4, as a QLoRA fine-tune was measured."""
    think: Think
    generation: GenerationSettings
    """Defaults where a request says nothing."""


@dataclass(frozen=True)
class Ask:
    """One checked request."""

    model: str
    """Name of a `Servable` that the engine was given."""
    messages: tuple[dict[str, str], ...]
    """role (system, user, assistant) and content; the last is the user's."""
    max_new_tokens: int
    temperature: float
    """0 is greedy."""
    top_p: float
    seed: int


@dataclass(frozen=True)
class Piece:
    """Text as it came, thoughts included; the last piece says why it ended."""

    text: str
    finish_reason: str | None = None
    """stop or length, in the last piece only."""
    n_prompt_tokens: int = 0
    """In every piece, for any may be the last that is waited for."""
    n_new_tokens: int = 0
    """Made so far, the end token left out; 0 where the engine does not say before the end."""
    opened_thought: bool = False
    """The rendered prompt ended inside a thought."""


class Engine(Protocol):
    """Answers for the models that it was made with."""

    name: str
    """transformers, llama_cpp or vllm."""

    def models(self) -> frozenset[str]:
        """Names that it can answer for now."""
        ...

    def answer(self, ask: Ask) -> AsyncIterator[Piece]:
        """Text of one answer as it is made; to close the iterator ends the work.

        Raises:
            RateLimited: its queue is full.
            Unavailable: it does not answer, or died in mid-answer.
            ConfigError: the prompt leaves no room in the model's context.
        """
        ...

    async def close(self) -> None:
        """Finish what is being answered, refuse what comes, and free the memory."""
        ...

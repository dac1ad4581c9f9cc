"""The base model itself as the writer of replies: the same callable as an endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from titer.config import Device, Dtype, GenerationSettings, Think
from titer.modeling import chat_template, loading
from titer.modeling.generation import generate
from titer.modeling.weights import context_length


@dataclass(frozen=True)
class LocalModel:
    """A loaded model that is asked in batches."""

    model: Any
    tokenizer: Any
    generation: GenerationSettings
    think: Think
    seed: int
    context: int | None
    """Tokens that prompt and reply may have together; None where the model names no limit."""

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        generation: GenerationSettings,
        think: Think,
        seed: int,
        device: Device,
        dtype: Dtype,
    ) -> Self:
        """Tokenizer and weights of a folder.

        Raises:
            LoadError: they cannot be loaded.
        """
        loading.check_model_folder(folder)
        tokenizer = loading.load_tokenizer(folder)
        model = loading.load_model(folder, dtype=dtype, device=device)
        return cls(model, tokenizer, generation, think, seed, context_length(folder))

    def ask_all(self, prompts: Sequence[str]) -> list[str]:
        """Replies in the order of the prompts, without thoughts; empty for a prompt too long."""
        rendered = [
            chat_template.render_prompt(self.tokenizer, chat_template.ask(prompt), self.think)
            for prompt in prompts
        ]
        ids = [chat_template.encode_prompt(self.tokenizer, text) for text in rendered]
        room = None if self.context is None else self.context - self.generation.max_new_tokens
        fits = [n for n, row in enumerate(ids) if room is None or len(row) <= room]
        replies = [""] * len(prompts)
        results = generate(
            self.model, self.tokenizer, [ids[n] for n in fits], self.generation,
            batch_size=max(1, len(fits)), seed=self.seed,
        )  # fmt: skip
        for n, result in zip(fits, results, strict=True):
            text = self.tokenizer.decode(result.ids, skip_special_tokens=True)
            opened = chat_template.opens_thought(rendered[n])
            replies[n] = chat_template.split_thought(text, opened_in_prompt=opened).answer
        return replies

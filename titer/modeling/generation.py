"""Batched generation: left padding, new tokens only, seeded sampling.

Invariant: greedy ids of a prompt do not depend on the batch it is in (float32).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from titer.config import GenerationSettings


@dataclass(frozen=True)
class Generated:
    """One generated continuation."""

    ids: list[int]
    """New tokens, without the end token and padding."""
    finish_reason: str
    """stop: the end token came; length: the limit did."""
    seconds: float
    """The batch's wall time divided by its size."""


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[list[int]],
    settings: GenerationSettings,
    *,
    batch_size: int,
    seed: int,
    on_done: Callable[[int], None] = lambda n: None,
) -> list[Generated]:
    """Continue every prompt, in the order given.

    Prompts are batched by length to save padding. With temperature above 0 the generator is seeded
    anew for each batch, so the result depends on `seed` and `batch_size` only.

    Args:
        on_done: called with the number of prompts finished since the last call.

    Raises:
        ValueError: a prompt is empty or ends with padding, which a decoder would go on writing.
    """
    for prompt in prompts:
        if not prompt or prompt[-1] == tokenizer.pad_token_id:
            raise ValueError("a prompt is empty or padded on the right; it must end with its text")
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
    results: dict[int, Generated] = {}
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        batch = _generate_batch(
            model, tokenizer, [prompts[i] for i in rows], settings, seed=seed + start
        )
        results.update(zip(rows, batch, strict=True))
        on_done(len(rows))
    return [results[i] for i in range(len(prompts))]


def _generate_batch(
    model: Any, tokenizer: Any, prompts: list[list[int]], settings: GenerationSettings, *, seed: int
) -> list[Generated]:
    import torch

    started = time.monotonic()
    ids, mask = left_padded(prompts, tokenizer.pad_token_id, model.device)
    torch.manual_seed(seed)
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids, attention_mask=mask, **_arguments(tokenizer, model, settings)
        )
    seconds = (time.monotonic() - started) / len(prompts)
    ends = end_token_ids(tokenizer, model)
    # a decoder of its own begins with one start token, any other with the prompt
    n_given = 1 if model.config.is_encoder_decoder else ids.shape[1]
    return [_cut(row, ends, seconds) for row in out[:, n_given:].tolist()]


def left_padded(prompts: Sequence[list[int]], pad_id: int, device: Any) -> tuple[Any, Any]:
    """Ids and mask of shape (batch, tokens), padded on the left: a decoder continues the end."""
    import torch

    width = max(map(len, prompts))
    ids = [[pad_id] * (width - len(p)) + p for p in prompts]
    mask = [[0] * (width - len(p)) + [1] * len(p) for p in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def end_token_ids(tokenizer: Any, model: Any) -> set[int]:
    """Ids that end an answer: the tokenizer's, and those of the model's generation settings."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    more = configured if isinstance(configured, list) else [configured]
    return {tokenizer.eos_token_id, *(i for i in more if i is not None)}


def _arguments(tokenizer: Any, model: Any, settings: GenerationSettings) -> dict[str, Any]:
    from transformers import GenerationConfig

    greedy = settings.temperature == 0
    # top_k 0: unset, transformers would keep the 50 likeliest tokens in silence
    sampling = (
        {} if greedy else {"temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
    )
    config = GenerationConfig(
        do_sample=not greedy,
        max_new_tokens=settings.max_new_tokens,
        eos_token_id=sorted(end_token_ids(tokenizer, model)),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        decoder_start_token_id=model.generation_config.decoder_start_token_id,
        **sampling,
    )
    return {"generation_config": config}


def _cut(row: list[int], ends: set[int], seconds: float) -> Generated:
    for index, token in enumerate(row):
        if token in ends:
            return Generated(row[:index], "stop", seconds)
    return Generated(row, "length", seconds)

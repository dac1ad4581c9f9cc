"""Texts to vectors with a text encoder: mean of the last hidden states, length one.

Invariant: full precision on the CPU and batches of texts of like length, so that neither order nor
number of the texts changes a vector by more than rounding; safetensors only, no remote code.
Reference: mean pooling as in Reimers and Gurevych (2019), Sentence-BERT, arXiv 1908.10084.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from titer.errors import LoadError, first_line
from titer.modeling.loading import check_model_folder, check_whole

logger = logging.getLogger(__name__)

BATCH_TOKENS = 8192
"""Tokens of a batch, padding included."""


def check_encoder_folder(folder: Path) -> None:
    """Refuse a folder that `encoder` could not load.

    Raises:
        LoadError: configuration, tokenizer.json or safetensors weights are missing.
    """
    check_model_folder(folder)
    if not (folder / "tokenizer.json").is_file():
        raise LoadError(f"{folder}: no tokenizer.json. Save the encoder with a fast tokenizer")


def encoder_or_none(folder: Path | None) -> Callable[[Sequence[str]], Any] | None:
    """The same as `encoder`, or None where no folder is named."""
    return None if folder is None else encoder(folder)


def encoder(folder: Path) -> Callable[[Sequence[str]], Any]:
    """A function from texts to vectors, its weights loaded once for many calls.

    Returns:
        Gives a float32 array (texts, size) of rows of length one, in the order of the texts.
    Raises:
        LoadError: the folder holds no usable encoder.
    """
    check_encoder_folder(folder)
    tokenizer, model = _load(folder)
    limit = _max_tokens(tokenizer, model)

    def vectors(texts: Sequence[str]) -> Any:
        return _vectors(tokenizer, model, list(texts), limit)

    return vectors


def _load(folder: Path) -> tuple[Any, Any]:
    """Tokenizer with a padding token, and the model in evaluation mode."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModel, AutoTokenizer

    where: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **where)
        model, info = AutoModel.from_pretrained(
            str(folder), use_safetensors=True, dtype=torch.float32, output_loading_info=True,
            **where,
        )  # fmt: skip
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise LoadError(f"{folder}: no usable text encoder: {first_line(error)}") from None
    # BERT's pooling head reads the last hidden states and is often not saved; here nothing reads it
    absent = [name for name in info["missing_keys"] if "pooler" not in name.split(".")]
    check_whole(folder, {**info, "missing_keys": absent})
    n_rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > n_rows:
        raise LoadError(
            f"{folder}: the tokenizer has {len(tokenizer)} entries and the model {n_rows}: they "
            f"do not belong together"
        )
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token is None:
            raise LoadError(f"{folder}: the tokenizer has neither padding nor end token")
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"  # positions then count from the first real token
    return tokenizer, model.eval()


def _max_tokens(tokenizer: Any, model: Any) -> int:
    """What the positions of the model hold; longer texts are cut."""
    positions = getattr(model.config, "max_position_embeddings", None)
    return min(int(tokenizer.model_max_length), int(positions or BATCH_TOKENS), BATCH_TOKENS)


def _vectors(tokenizer: Any, model: Any, texts: list[str], limit: int) -> Any:
    import numpy as np
    from tqdm.auto import tqdm

    unique = list(dict.fromkeys(texts))
    if not unique:
        return np.zeros((0, model.config.hidden_size), dtype=np.float32)
    encoded = tokenizer(unique, truncation=False, verbose=False)["input_ids"]
    n_cut = sum(len(ids) > limit for ids in encoded)
    if n_cut:
        logger.info("text encoder: %d of %d texts cut at %d tokens", n_cut, len(unique), limit)
    found: dict[str, Any] = {}
    with tqdm(total=len(unique), desc="text encoder", unit="text", delay=5) as bar:
        for batch in _batches([min(len(ids), limit) for ids in encoded]):
            chosen = [unique[number] for number in batch]
            found.update(zip(chosen, _pooled(tokenizer, model, chosen, limit), strict=True))
            bar.update(len(batch))
    return np.stack([found[text] for text in texts])


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of the texts, longest first, so many that a padded batch keeps BATCH_TOKENS."""
    order = sorted(range(len(lengths)), key=lambda number: -lengths[number])
    while order:
        size = max(1, BATCH_TOKENS // max(1, lengths[order[0]]))
        yield order[:size]
        order = order[size:]


def _pooled(tokenizer: Any, model: Any, texts: list[str], limit: int) -> Any:
    import torch

    batch = tokenizer(
        texts, padding=True, truncation=True, max_length=limit, return_tensors="pt"
    ).to(model.device)
    with torch.inference_mode():
        hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        return torch.nn.functional.normalize(mean, dim=-1).numpy()

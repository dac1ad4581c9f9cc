"""Attention per document: rows laid end to end in one sequence, none of which sees another.

The lengths of the documents travel in the batch as transformers' FlashAttention arguments
(`cu_seq_lens_q`, `max_length_q`), from the collator through the model to each layer: nothing is
kept between calls, so accumulation, evaluation and recomputed activations see their own batch.
On a CPU each document is one call of torch's attention, on a GPU all are one call of
`torch.nn.attention.varlen`; a mask of (tokens x tokens) is never made.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from titer.errors import LoadError, first_line

PER_DOCUMENT = "per_document"
"""Name under which transformers knows this attention."""
UNKNOWN = ("softcap", "s_aux", "position_bias")
"""What some architectures add to their scores and neither kernel takes."""
TOLERANCE = {4: 1e-4, 2: 0.05}
"""Bytes per number -> largest difference of packed from single logits, as a share of the largest
logit. Rounding stays far below; a trained model whose documents see each other is off by 0.3."""


def attention_forward(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **kwargs: Any
) -> tuple[Any, None]:
    """Causal attention within each document of one flattened row.

    Args:
        module: the layer; unused.
        query: (1, heads, tokens, head width).
        key: as query, with as many heads or fewer.
        value: as key.
        attention_mask: none: a mask is a mistake.
        kwargs: `cu_seq_lens_q`, where documents begin and the last one ends; `max_length_q`, of
            the longest; `scaling`; `sliding_window`, how far back a token sees, itself included.
    Returns:
        (1, tokens, heads, head width), and no weights.
    Raises:
        LoadError: the batch does not say where its documents are, or the architecture needs more.
    """
    ends = kwargs.get("cu_seq_lens_q")
    if ends is None or attention_mask is not None or query.shape[0] != 1:
        raise LoadError(
            "attention per document: the batch is not one row with cu_seq_lens_q and no mask, so "
            "documents would see each other. Collate with DataCollatorWithFlattening"
        )
    asked = [name for name in UNKNOWN if kwargs.get(name) is not None]
    if asked:
        raise LoadError(f"attention per document: {', '.join(asked)} is not supported")
    import torch

    dtype = value.dtype
    query, key, value = (states.to(_arithmetic(query)) for states in (query, key, value))
    # the kernel for all at once is FlashAttention's: half precision, no dropout
    at_once = query.is_cuda and query.dtype.itemsize == 2 and not kwargs.get("dropout")
    with torch.autocast(query.device.type, enabled=False):  # which would cast again
        out = (_all_at_once if at_once else _one_by_one)(query, key, value, kwargs)
    return out.to(dtype), None


def _arithmetic(query: Any) -> Any:
    """In which format to attend: normed queries are float32 where autocast's values are not."""
    import torch

    kind = query.device.type
    if kind == "cpu":  # torch 2.13 takes twice the time in bfloat16, most of it going backwards
        return torch.float32
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else query.dtype


def _one_by_one(query: Any, key: Any, value: Any, given: dict[str, Any]) -> Any:
    import torch

    lengths = given["cu_seq_lens_q"].diff().tolist()
    window = given.get("sliding_window")
    parts = (states.split(lengths, 2) for states in (query, key, value))
    done = []
    for one, keys, values in zip(*parts, strict=True):
        mask = _band(one, window) if window is not None and one.shape[2] > window else None
        seen = torch.nn.functional.scaled_dot_product_attention(
            one, keys, values, attn_mask=mask, is_causal=mask is None, scale=given.get("scaling"),
            dropout_p=given.get("dropout") or 0.0, enable_gqa=query.shape[1] != key.shape[1],
        )  # fmt: skip
        done.append(seen.transpose(1, 2))
    return torch.cat(done, 1)


def _all_at_once(query: Any, key: Any, value: Any, given: dict[str, Any]) -> Any:
    from torch.nn.attention.varlen import varlen_attn

    ends, longest = given["cu_seq_lens_q"], given["max_length_q"]
    window = given.get("sliding_window")
    queries, keys, values = (one[0].transpose(0, 1) for one in (query, key, value))
    out: Any = varlen_attn(
        queries, keys, values, ends, ends, longest, longest, scale=given.get("scaling"),
        enable_gqa=query.shape[1] != key.shape[1],
        window_size=(-1 if window is None else window - 1, 0),
    )  # fmt: skip
    return out[None]


def _band(query: Any, window: int) -> Any:
    import torch

    ones = torch.ones(query.shape[2], query.shape[2], dtype=torch.bool, device=query.device)
    return ones.tril().triu(1 - window)


def _no_mask(*args: Any, **kwargs: Any) -> None:
    """In place of a mask of (tokens x tokens)."""


@contextlib.contextmanager
def per_document(model: Any) -> Iterator[None]:
    """Let a model (not its PEFT wrapper) attend per document, and as before afterwards."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    AttentionInterface.register(PER_DOCUMENT, attention_forward)
    AttentionMaskInterface.register(PER_DOCUMENT, _no_mask)
    before = model.config._attn_implementation
    model.set_attn_implementation(PER_DOCUMENT)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def collator() -> Any:
    """Rows to one row: ids, labels (no document's first token), positions, ends of documents.

    Through numpy, which reads a list of numbers in less time than torch.
    """
    import numpy as np
    import torch
    from transformers import DataCollatorWithFlattening

    flatten = DataCollatorWithFlattening(return_tensors="np", return_flash_attn_kwargs=True)

    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
            for name, value in flatten(rows).items()
        }

    return collate


def why_not_packed(model: Any) -> str | None:
    """Why rows cannot be laid end to end for this model, or null when each is read as if alone.

    Found by trying: two documents together must give the second one the logits it has alone.
    Architectures with attention code of their own, or positions counted over the whole row, do not.
    """
    import torch

    size = min(model.config.vocab_size, 1000)
    documents = [[(7 * i + start) % size for i in range(24)] for start in (1, 5)]
    rows = [{"input_ids": ids, "labels": ids} for ids in documents]
    batch = {name: _moved(value, model.device) for name, value in collator()(rows).items()}
    del batch["labels"]
    with torch.no_grad():
        alone = model(input_ids=torch.tensor(documents[1:], device=model.device)).logits[0]
        try:
            with per_document(model):
                both = model(**batch, use_cache=False).logits[0, -len(alone) :]
        except (LoadError, TypeError, RuntimeError, ValueError) as error:
            return first_line(error)
    off = float((both - alone).abs().max() / alone.abs().max())
    exact = off <= TOLERANCE[alone.dtype.itemsize]
    return None if exact else f"documents would see each other (logits off by {off:.2g})"


def _moved(value: Any, device: Any) -> Any:
    return value.to(device) if hasattr(value, "to") else value

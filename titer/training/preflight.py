"""Checks between the data and the first step: what would train wrongly in silence is refused.

Invariant: nothing is loaded onto a device here; only token ids and sizes are looked at.
"""

import importlib.util
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer.config import Dtype, OnLong, SftSettings
from titer.errors import DataError, LoadError
from titer.modeling.chat_template import EncodedRow, encode_row
from titer.modeling.weights import count_parameters
from titer.records import Example

GIB = 1024**3


@dataclass(frozen=True)
class Rows:
    """Training rows as token ids, and what was left out."""

    kept: list[EncodedRow]
    dropped: list[dict[str, Any]]
    """`{id, tokens, reason}`, in the order of the examples."""


def encode_examples(
    tokenizer: Any, examples: Sequence[Example], settings: SftSettings, *, name: str
) -> Rows:
    """Tokenise examples and check every row.

    Args:
        name: of the examples, for messages: train or validation.
    Raises:
        DataError: no row is left, a row is too long with on_long=fail, or a row has no answer.
    """
    kept: list[EncodedRow] = []
    dropped: list[dict[str, Any]] = []
    for example in examples:
        row = encode_row(tokenizer, example.messages, settings.think)
        _check_labels(example, row, tokenizer.eos_token_id)
        if len(row.input_ids) > settings.max_length:
            _refuse_long(example, len(row.input_ids), settings)
            dropped.append({"id": example.id, "tokens": len(row.input_ids), "reason": "too long"})
        else:
            kept.append(row)
    if not kept:
        raise DataError(
            f"{name} examples: 0 of {len(examples)} rows fit into model.max_length="
            f"{settings.max_length}. Raise it, or collect papers with shorter answers"
        )
    return Rows(kept, dropped)


LENGTH_BINS = 20
"""Bins of a histogram of row lengths at most."""


def token_lengths(rows: Rows) -> dict[str, Any]:
    """Histogram and deciles of the row lengths in tokens, dropped rows included.

    Returns:
        `{n, n_dropped, deciles, bin_tokens, counts}`: deciles from the shortest row to the
        longest; bin k of `counts` holds lengths from k * bin_tokens to below (k + 1) * bin_tokens.
    """
    lengths = sorted(
        [len(row.input_ids) for row in rows.kept] + [row["tokens"] for row in rows.dropped]
    )
    width = -(-(lengths[-1] + 1) // LENGTH_BINS)
    bins = Counter(length // width for length in lengths)
    if len(lengths) == 1:
        tenths = [float(lengths[0])] * 9
    else:
        tenths = statistics.quantiles(lengths, n=10, method="inclusive")
    return {
        "n": len(lengths),
        "n_dropped": len(rows.dropped),
        "deciles": [lengths[0], *(round(tenth) for tenth in tenths), lengths[-1]],
        "bin_tokens": width,
        "counts": [bins[place] for place in range(lengths[-1] // width + 1)],
    }


def _check_labels(example: Example, row: EncodedRow, eos: int) -> None:
    if example.messages[-1]["role"] != "assistant" or not example.answer.strip():
        raise DataError(f"example {example.id} ({example.paper_id}) has no assistant's answer")
    if row.labels[-1] != eos:
        raise DataError(f"example {example.id}: the end token is not trained, so nothing would end")


def _refuse_long(example: Example, tokens: int, settings: SftSettings) -> None:
    if settings.on_long == OnLong.fail:
        raise DataError(
            f"example {example.id} ({example.paper_id}) has {tokens} tokens, model.max_length="
            f"{settings.max_length}. Raise it or set examples.on_long: drop"
        )


def micro_batch_rows(settings: SftSettings, longest: int) -> int:
    """Rows per forward pass: the largest divisor of batch_size whose padded tokens fit."""
    fit = max(1, settings.micro_batch_tokens // max(1, longest))
    return max(
        n for n in range(1, settings.batch_size + 1) if settings.batch_size % n == 0 and n <= fit
    )


BYTES_PER_PARAMETER = {
    # weights, gradients and optimiser states (reference: training, section 8)
    ("adamw_torch", Dtype.float32): 16,
    ("adamw_torch_fused", Dtype.float32): 16,
    ("adamw_8bit", Dtype.float32): 10,
    ("paged_adamw_8bit", Dtype.float32): 10,
    ("adamw_torch_8bit", Dtype.float32): 10,
    ("adamw_torch_8bit", Dtype.bfloat16): 6,
}


def full_memory_gib(n_parameters: int, optimizer: str, weights: Dtype) -> float:
    """Memory of a full fine-tune without activations.

    Raises:
        LoadError: bf16 weights with an optimiser that rounds small updates away.
    """
    try:
        size = BYTES_PER_PARAMETER[(optimizer, weights)]
    except KeyError:
        known = ", ".join(f"{name} on {dtype}" for name, dtype in sorted(BYTES_PER_PARAMETER))
        raise LoadError(
            f"hardware.optimizer.full = {optimizer!r} with model.dtype {weights}: not known to "
            f"train all weights exactly (bf16 loses small updates). Choose one of {known}"
        ) from None
    return n_parameters * size / GIB


def require_torchao(optimizer: str) -> None:
    """Refuse torchao's optimisers where that package is absent.

    Raises:
        LoadError: with the command that installs it.
    """
    is_torchao = optimizer.startswith("adamw_torch_") and optimizer.endswith("bit")
    if is_torchao and importlib.util.find_spec("torchao") is None:
        raise LoadError(
            f"hardware.optimizer.full = {optimizer!r} needs torchao, which is not installed: "
            'pip install -c constraints.txt -e ".[gpu]"'
        )


def why_not_full(
    enabled: bool | None, settings: SftSettings, *, base: Path, memory_gib: float
) -> str | None:
    """Why the full fine-tune does not run, or null when it does.

    With `enabled` null the model's size decides: nine tenths of the memory may be filled, the
    rest is left to activations.
    """
    if enabled is False:
        return "full.enabled is false"
    try:
        require_torchao(settings.optimizer)
        needed = full_memory_gib(count_parameters(base), settings.optimizer, settings.weights)
    except LoadError as error:
        if enabled is None:
            return str(error)
        raise
    if enabled is None and needed > 0.9 * memory_gib:
        return (
            f"a full fine-tune needs about {needed:.1f} GiB for weights, gradients and "
            f"{settings.optimizer} states, and hardware.memory_gib is {memory_gib:g}"
        )
    return None

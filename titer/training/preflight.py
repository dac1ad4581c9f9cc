"""Checks between the data and the first step: what would train wrongly in silence is refused.

Invariant: nothing is loaded onto a device here; only token ids and sizes are looked at.
"""

import importlib.util
import logging
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from titer.config import OnLong, SftSettings
from titer.errors import ConfigError, DataError, LoadError
from titer.modeling.chat_template import THINK_CLOSE, THINK_OPEN, EncodedRow, encode_rows
from titer.modeling.weights import count_parameters
from titer.records import Example
from titer.training import memory, room
from titer.training.checks import Check, base_checks, rounding, row_checks
from titer.training.lora import check_targets
from titer.training.replay import RECIPE as REPLAY

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rows:
    """Training rows as token ids, and what was left out."""

    kept: list[EncodedRow]
    dropped: list[dict[str, Any]]
    """`{id, tokens, reason}`, in the order of the examples."""
    examples: list[Example] = field(default_factory=list)
    """Those of `kept`, in the same order, role tokens taken out."""
    stripped: dict[str, int] = field(default_factory=dict)
    """Id -> number of role tokens that stood in its texts."""


def encode_examples(
    tokenizer: Any, examples: Sequence[Example], settings: SftSettings, *, name: str
) -> Rows:
    """Tokenise examples; those that are too long are left out or refused.

    Role tokens inside a text would end the turn there: they are taken out and counted.

    Args:
        name: of the examples, for messages: train or validation.
    Raises:
        DataError: no row is left, a row is too long with on_long=fail, or a row has no answer.
    """
    for example in examples:
        if example.messages[-1]["role"] != "assistant" or not example.answer.strip():
            raise DataError(f"example {example.id} ({example.paper_id}) has no assistant's answer")
    clean, stripped = without_role_tokens(tokenizer, examples)
    kept: list[EncodedRow] = []
    kept_examples: list[Example] = []
    dropped: list[dict[str, Any]] = []
    encoded = encode_rows(tokenizer, [example.messages for example in clean], settings.think)
    for example, row in zip(clean, encoded, strict=True):
        if len(row.input_ids) > settings.max_length:
            _refuse_long(example, len(row.input_ids), settings)
            dropped.append({"id": example.id, "tokens": len(row.input_ids), "reason": "too long"})
        else:
            kept.append(row)
            kept_examples.append(example)
    if not kept:
        raise DataError(
            f"{name} examples: 0 of {len(examples)} rows fit into model.max_length="
            f"{settings.max_length}. Raise it, or collect papers with shorter answers"
        )
    return Rows(kept, dropped, kept_examples, stripped)


def without_role_tokens(
    tokenizer: Any, examples: Sequence[Example]
) -> tuple[list[Example], dict[str, int]]:
    """Examples whose texts hold no special token, and how many were taken out of which.

    The tags of thoughts stay: they belong to the think policy.
    """
    tokens = set(tokenizer.all_special_tokens) | {
        str(token) for token in tokenizer.added_tokens_decoder.values() if token.special
    }
    found = sorted(tokens - {THINK_OPEN, THINK_CLOSE, ""}, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, found)) or "(?!)")
    clean: list[Example] = []
    stripped: dict[str, int] = {}
    for example in examples:
        n_found = sum(len(pattern.findall(m["content"])) for m in example.messages)
        if n_found:
            stripped[example.id] = n_found
            messages = [{**m, "content": pattern.sub("", m["content"])} for m in example.messages]
            example = replace(example, messages=messages)
        clean.append(example)
    if stripped:
        logger.warning(
            "%d role tokens taken out of the texts of %d examples, the first is %s",
            sum(stripped.values()), len(stripped), next(iter(stripped)),
        )  # fmt: skip
    return clean, stripped


@dataclass(frozen=True)
class Report:
    """What preflight found."""

    checks: list[Check]
    need: memory.Need | None
    """Memory at the peak; null where the architecture's is not known."""
    disk_bytes: float
    micro_rows: int
    micro_tokens: int
    """Of the largest micro-batch, padding included."""
    n_trained: int | None
    """Weights that training should change; null where that is not known."""
    notes: dict[str, Any]
    """For the run record."""


def inspect(
    tokenizer: Any,
    parts: Sequence[Rows],
    settings: SftSettings,
    *,
    base: Path,
    out: Path,
    there: room.There | None = None,
) -> Report:
    """Run every check that needs no weights; one that fails is in the report.

    Args:
        parts: rows for training, and those that measure the loss.
        out: where the result will be, for the free disk.
        there: what the machine has; null asks it.
    Raises:
        LoadError: an adapter has no place on the base.
    """
    pairs = [pair for rows in parts for pair in zip(rows.examples, rows.kept, strict=True)]
    checks = row_checks(tokenizer, pairs, settings) + base_checks(base, pairs, settings)
    longest = max(len(row.input_ids) for _, row in pairs)
    micro = micro_batch_rows(settings, longest)
    shape, need, disk, n_trained = room.shape_or_none(base), None, 0.0, None
    if shape is None:
        checks.append(Check("memory", True, "not known for this architecture, not checked"))
        if settings.lora:
            check_targets(base, settings.lora)
    else:
        tokens, labelled = micro * longest, micro * longest
        if settings.packing:  # only labelled places get logits (trainer.labelled_loss)
            labelled = micro * max(len(row.labels) - row.labels.count(-100) for _, row in pairs)
        n_micro = settings.batch_size // settings.n_processes // micro
        need = memory.need(shape, settings, tokens=tokens, labelled=labelled, n_micro=n_micro)
        disk = room.disk_bytes(shape, settings)
        n_trained = memory.n_adapter(shape, settings.lora) if settings.lora else None
        there = there or room.look(settings.device, out)
        checks += room.room_checks(need, disk, settings, there, tokens=tokens)
    notes = {
        "preflight": {check.name: check.found for check in checks if check.name not in MACHINE},
        "stripped": {k: n for rows in parts for k, n in sorted(rows.stripped.items())},
        "n_replay": sum(example.recipe == REPLAY for example in parts[0].examples),
    }
    return Report(checks, need, disk, micro, micro * longest, n_trained, notes)


MACHINE = ("memory", "disk", "GPUs")
"""Checks whose text differs from machine to machine: they stay out of the run record."""

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


def _refuse_long(example: Example, tokens: int, settings: SftSettings) -> None:
    if settings.on_long == OnLong.fail:
        raise DataError(
            f"example {example.id} ({example.paper_id}) has {tokens} tokens, model.max_length="
            f"{settings.max_length}. Raise it or set examples.on_long: drop"
        )


def micro_batch_rows(settings: SftSettings, longest: int) -> int:
    """Rows per forward pass: the largest divisor of a process's rows whose padded tokens fit."""
    fit = max(1, settings.micro_batch_tokens // max(1, longest))
    rows = settings.batch_size // settings.n_processes
    return max(n for n in range(1, rows + 1) if rows % n == 0 and n <= fit)


def require_installed(settings: SftSettings) -> None:
    """Refuse trackers and optimisers whose package is absent, and optimisers that are not known.

    Raises:
        ConfigError: of a tracker, with the command that installs it.
        LoadError: of the optimiser.
    """
    absent = [name for name in settings.report_to if importlib.util.find_spec(name) is None]
    if absent:
        raise ConfigError(
            f"hardware.report_to = {settings.report_to}: {', '.join(absent)} is not installed. "
            'Take it out, or: pip install -c constraints.txt -e ".[watch]"'
        )
    memory.check_optimizer(settings)
    require_torchao(settings)


def require_torchao(settings: SftSettings) -> None:
    """Refuse torchao's optimisers where that package is absent.

    Raises:
        LoadError: with the command that installs it.
    """
    name = settings.optimizer
    is_torchao = name.startswith("adamw_torch_") and name.endswith("bit")
    if is_torchao and importlib.util.find_spec("torchao") is None:
        raise LoadError(
            f"{memory.optimizer_key(settings)} = {name!r} needs torchao, which is not installed: "
            'pip install -c constraints.txt -e ".[gpu]"'
        )


def why_not_full(
    enabled: bool | None, settings: SftSettings, *, base: Path, memory_gib: float
) -> str | None:
    """Why the full fine-tune does not run, or null when it does.

    With `enabled` null the model's size decides, and optimisers that cannot train it are a reason.

    Raises:
        LoadError: `enabled` is true and the optimiser cannot be used.
    """
    if enabled is False:
        return "full.enabled is false"
    try:
        require_torchao(settings)
        check = rounding(settings)
        if not check.is_ok:
            raise LoadError(check.found)
        shape, tokens = room.shape_or_none(base), settings.micro_batch_tokens
        if shape is None:
            needed = memory.held_bytes(count_parameters(base), settings) / memory.GIB
            batch = "besides activations, which are not known for this architecture"
        else:
            needed = memory.need(shape, settings, tokens=tokens).total / memory.GIB
            batch = f"with {tokens:,} tokens of activations"
    except LoadError as error:
        if enabled is None:
            return str(error)
        raise
    if enabled is None and needed * room.MARGIN[settings.device] > memory_gib:
        return (
            f"a full fine-tune needs about {needed:.1f} GiB for weights, gradients and "
            f"{settings.optimizer} states {batch}, and hardware.memory_gib is {memory_gib:g}"
        )
    return None

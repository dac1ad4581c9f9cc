"""What would train wrongly in silence, one check each, with the ids of the rows.

Invariant: token ids, texts and settings are looked at; nothing is changed and no weights are read.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer import files
from titer.config import Dtype, SftSettings, Think
from titer.errors import DataError
from titer.modeling.chat_template import (
    THINK_CLOSE,
    EncodedRow,
    encode_continuation,
    encode_prompt,
    opens_thought,
    render_prompt,
)
from titer.modeling.weights import context_length
from titer.records import Example

SHOWN_IDS = 3
"""Rows that a message names."""
PARITY_ROWS = 500
"""Rows whose prompt is rendered and tokenised once more, one at a time as in use."""
LOW_RATE = 1e-4
"""Below it AdamW on bf16 weights moves 88 % of them or fewer (reference: training, 3.4)."""
ROPE_KEYS = frozenset(
    {
        "rope_type", "type", "rope_theta", "factor", "original_max_position_embeddings",
        "attention_factor", "beta_fast", "beta_slow", "short_factor", "long_factor",
        "low_freq_factor", "high_freq_factor", "mscale", "mscale_all_dim", "truncate",
        "partial_rotary_factor",
    }
)  # fmt: skip
"""Keys of scaled positions that transformers 5.23 reads; it only warns about another one."""

Pair = tuple[Example, EncodedRow]


@dataclass(frozen=True)
class Check:
    """One check and what it found."""

    name: str
    is_ok: bool
    found: str
    """What was seen, and what to change where it is refused."""


def require(checks: Iterable[Check]) -> None:
    """Refuse to train at the first check that failed.

    Raises:
        DataError: its name, what was found and the setting to change.
    """
    for check in checks:
        if not check.is_ok:
            raise DataError(f"preflight, {check.name}: {check.found}")


def row_checks(tokenizer: Any, pairs: Sequence[Pair], settings: SftSettings) -> list[Check]:
    """Checks of the rows that are trained on or measured."""
    return [
        _labels(pairs),
        _end_token(pairs, tokenizer.eos_token_id),
        _mask(pairs, tokenizer),
        _double_begin(pairs, tokenizer.bos_token_id),
        _parity(pairs, tokenizer, settings.think),
        _thoughts(pairs, tokenizer, settings.think),
    ]


def base_checks(base: Path, pairs: Sequence[Pair], settings: SftSettings) -> list[Check]:
    """Checks of the settings against the base model's configuration."""
    config = files.read_json_object(base / "config.json")
    return [
        _vocabulary(pairs, int(config.get("vocab_size") or 0)),
        _context(pairs, context_length(base)),
        _positions(config),
        rounding(settings),
    ]


def _verdict(name: str, bad: Sequence[Example], n_rows: int, fault: str, good: str) -> Check:
    if not bad:
        return Check(name, True, f"{n_rows:,} rows: {good}")
    ids = ", ".join(row.id for row in bad[:SHOWN_IDS])
    more = f" and {len(bad) - SHOWN_IDS:,} more" if len(bad) > SHOWN_IDS else ""
    return Check(name, False, f"{len(bad):,} of {n_rows:,} rows {fault}: {ids}{more}")


def _labels(pairs: Sequence[Pair]) -> Check:
    bad = [e for e, row in pairs if row.labels.count(-100) >= len(row.labels)]
    fault = "have no label, so TRL would drop them or learn nothing (give them an answer)"
    return _verdict("labels", bad, len(pairs), fault, "each has labels")


def _end_token(pairs: Sequence[Pair], eos: int) -> Check:
    bad = [e for e, row in pairs if eos not in row.labels]
    fault = "do not train the end token, so no answer would end (check the tokenizer's eos_token)"
    return _verdict("end token", bad, len(pairs), fault, "each trains its end token")


def _mask(pairs: Sequence[Pair], tokenizer: Any) -> Check:
    """The labels are the answer and its end, nothing of the prompt, as far as it can be written.

    What is read back may lack what the tokenizer has no token for, such as T5's line feeds and
    braces; then the labels must be the ids that it writes for the answer alone.
    """
    trained = [[i for i in row.labels if i != -100][:-1] for _, row in pairs]
    texts = tokenizer.backend_tokenizer.decode_batch(trained, skip_special_tokens=False)
    bad: list[Example] = []
    lossy: list[Example] = []
    for (example, row), ids, text in zip(pairs, trained, texts, strict=True):
        if not _is_suffix(row):
            bad.append(example)
        elif _plain(text) != _plain(example.answer):
            written = encode_continuation(tokenizer, example.answer)
            (lossy if ids == written else bad).append(example)
    fault = "train something else than their answer (the chat template moved the mask)"
    good = "what is trained is the answer"
    if lossy:
        good += (
            f"; {len(lossy):,} rows hold characters that the tokenizer cannot write, first "
            f"{lossy[0].id}"
        )
    return _verdict("label mask", bad, len(pairs), fault, good)


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


def _is_suffix(row: EncodedRow) -> bool:
    """Whether the labels are one run at the end that repeats the ids."""
    n_masked = row.labels.count(-100)
    return row.labels[n_masked:] == row.input_ids[n_masked:]


def _double_begin(pairs: Sequence[Pair], bos: int | None) -> Check:
    bad = [e for e, row in pairs if bos is not None and row.input_ids[:2] == [bos, bos]]
    fault = "begin with two beginning tokens (the chat template prints one and so does the code)"
    return _verdict("beginning token", bad, len(pairs), fault, "at most one")


def _parity(pairs: Sequence[Pair], tokenizer: Any, think: Think) -> Check:
    step = max(1, len(pairs) // PARITY_ROWS)
    looked_at = pairs[::step]
    bad = []
    for example, row in looked_at:
        asked = encode_prompt(tokenizer, render_prompt(tokenizer, example.messages[:-1], think))
        n_masked = row.labels.count(-100)
        if row.input_ids[: len(asked)] != asked or n_masked != len(asked):
            bad.append(example)
    fault = "do not begin with the ids that the model is given in use (check the chat template)"
    return _verdict("training as in use", bad, len(looked_at), fault, "same prompt ids as in use")


def _thoughts(pairs: Sequence[Pair], tokenizer: Any, think: Think) -> Check:
    name = "think policy"
    if think != Think.keep or not pairs:
        bad = [e for e, _ in pairs if THINK_CLOSE in e.answer]
        fault = f"hold a thought, and model.think = {think} trains none (set it to keep)"
        return _verdict(name, bad, len(pairs), fault, f"model.think = {think}, no thought")
    if not opens_thought(render_prompt(tokenizer, pairs[0][0].messages[:-1], think)):
        return Check(name, True, "model.think = keep: the template opens no thought")
    bad = [e for e, _ in pairs if THINK_CLOSE not in e.answer]
    fault = "have no thought, and model.think = keep begins one (set it to empty or none)"
    return _verdict(name, bad, len(pairs), fault, "each closes its thought")


def _vocabulary(pairs: Sequence[Pair], vocab_size: int) -> Check:
    bad = [e for e, row in pairs if max(row.input_ids) >= vocab_size]
    fault = f"hold ids beyond the model's {vocab_size:,} (this tokenizer belongs to another model)"
    return _verdict("vocabulary", bad, len(pairs), fault, f"ids below {vocab_size:,}")


def _context(pairs: Sequence[Pair], limit: int | None) -> Check:
    bad = [e for e, row in pairs if limit is not None and len(row.input_ids) > limit]
    fault = f"are longer than the model's context of {limit} tokens (lower model.max_length)"
    return _verdict("context", bad, len(pairs), fault, f"at most {limit} tokens")


def _positions(config: dict[str, Any]) -> Check:
    """A key that transformers does not read makes another model than the one that is served."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    unknown = sorted(key for part in _rope_parts(rope) for key in set(part) - ROPE_KEYS)
    if unknown:
        found = (
            f"config.json scales positions by {', '.join(unknown)}, which transformers ignores and "
            "other engines do not (set model.attention_factor)"
        )
        return Check("positions", False, found)
    kind = rope.get("rope_type") or rope.get("type") or "default"
    factor = rope.get("attention_factor")
    return Check("positions", True, f"{kind}, attention factor {factor or 'by formula'}")


def _rope_parts(rope: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The mapping itself, or one per kind of layer."""
    nested = [part for part in rope.values() if isinstance(part, dict)]
    yield from nested or [rope]


def rounding(settings: SftSettings) -> Check:
    """Pure bf16 weights at a low rate lose most updates, unless they round stochastically."""
    name = "rounding"
    is_pure = settings.lora is None and settings.weights == Dtype.bfloat16
    if not is_pure:
        return Check(name, True, "the trained weights are float32")
    if settings.optimizer == "adamw_torch_8bit":
        return Check(name, True, "bfloat16 weights, rounded stochastically")
    if settings.learning_rate >= LOW_RATE:
        return Check(name, True, f"bfloat16 weights at a rate of {settings.learning_rate:g}")
    found = (
        f"bfloat16 weights, full.learning_rate = {settings.learning_rate:g} and "
        f"hardware.optimizer.full = {settings.optimizer}: most updates would be rounded away "
        "(set model.dtype: float32 or the optimizer adamw_torch_8bit)"
    )
    return Check(name, False, found)

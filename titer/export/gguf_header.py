"""What a GGUF file says of the model's architecture.

Invariant: whatever in a configuration would change an answer is either written or refused.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from titer import files
from titer.errors import LoadError
from titer.export.gguf_vocabulary import CHECKOUT
from titer.export.gguf_weights import Array

ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "llama",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
}
"""Class in transformers -> architecture of llama.cpp."""

ROPE_KEYS = frozenset(
    {
        "rope_type", "rope_theta", "factor", "original_max_position_embeddings", "attention_factor",
        "low_freq_factor", "high_freq_factor",
        "attn_factor",  # of some repositories; transformers does not read it
    }
)  # fmt: skip
"""Of a rotation, what is written or without effect."""
ROPE_DEFAULTS = {"beta_fast": 32, "beta_slow": 1, "partial_rotary_factor": 1.0}
"""What other keys must be, because llama.cpp assumes it."""


LARGEST = float(np.finfo(np.float32).max)
"""Of a number in a GGUF file."""
ROPE_NUMBERS: dict[str, tuple[str, ...]] = {
    "default": (),
    "linear": ("factor",),
    "yarn": ("factor", "original_max_position_embeddings"),
    "llama3": (
        "factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor",
    ),
}  # fmt: skip
"""Kind of rotation -> what it needs besides rope_theta."""


@dataclass(frozen=True)
class Header:
    """A model's shape, as llama.cpp needs it."""

    architecture: str
    n_layers: int
    context_length: int
    """Tokens; no longer than a sliding window, which these architectures do not have there."""
    hidden_size: int
    intermediate_size: int
    n_heads: int
    n_kv_heads: int
    head_size: int
    norm_epsilon: float
    vocab_size: int
    tied: bool
    """Whether the embedding is the output layer as well."""
    rope: Mapping[str, Any]
    """rope_parameters of config.json."""


def read(folder: Path) -> Header:
    """The header of a model folder.

    Raises:
        LoadError: an architecture, activation or rotation that Titer does not write.
    """
    config = files.read_json_object(folder / "config.json")
    names = config.get("architectures")
    name = str(names[0]) if isinstance(names, list) and names else "none"
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise LoadError(f"{folder}: GGUF is written for {known}, not for {name}. {CHECKOUT}")
    _check(folder, config)
    number = partial(_number, folder, config)
    n_heads = number("num_attention_heads")
    context, window = number("max_position_embeddings"), _window(folder, config)
    return Header(
        architecture=ARCHITECTURES[name],
        n_layers=number("num_hidden_layers"),
        context_length=min(context, window) if window else context,
        hidden_size=number("hidden_size"),
        intermediate_size=number("intermediate_size"),
        n_heads=n_heads,
        n_kv_heads=number("num_key_value_heads", n_heads),
        head_size=number("head_dim", number("hidden_size") // n_heads),
        norm_epsilon=_real(folder, "rms_norm_eps", config.get("rms_norm_eps")),
        vocab_size=number("vocab_size"),
        tied=bool(config.get("tie_word_embeddings")),
        rope=_rope(folder, config),
    )


def _number(folder: Path, config: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """A size of the configuration; the default where it has none."""
    value = config.get(key) or default
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31:
        raise LoadError(
            f"{folder}/config.json: {key} is {value!r}, expected a number of at least 1. {CHECKOUT}"
        )
    return value


def _real(folder: Path, key: str, value: object) -> float:
    """A positive number of the configuration."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= LARGEST:  # type: ignore[operator]
        raise LoadError(
            f"{folder}/config.json: {key} is {value!r}, expected a number above 0. {CHECKOUT}"
        )
    return float(value)  # type: ignore[arg-type]


def _check(folder: Path, config: Mapping[str, Any]) -> None:
    if config.get("hidden_act") != "silu":
        raise LoadError(
            f"{folder}: hidden_act is {config.get('hidden_act')}; llama.cpp has silu here. "
            f"{CHECKOUT}"
        )


def _window(folder: Path, config: Mapping[str, Any]) -> int | None:
    """The sliding window, where the model uses one."""
    if not config.get("use_sliding_window", True) or not config.get("sliding_window"):
        return None
    return _number(folder, config, "sliding_window")


def _rope(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """The rotation: of today's key, or of the two that stood there before transformers 5."""
    scaling, today = (config.get(key) or {} for key in ("rope_scaling", "rope_parameters"))
    if not isinstance(scaling, dict) or not isinstance(today, dict):
        raise LoadError(
            f"{folder}/config.json: rope_scaling and rope_parameters are objects or absent"
        )
    rope = dict(today or {"rope_theta": config.get("rope_theta", 10000.0), **scaling})
    kind = rope.setdefault("rope_type", rope.pop("type", "default"))
    if not isinstance(kind, str) or kind not in ROPE_NUMBERS:
        raise LoadError(f"{folder}: rope_type is {kind}, which Titer does not write. {CHECKOUT}")
    other = sorted(k for k in rope.keys() - ROPE_KEYS if rope[k] != ROPE_DEFAULTS.get(k))
    if other:
        raise LoadError(
            f"{folder}: its rotation's {other[0]} is {rope[other[0]]}, which Titer does not "
            f"write. {CHECKOUT}"
        )
    for key in ("rope_theta", *ROPE_NUMBERS[kind]):
        _real(folder, f"{key} of its rotation", rope.get(key))
    if kind == "llama3" and rope["low_freq_factor"] >= rope["high_freq_factor"]:
        raise LoadError(f"{folder}/config.json: low_freq_factor is not below high_freq_factor")
    return rope


def write(writer: Any, header: Header) -> None:
    """Write the header's keys with a GGUFWriter."""
    writer.add_vocab_size(header.vocab_size)
    writer.add_block_count(header.n_layers)
    writer.add_context_length(header.context_length)
    writer.add_embedding_length(header.hidden_size)
    writer.add_feed_forward_length(header.intermediate_size)
    writer.add_head_count(header.n_heads)
    writer.add_head_count_kv(header.n_kv_heads)
    writer.add_key_length(header.head_size)
    writer.add_value_length(header.head_size)
    writer.add_layer_norm_rms_eps(header.norm_epsilon)
    writer.add_rope_dimension_count(header.head_size)
    writer.add_rope_freq_base(float(header.rope["rope_theta"]))
    kind = header.rope["rope_type"]
    if kind in {"linear", "yarn"}:
        import gguf

        writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
        writer.add_rope_scaling_factor(float(header.rope["factor"]))
    if kind == "yarn":
        length = header.rope["original_max_position_embeddings"]
        writer.add_rope_scaling_orig_ctx_len(length)
        if header.rope.get("attention_factor") is not None:
            # llama.cpp multiplies by YaRN's own, which transformers replaces
            own = 0.1 * math.log(header.rope["factor"]) + 1.0
            key = f"{header.architecture}.rope.scaling.attn_factor"
            writer.add_float32(key, header.rope["attention_factor"] / own)


def rope_factors(header: Header) -> Array | None:
    """What each frequency is divided by in Llama 3.1 and later; null where nothing is.

    Reference: `rope_type: llama3` of transformers: short waves stay, long ones are divided by
    `factor`, those between are blended.
    """
    rope = header.rope
    if rope["rope_type"] != "llama3":
        return None
    steps = np.arange(0, header.head_size, 2, dtype=np.float64) / header.head_size
    waves = 2 * np.pi * float(rope["rope_theta"]) ** steps
    length, factor = rope["original_max_position_embeddings"], float(rope["factor"])
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    share = np.clip((length / waves - low) / (high - low), 0.0, 1.0)
    return np.asarray(1.0 / ((1.0 - share) / factor + share), dtype=np.float32)

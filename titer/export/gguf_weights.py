"""Tensors of a model folder or adapter under the names, and in the order of rows, of llama.cpp.

Invariant: weights are read one at a time, as they are stored; no torch, no pickle.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from titer.errors import LoadError
from titer.modeling.weights import tensor_shapes

Array = npt.NDArray[Any]

LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""Module of a layer in transformers -> name in llama.cpp."""
WHOLE = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}
"""The same outside the layers."""
STORED = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""Number formats of safetensors that can be weights; numpy has no bfloat16."""
_IN_LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)")


def llama_cpp_name(module: str) -> str | None:
    """`blk.3.attn_q` for `model.layers.3.self_attn.q_proj`; null where there is none."""
    found = _IN_LAYER.fullmatch(module)
    if found is None:
        return WHOLE.get(module)
    name = LAYER.get(found[2])
    return name and f"blk.{found[1]}.{name}"


def interleaved(rows: Array, n_heads: int) -> Array:
    """Rows of a query or key projection in the order that the `llama` architecture rotates them.

    transformers turns row i of a head together with row i + half, llama.cpp rows 2i and 2i + 1.
    """
    size = rows.shape[0] // n_heads
    order = np.arange(size).reshape(2, size // 2).T.ravel()
    return rows.reshape(n_heads, size, *rows.shape[1:])[:, order].reshape(rows.shape)


@dataclass(frozen=True)
class Stored:
    """One tensor of a safetensors file, not read yet."""

    name: str
    shape: tuple[int, ...]
    file: Path
    kind: str
    """Number format in safetensors' words."""
    offset: int
    """Byte of the file at which the values begin."""

    def values(self) -> Array:
        """The tensor in float32."""
        raw = np.memmap(
            self.file, dtype=STORED[self.kind], mode="r", offset=self.offset, shape=self.shape
        )
        if self.kind == "BF16":  # the upper half of a float32
            return (raw.astype(np.uint32) << 16).view(np.float32)
        return np.array(raw, dtype=np.float32)


def stored(file: Path) -> list[Stored]:
    """Every tensor of a safetensors file, sorted by name.

    Raises:
        LoadError: the file is damaged, or holds numbers that are no weights.
    """
    tensor_shapes(file)  # safetensors itself checks that the header is sound
    with file.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(size))
    found = []
    for name in sorted(header.keys() - {"__metadata__"}):
        kind, start = header[name]["dtype"], header[name]["data_offsets"][0]
        if kind not in STORED:
            allowed = ", ".join(STORED)
            raise LoadError(f"{file}: {name} is {kind}; weights are one of {allowed}")
        found.append(Stored(name, tuple(header[name]["shape"]), file, kind, 8 + size + start))
    return found

"""A merged model, or a LoRA adapter, as a GGUF file for llama.cpp and what is built on it.

Invariant: the same folder gives the same bytes; a file is there whole or not at all. Tensors are
converted one at a time, so memory stays at the size of the largest.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from titer import files
from titer.errors import LoadError, NotFound
from titer.export import gguf_header, gguf_vocabulary, gguf_weights
from titer.export.gguf_header import Header
from titer.export.gguf_vocabulary import CHECKOUT, Vocabulary
from titer.export.gguf_weights import Array, Stored
from titer.export.landing import landing
from titer.modeling.weights import weight_files

MODEL, BASE, ADAPTER = "model.gguf", "base.gguf", "adapter.gguf"
"""Names in an export: merged, or base and adapter."""
TYPES = {
    "f32": "ALL_F32", "f16": "MOSTLY_F16", "bf16": "MOSTLY_BF16", "q8_0": "MOSTLY_Q8_0",
    "q5_0": "MOSTLY_Q5_0", "q4_0": "MOSTLY_Q4_0",
}  # fmt: skip
"""Number formats of the matrices that the package gguf writes -> what llama.cpp calls such a file.
K-quants (q4_K_M) are made from f16 by llama.cpp's llama-quantize or by Ollama."""
_IN_ADAPTER = "base_model.model."
_NO_PLACE = (
    "use_dora", "modules_to_save", "lora_bias", "alpha_pattern", "rank_pattern",
    "trainable_token_indices", "layer_replication",
)  # fmt: skip
"""Settings of an adapter that GGUF cannot express."""


@dataclass(frozen=True)
class _Planned:
    """One tensor of the file to be: its values are made when they are written."""

    name: str
    shape: tuple[int, ...]
    values: Callable[[], Array]


def check(folder: Path, adapter: Path | None = None) -> None:
    """Refuse what `write_model` and `write_adapter` would, before any weights are read.

    Raises:
        LoadError: the architecture, a tensor, the tokenizer or the adapter is not one that Titer
            writes.
        NotFound: there is no safetensors adapter in the folder.
    """
    header = gguf_header.read(folder)
    gguf_vocabulary.read(folder, header.vocab_size)
    _model_tensors(folder, header)
    if adapter is not None:
        _adapter_config(adapter)
        _adapter_tensors(adapter / "adapter_model.safetensors", header)


def write_model(folder: Path, out: Path, *, number_format: str) -> Path:
    """Write a model folder as one GGUF file.

    Args:
        folder: config.json, tokenizer.json and safetensors; an adapter merged before.
        number_format: one of TYPES, of every matrix; vectors stay float32. Where rows do not fill
            whole blocks, a matrix stays float16.

    Raises:
        LoadError: the architecture, a tensor or the tokenizer is not one that Titer writes.
    """
    header = gguf_header.read(folder)
    vocabulary = gguf_vocabulary.read(folder, header.vocab_size)
    planned = _model_tensors(folder, header)
    with landing(out) as path:
        writer = _writer(path, header)
        writer.add_type("model")
        _write_type(writer, number_format)
        gguf_header.write(writer, header)
        _write_vocabulary(writer, vocabulary)
        _write_tensors(writer, planned, number_format)
    return out


def write_adapter(adapter: Path, base: Path, out: Path) -> Path:
    """Write a LoRA adapter as a GGUF file in float32, to be loaded beside the base's.

    Args:
        adapter: adapter_config.json and adapter_model.safetensors.
        base: folder of the model that it belongs to.

    Raises:
        LoadError: the adapter holds more than low-rank pairs, or the base is not one we write.
        NotFound: there is no safetensors adapter in the folder.
    """
    header = gguf_header.read(base)
    config = _adapter_config(adapter)
    planned = _adapter_tensors(adapter / "adapter_model.safetensors", header)
    # llama.cpp scales by alpha / r; with rslora PEFT does by alpha / sqrt(r)
    alpha = config["lora_alpha"] * (math.sqrt(config["r"]) if config.get("use_rslora") else 1)
    with landing(out) as path:
        writer = _writer(path, header)
        writer.add_type("adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", float(alpha))
        _write_type(writer, "f32")
        _write_tensors(writer, planned, "f32")
    return out


def _writer(path: Path, header: Header) -> Any:
    import gguf

    return gguf.GGUFWriter(path, header.architecture)


def _write_type(writer: Any, number_format: str) -> None:
    import gguf

    writer.add_file_type(gguf.LlamaFileType[TYPES[number_format]])
    if number_format.startswith("q"):
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _write_vocabulary(writer: Any, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.kinds)
    if vocabulary.model == "gpt2":
        writer.add_token_merges(vocabulary.merges)
    else:
        writer.add_token_scores(vocabulary.scores)
        writer.add_add_space_prefix(True)
    for name, token in vocabulary.special.items():
        getattr(writer, f"add_{name}_token_id")(token)
    writer.add_add_bos_token(vocabulary.adds_bos)
    if vocabulary.template:
        writer.add_chat_template(vocabulary.template)


def _model_tensors(folder: Path, header: Header) -> list[_Planned]:
    planned = []
    for tensor in (one for file in weight_files(folder) for one in gguf_weights.stored(file)):
        module, _, kind = tensor.name.rpartition(".")
        name = gguf_weights.llama_cpp_name(module)
        if name is None or kind not in {"weight", "bias"}:
            raise LoadError(
                f"{tensor.file}: {tensor.name} is no part of {header.architecture} in llama.cpp. "
                f"{CHECKOUT}"
            )
        values = _rotated(tensor, name, header)
        planned.append(_Planned(f"{name}.{kind}", tensor.shape, values))
    if not header.tied and "output.weight" not in {one.name for one in planned}:
        raise LoadError(f"{folder}: no lm_head.weight, and its embedding is not the output layer")
    factors = gguf_header.rope_factors(header)
    if factors is not None:
        planned.append(_Planned("rope_freqs.weight", factors.shape, lambda: factors))
    return planned


def _rotated(tensor: Stored, name: str, header: Header) -> Callable[[], Array]:
    """The tensor's values, rows of queries and keys in the order of the architecture."""
    heads = {"attn_q": header.n_heads, "attn_k": header.n_kv_heads}.get(name.rpartition(".")[2])
    if header.architecture != "llama" or heads is None:
        return tensor.values
    return lambda: gguf_weights.interleaved(tensor.values(), heads)


def _adapter_config(adapter: Path) -> dict[str, Any]:
    if not (adapter / "adapter_model.safetensors").is_file():
        raise NotFound(f"{adapter}: no adapter_model.safetensors")
    config = files.read_json_object(adapter / "adapter_config.json")
    if config.get("peft_type") != "LORA":
        raise LoadError(f"{adapter}: peft_type is {config.get('peft_type')}; GGUF has LORA only")
    used = [name for name in _NO_PLACE if config.get(name)]
    if used:
        raise LoadError(
            f"{adapter}: {', '.join(used)} has no place in a GGUF adapter. Export the merged model"
        )
    return config


def _adapter_tensors(file: Path, header: Header) -> list[_Planned]:
    planned = []
    for tensor in gguf_weights.stored(file):
        path = tensor.name.removeprefix(_IN_ADAPTER).removesuffix(".weight")
        module, _, part = path.rpartition(".lora_")
        name = gguf_weights.llama_cpp_name(module)
        if name is None or part not in {"A", "B"}:
            raise LoadError(
                f"{file}: {tensor.name} has no place in a GGUF adapter. Export the merged model"
            )
        values = _rotated(tensor, name, header) if part == "B" else tensor.values
        planned.append(_Planned(f"{name}.weight.lora_{part.lower()}", tensor.shape, values))
    return planned


def _write_tensors(writer: Any, planned: Sequence[_Planned], number_format: str) -> None:
    import gguf
    from tqdm import tqdm

    types = [_tensor_type(tensor, number_format) for tensor in planned]
    for tensor, kind in zip(planned, types, strict=True):
        block, size = gguf.GGML_QUANT_SIZES[kind]
        n_bytes = math.prod(tensor.shape) // block * size
        writer.add_tensor_info(tensor.name, tensor.shape, np.dtype(np.float32), n_bytes, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    pairs = list(zip(planned, types, strict=True))
    for tensor, kind in tqdm(pairs, desc="writing GGUF", unit="tensor", delay=5):
        writer.write_tensor_data(gguf.quants.quantize(tensor.values(), kind))
    writer.close()


def _tensor_type(tensor: _Planned, number_format: str) -> Any:
    import gguf

    if len(tensor.shape) == 1:
        return gguf.GGMLQuantizationType.F32
    kind = gguf.GGMLQuantizationType[number_format.upper()]
    fills_blocks = tensor.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0] == 0
    return kind if fills_blocks else gguf.GGMLQuantizationType.F16

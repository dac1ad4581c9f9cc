"""How much memory a fine-tune needs, by arithmetic on the model's configuration alone.

Weights, gradients and optimiser states are counted; activations are the tensors that autograd
keeps, counted with saved-tensor hooks on Qwen3, Llama and GPT-2 of transformers 5.23.
Invariant: no torch and no weights; these are bytes in use. A test compares the sum with what a
process takes whose allocator gives freed memory back; glibc's keeps it in pieces (room.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from titer import files
from titer.config import Device, Dtype, LoraSettings, SftSettings
from titer.errors import LoadError
from titer.training import spread
from titer.training.lora import chosen_modules

GIB = 1024**3
SIZE_BYTES = {Dtype.float32: 4, Dtype.bfloat16: 2}
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Bytes per 4-bit weight: a code per block of 64, and a float per 256 of those codes."""
CHUNKED_FROM = 32_000
"""Vocabulary from which TRL's head pays: it never holds all logits at once (trainer.py)."""
CHUNK_TOKENS = 256
"""Tokens whose logits TRL's chunked head holds at once (trl 1.16)."""

OPTIMIZER_BYTES = {
    # states per trained parameter
    "adamw_torch": 8,
    "adamw_torch_fused": 8,
    "adamw_8bit": 2,
    "paged_adamw_8bit": 2,
    "adamw_torch_8bit": 2,
}


@dataclass(frozen=True)
class Shape:
    """What memory depends on."""

    family: str
    """gpt2, qwen3 (norms on queries and keys) or llama (Llama, Mistral, Qwen2)."""
    hidden: int
    intermediate: int
    n_layers: int
    query_width: int
    """Heads times their width."""
    kv_width: int
    """Key-value heads times their width."""
    vocab: int
    is_tied: bool
    """Whether head and embedding are one matrix."""
    n_positions: int = 0
    """Rows of a learned table of positions."""


def read_shape(folder: Path) -> Shape:
    """The shape of a model folder.

    Raises:
        LoadError: config.json is absent, lacks a size, or is of an architecture whose memory is not
            known.
        FormatError: it is no JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise LoadError(f"{folder}: no config.json; this is not a model folder")
    return shape_of(files.read_json_object(path))


def shape_of(config: Mapping[str, Any]) -> Shape:
    """The shape that a configuration describes.

    Raises:
        LoadError: the architecture is none of those whose memory is known, or a size is absent.
    """
    kind = str(config.get("model_type"))
    size = partial(_size, config)
    if kind == "gpt2":
        width = size("n_embd")
        return Shape(
            family="gpt2", hidden=width, intermediate=size("n_inner", 4 * width),
            n_layers=size("n_layer"), query_width=width, kv_width=width,
            vocab=size("vocab_size"), is_tied=bool(config.get("tie_word_embeddings", True)),
            n_positions=size("n_positions"),
        )  # fmt: skip
    if kind not in ("llama", "mistral", "qwen2", "qwen3"):
        raise LoadError(
            f"model type {kind!r}: its memory is not known. It is of the GPT-2, Llama, Mistral, "
            "Qwen2 and Qwen3 families"
        )
    heads, hidden = size("num_attention_heads"), size("hidden_size")
    width = size("head_dim", hidden // heads)
    return Shape(
        family="qwen3" if kind == "qwen3" else "llama",
        hidden=hidden,
        intermediate=size("intermediate_size"),
        n_layers=size("num_hidden_layers"),
        query_width=heads * width,
        kv_width=size("num_key_value_heads", heads) * width,
        vocab=size("vocab_size"),
        is_tied=bool(config.get("tie_word_embeddings", False)),
    )


def _size(config: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """A size that the configuration states; the default where it states none."""
    value = config.get(key) or default
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise LoadError(f"config.json: {key} is {value!r}, expected a number of at least 1")
    return value


def linear_layers(shape: Shape) -> dict[str, tuple[int, int]]:
    """Linear modules of one decoder layer: path below the layer -> inputs, outputs."""
    hidden, inner = shape.hidden, shape.intermediate
    if shape.family == "gpt2":
        return {
            "attn.c_attn": (hidden, 3 * hidden), "attn.c_proj": (hidden, hidden),
            "mlp.c_fc": (hidden, inner), "mlp.c_proj": (inner, hidden),
        }  # fmt: skip
    return {
        "self_attn.q_proj": (hidden, shape.query_width),
        "self_attn.k_proj": (hidden, shape.kv_width),
        "self_attn.v_proj": (hidden, shape.kv_width),
        "self_attn.o_proj": (shape.query_width, hidden),
        "mlp.gate_proj": (hidden, inner),
        "mlp.up_proj": (hidden, inner),
        "mlp.down_proj": (inner, hidden),
    }


def n_linear(shape: Shape) -> int:
    """Weights of the linear modules of all decoder layers: what NF4 packs."""
    return shape.n_layers * sum(a * b for a, b in linear_layers(shape).values())


def n_embedding(shape: Shape) -> int:
    """Weights of embedding, head and table of positions."""
    tables = shape.vocab * (1 if shape.is_tied else 2) + shape.n_positions
    return tables * shape.hidden


def n_parameters(shape: Shape) -> int:
    """All weights but biases and norms, which are less than a thousandth."""
    return n_linear(shape) + n_embedding(shape)


def n_adapter(shape: Shape, lora: LoraSettings) -> int:
    """Weights of a LoRA adapter.

    Raises:
        LoadError: no module of the model has a name that stands in qlora.target_modules.
    """
    layers = linear_layers(shape)
    chosen = [layers[name] for name in chosen_modules(layers, lora.target_modules)]
    per_layer = sum(lora.r * (a + b) + (b if lora.use_dora else 0) for a, b in chosen)
    return shape.n_layers * per_layer


@dataclass(frozen=True)
class Need:
    """Bytes that training holds at its peak, part by part."""

    weights: float
    """Base weights, autocast's copies of them, and the adapter."""
    gradients: float
    optimizer: float
    activations: float
    """What autograd keeps of one micro-batch, or of one layer with checkpointing."""
    working: float
    """Gradients of one layer's activations."""
    logits: float
    """Of the head: logits, probabilities and their gradients."""
    overlap: float
    """Of gradients and activations that are never there at the same time."""

    @property
    def total(self) -> float:
        """Bytes at the peak."""
        held = self.weights + self.gradients + self.optimizer
        return held + self.activations + self.working + self.logits - self.overlap


def need(
    shape: Shape,
    settings: SftSettings,
    *,
    tokens: int,
    labelled: int | None = None,
    n_micro: int = 2,
) -> Need:
    """Memory of a fine-tune at its peak.

    Args:
        tokens: of one micro-batch, padding included.
        labelled: those of them whose logits are computed; null: all.
        n_micro: micro-batches per step; with one the gradients grow as the activations go.
    """
    size = SIZE_BYTES[settings.weights]
    trained = n_adapter(shape, settings.lora) if settings.lora else n_parameters(shape)
    # adapters are float32 (lora.train_adapter_in_float32), other weights have their own format
    trained_size = 4 if settings.lora else size
    n_shares = settings.n_processes if spread.is_sharded(settings) else 1
    gradients = trained * trained_size / n_shares
    # FSDP2 gathers one layer at a time
    gathered = n_linear(shape) / shape.n_layers * size if n_shares > 1 else 0
    kept = activation_bytes(shape, settings, tokens)
    head = logits_bytes(shape, settings, tokens if labelled is None else labelled)
    layer = tokens * layer_bytes(shape, settings)
    return Need(
        weights=_weight_bytes(shape, settings, trained) / n_shares + gathered,
        gradients=gradients,
        optimizer=trained * _state_bytes(settings, trained_size) / n_shares,
        activations=kept,
        working=working_bytes(shape, settings, tokens),
        logits=head,
        overlap=_overlap(shape, gradients, kept + head, layer) if n_micro == 1 else 0,
    )


def _overlap(shape: Shape, gradients: float, kept: float, layer: float) -> float:
    """Bytes of gradients and activations that a step's only backward pass never holds at once.

    It begins with all that was kept and no gradient. It comes to the first layer with the gradients
    of all others and the activations of that one, recomputed or still kept. In between it holds
    less than the larger of the two.

    Args:
        gradients: bytes of all of them.
        kept: bytes of all activations and of the head.
        layer: bytes of one layer's activations.
    """
    at_the_first_layer = gradients * (shape.n_layers - 1) / shape.n_layers + layer
    return gradients + kept - max(kept, at_the_first_layer, gradients)


def held_bytes(n_parameters: int, settings: SftSettings) -> float:
    """Weights, gradients and optimiser states of a full fine-tune: all but what a batch needs."""
    size = SIZE_BYTES[settings.weights]
    return n_parameters * (2 * size + _state_bytes(settings, size))


def _weight_bytes(shape: Shape, settings: SftSettings, trained: int) -> float:
    size = SIZE_BYTES[settings.weights]
    autocast = settings.precision == Dtype.bfloat16
    if settings.lora is None:
        copies = 2 * n_linear(shape) if autocast and size == 4 else 0
        return n_parameters(shape) * size + copies
    # a layer's weights are unpacked for its product, one matrix at a time
    unpacked = max(a * b for a, b in linear_layers(shape).values()) * size
    adapter = trained * (4 + (2 if autocast else 0))
    if not settings.quantize:
        return n_parameters(shape) * size + adapter
    packed = n_linear(shape) * NF4_BYTES + unpacked + adapter
    if settings.device == Device.cpu:
        # embeddings are used where they lie in the mapped file, whose read pages stay resident
        return packed + n_parameters(shape) * size
    return packed + n_embedding(shape) * size


def _state_bytes(settings: SftSettings, trained_size: int) -> float:
    check_optimizer(settings)
    states = OPTIMIZER_BYTES[settings.optimizer]
    return states * trained_size / 4 if states == 8 else states


def check_optimizer(settings: SftSettings) -> None:
    """Refuse an optimiser that is none of OPTIMIZER_BYTES.

    Raises:
        LoadError: with those.
    """
    if settings.optimizer not in OPTIMIZER_BYTES:
        raise LoadError(
            f"{optimizer_key(settings)} = {settings.optimizer!r}: memory not known. Choose one of "
            f"{', '.join(sorted(OPTIMIZER_BYTES))}"
        )


def optimizer_key(settings: SftSettings) -> str:
    """The setting that names the optimiser of this fine-tune."""
    return f"hardware.optimizer.{'qlora' if settings.lora else 'full'}"


# bytes per token and unit of (hidden, query width, kv width, intermediate) that autograd keeps of
# one decoder layer with padded rows; a test counts them again (test_memory.py)
ACTIVATION_BYTES = {
    ("llama", "full", Dtype.float32): (24, 8, 8, 16),
    ("llama", "lora", Dtype.float32): (16, 8, 8, 16),
    ("llama", "full", Dtype.bfloat16): (16, 4, 4, 8),
    ("llama", "lora", Dtype.bfloat16): (18, 6, 4, 8),
    ("qwen3", "full", Dtype.float32): (24, 16, 16, 16),
    ("qwen3", "lora", Dtype.float32): (16, 12, 12, 16),
    ("qwen3", "full", Dtype.bfloat16): (16, 10, 10, 8),
    ("qwen3", "lora", Dtype.bfloat16): (18, 10, 8, 8),
    ("gpt2", "full", Dtype.float32): (68, 8, 0, 20),
    ("gpt2", "lora", Dtype.float32): (68, 8, 0, 20),
    ("gpt2", "full", Dtype.bfloat16): (58, 8, 0, 10),
    ("gpt2", "lora", Dtype.bfloat16): (58, 8, 0, 10),
}
WIDE_STREAM = 10
"""More per unit of hidden where autocast works on float32 weights: the layers hand on float32."""


def activation_bytes(shape: Shape, settings: SftSettings, tokens: int) -> float:
    """What autograd keeps of a micro-batch until the backward pass has used it."""
    layer = layer_bytes(shape, settings)
    if not settings.checkpointing:
        return tokens * layer * shape.n_layers
    # inputs of every layer, and all of the one that is being recomputed
    return tokens * (shape.n_layers * shape.hidden * SIZE_BYTES[settings.precision] + layer)


def layer_bytes(shape: Shape, settings: SftSettings) -> float:
    """What autograd keeps of one token in one decoder layer."""
    kind = "lora" if settings.lora else "full"
    size = SIZE_BYTES[settings.precision]
    units = ACTIVATION_BYTES[(shape.family, kind, settings.precision)]
    widths = (shape.hidden, shape.query_width, shape.kv_width, shape.intermediate)
    layer = float(sum(unit * width for unit, width in zip(units, widths, strict=True)))
    is_wide = settings.weights == Dtype.float32 and settings.precision == Dtype.bfloat16
    if is_wide and shape.family != "gpt2" and not settings.lora:
        layer += WIDE_STREAM * shape.hidden
    if _keeps_joined_documents(shape, settings):
        layer += size * shape.query_width
    if _attends_in_float32(shape, settings):
        layer += 4 * (shape.query_width + shape.kv_width)
    if settings.lora:
        layer += _adapter_activations(shape, settings, settings.lora)
    return layer


def _attends_in_float32(shape: Shape, settings: SftSettings) -> bool:
    """Whether attention keeps float32 queries, keys, values and outputs beside bfloat16 ones."""
    if shape.family == "gpt2" or not settings.packing or settings.device != Device.cpu:
        return False
    return settings.precision == Dtype.bfloat16


def _keeps_joined_documents(shape: Shape, settings: SftSettings) -> bool:
    """Whether the documents' attention is kept twice: each alone, and joined for the next product.

    On a CPU each document is a call of its own (attention.py). What an adapter reads is kept as a
    copy anyway where it is cast or dropped out.
    """
    if not settings.packing or settings.device != Device.cpu:
        return False
    in_float32 = settings.precision == Dtype.float32
    if settings.lora is None:
        return in_float32 or shape.family != "gpt2"
    return in_float32 and (not settings.lora.dropout or shape.family == "gpt2")


def _adapter_activations(shape: Shape, settings: SftSettings, lora: LoraSettings) -> float:
    """Of one layer and token: the narrow products, and with dropout what each A reads."""
    layers = linear_layers(shape)
    size = SIZE_BYTES[settings.precision]
    narrow = size * lora.r * len(layers)
    if not lora.dropout:
        return narrow
    mask = 4 if settings.device == Device.cpu else 1  # torch 2.13 keeps it as floats on a CPU
    read = sum(n_inputs for n_inputs, _ in layers.values())
    if settings.precision == Dtype.bfloat16 or shape.family == "gpt2":
        return narrow + read * mask  # its input is a copy with and without dropout
    no_longer_kept = 2 * shape.hidden + shape.intermediate
    return narrow + read * (size + mask) - no_longer_kept * size


def working_bytes(shape: Shape, settings: SftSettings, tokens: int) -> float:
    """Gradients of one layer's activations while they are computed: those of the wide part."""
    return 4 * tokens * shape.intermediate * SIZE_BYTES[settings.precision]


def logits_bytes(shape: Shape, settings: SftSettings, tokens: int) -> float:
    """Probabilities and their gradients in float32, logits besides where they are bf16.

    Args:
        tokens: whose logits are computed.
    """
    held = min(tokens, CHUNK_TOKENS) if shape.vocab >= CHUNKED_FROM else tokens
    per_entry = 8 + (4 if settings.precision == Dtype.bfloat16 else 0)
    return held * shape.vocab * per_entry

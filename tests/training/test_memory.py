"""Memory by arithmetic: against counted activations, real processes and the reference's table."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.training.measured_memory import ENVIRONMENT
from tests.training.test_sft import FULL, QLORA
from titer import runner
from titer.config import Device, Dtype, LoraSettings, SftSettings, full_run, qlora_run
from titer.errors import TiterError
from titer.modeling import loading
from titer.training import attention, lora, memory, room, sft

QWEN3 = {"model_type": "qwen3", "head_dim": 128, "num_key_value_heads": 8, "vocab_size": 151936}
MODELS: dict[str, dict[str, Any]] = {
    "1.7B": {**QWEN3, "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28,
             "num_attention_heads": 16, "tie_word_embeddings": True},
    "4B": {**QWEN3, "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36,
           "num_attention_heads": 32, "tie_word_embeddings": True},
    "8B": {**QWEN3, "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
           "num_attention_heads": 32},
    "14B": {"model_type": "qwen2", "hidden_size": 5120, "intermediate_size": 13824,
            "num_hidden_layers": 48, "num_attention_heads": 40, "num_key_value_heads": 8,
            "vocab_size": 152064},
    "32B": {**QWEN3, "hidden_size": 5120, "intermediate_size": 25600, "num_hidden_layers": 64,
            "num_attention_heads": 64},
    "70B": {"model_type": "llama", "hidden_size": 8192, "intermediate_size": 28672,
            "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8,
            "vocab_size": 128256},
}  # fmt: skip
"""Qwen3 1.7B, 4B, 8B and 32B, R1-Distill-Qwen-14B and Llama 3 70B, by their config.json."""

HALF = replace(FULL, precision=Dtype.bfloat16)
DROPPED = replace(QLORA, lora=LoraSettings(16, 32, 0.1, "all-linear"))
WHOLE = replace(QLORA, lora=LoraSettings(16, 32, 0.0, "all-linear"))


def small(family: str, n_layers: int) -> Any:
    from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, Qwen3Config

    if family == "gpt2":
        config: Any = GPT2Config(
            n_embd=128, n_layer=n_layers, n_head=2, vocab_size=64, n_positions=600
        )
    else:
        config = {"qwen3": Qwen3Config, "llama": LlamaConfig}[family](
            vocab_size=64, hidden_size=128, intermediate_size=256, num_hidden_layers=n_layers,
            num_attention_heads=4, num_key_value_heads=2, head_dim=64, tie_word_embeddings=True,
        )  # fmt: skip
    return AutoModelForCausalLM.from_config(config)


def kept_bytes(model: Any, settings: SftSettings, lengths: Sequence[int]) -> int:
    """Bytes of all tensors that autograd keeps of a forward pass, weights not counted."""
    import torch

    base = model.get_base_model() if settings.lora else model
    own = {p.untyped_storage().data_ptr() for p in [*model.parameters(), *model.buffers()]}
    kept: dict[int, Any] = {}

    def keep(tensor: Any) -> Any:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    rows = [{"input_ids": [3] * n, "labels": [3] * n} for n in lengths]
    batch = attention.collator()(rows) if settings.packing else {
        "input_ids": torch.full((len(lengths), max(lengths)), 3)
    }  # fmt: skip
    batch.pop("labels", None)
    half = torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == Dtype.bfloat16)
    attending = attention.per_document(base) if settings.packing else nullcontext()
    with attending, half, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        _output = base.base_model(**batch, use_cache=False)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def counted_per_token(family: str, settings: SftSettings) -> float:
    """Of one layer: two models of one layer's difference, at two lengths, so constants cancel."""
    import torch
    from peft import get_peft_model

    found = []
    for n_layers in (1, 2):
        model = small(family, n_layers)
        if settings.weights == Dtype.bfloat16:
            model = model.to(torch.bfloat16)
        if settings.lora:
            model = get_peft_model(model, lora.lora_config(settings.lora))
            lora.train_adapter_in_float32(model)
        model.train()
        found += [kept_bytes(model, settings, [n] * 4) for n in (64, 128)]
    return (found[3] - found[2] - found[1] + found[0]) / 256


# peft 0.21.2 sets it right itself for GPT-2
@pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False")
@pytest.mark.parametrize("family", ["qwen3", "llama", "gpt2"])
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(FULL, id="full"),
        pytest.param(replace(FULL, packing=False), id="full padded"),
        pytest.param(HALF, id="full bf16"),
        pytest.param(replace(HALF, weights=Dtype.bfloat16), id="full pure bf16"),
        pytest.param(WHOLE, id="lora"),
        pytest.param(replace(WHOLE, packing=False), id="lora padded"),
        pytest.param(DROPPED, id="lora dropout"),
        pytest.param(replace(WHOLE, precision=Dtype.bfloat16), id="lora bf16"),
        pytest.param(replace(DROPPED, precision=Dtype.bfloat16), id="lora dropout bf16"),
    ],
)
def test_activations_are_those_that_autograd_keeps(family: str, settings: SftSettings) -> None:
    if family == "gpt2" and settings.weights == Dtype.bfloat16:
        pytest.skip("GPT-2 is trained in float32")
    shape = memory.shape_of(small(family, 1).config.to_dict())
    expected = memory.layer_bytes(shape, settings)
    assert expected == pytest.approx(counted_per_token(family, settings), rel=0.03)


def walked(shape: memory.Shape, settings: SftSettings, tokens: int) -> float:
    """The most of gradients and activations at once, layer by layer of one backward pass."""
    n = shape.n_layers
    layer = tokens * memory.layer_bytes(shape, settings)
    kept = memory.activation_bytes(shape, settings, tokens)
    passed_on = (kept - layer) / n if settings.checkpointing else kept / n
    at_work = layer if settings.checkpointing else 0.0
    gradient = memory.need(shape, settings, tokens=tokens).gradients / n
    held = [at_work + (n - done) * passed_on + done * gradient for done in range(n)]
    held[0] += memory.logits_bytes(shape, settings, tokens)
    return max(*held, n * gradient)


@pytest.mark.parametrize("checkpointing", [True, False])
@pytest.mark.parametrize("lora", [None, LoraSettings(16, 32, 0.0, "all-linear")])
@pytest.mark.parametrize("tokens", [8, 64, 512, 4096])
def test_one_pass_holds_what_its_worst_layer_holds(
    tokens: int, lora: LoraSettings | None, checkpointing: bool
) -> None:
    """With checkpointing that is the first layer: recomputed beside nearly all gradients."""
    settings = replace(FULL, lora=lora, checkpointing=checkpointing)
    shape = memory.shape_of(small("qwen3", 6).config.to_dict())
    need = memory.need(shape, settings, tokens=tokens, n_micro=1)
    found = need.gradients + need.activations + need.logits - need.overlap
    expected = walked(shape, settings, tokens)
    # the last input to a recomputed layer is counted with the layer or apart from it
    assert found == pytest.approx(expected, rel=0.03)


SIZES = [(192, 120), (384, 120), (512, 120)]
"""Hidden size and words: models of 3, 11 and 19 million weights."""
KINDS = ["full", "qlora", "qlora-dropout", "full-checkpointing", "qlora-padded"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_forecast_is_within_15_percent_of_what_a_process_takes(
    kind: str, size: tuple[int, int]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.measured_memory", kind, *map(str, size)],
        cwd=ROOT, env={**os.environ, **ENVIRONMENT, "OMP_NUM_THREADS": "1"}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["ratio"] == pytest.approx(1, abs=0.15), found


@pytest.mark.parametrize(
    ("vocab", "max_length"),
    [pytest.param(151_936, 384, marks=pytest.mark.slow), (1024, 2048)],
)
def test_measuring_heldout_texts_takes_no_more_than_the_forecast_of_training(
    tiny_model: Path, vocab: int, max_length: int
) -> None:
    """Logits, or keys and values, of 8 windows at once would be several times that."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(tiny_model, vocab_size=vocab, num_hidden_layers=1)
    model = AutoModelForCausalLM.from_config(config).eval()
    settings = replace(FULL, max_length=max_length, checkpointing=True)
    shape = memory.shape_of(config.to_dict())
    n_tokens: list[int] = []
    taken: list[int] = []

    def look(module: Any, given: Any, out: Any) -> None:
        n_tokens.append(len(out.logits) * out.past_key_values.get_seq_length())
        kept = n_tokens[-1] * 2 * shape.kv_width * shape.n_layers * 4
        taken.append(kept + out.logits.nbytes + out.logits[0].nbytes)  # a row's probabilities

    model.register_forward_hook(look)
    texts = [f"Bread is made of flour, water and {i} pinches of salt. " * 60 for i in range(8)]
    sft.bits_per_byte(model, loading.load_tokenizer(tiny_model), texts, settings)
    need = memory.need(shape, settings, tokens=4 * max_length)
    assert max(taken) < need.activations + need.working + need.logits
    assert 2000 < max(n_tokens) <= sft.BPB_TOKENS


GPU = replace(
    FULL, device=Device.cuda, precision=Dtype.bfloat16, weights=Dtype.bfloat16, checkpointing=True
)
R16 = LoraSettings(16, 32, 0.0, "all-linear")


@pytest.mark.parametrize(
    ("settings", "gigabytes"),
    [
        pytest.param(replace(GPU, lora=R16), 6.8, id="QLoRA r 16"),
        pytest.param(replace(GPU, optimizer="adamw_torch_8bit"), 49, id="bf16, 8-bit AdamW"),
        pytest.param(GPU, 66, id="bf16, AdamW"),
        pytest.param(
            replace(GPU, weights=Dtype.float32, precision=Dtype.float32), 131, id="fp32, AdamW"
        ),
    ],
)
def test_what_does_not_depend_on_tokens_equals_the_table_of_the_reference(
    settings: SftSettings, gigabytes: float
) -> None:
    need = memory.need(memory.shape_of(MODELS["8B"]), settings, tokens=1)
    held = need.weights + need.gradients + need.optimizer
    assert held / 1e9 == pytest.approx(gigabytes, rel=0.03)


FITS = {
    "gpu_8gb": ("4B", None, "1.7B"),
    "gpu_12gb": ("8B", None, "4B"),
    "gpu_16gb": ("8B", "1.7B", "4B"),
    "gpu_24gb": ("14B", "1.7B", "8B"),
    "gpu_40gb": ("32B", "4B", "14B"),
    "gpu_48gb": ("32B", "4B", "14B"),
    "gpu_80gb": ("32B", "8B", "32B"),
}
"""Preset -> largest class for QLoRA, for the full fine-tune and for the benchmark in bfloat16."""


def preset(name: str) -> tuple[Any, SftSettings, SftSettings]:
    """The hardware of a preset, and both fine-tunes on it with the settings of qwen3_8b."""
    choices, values = runner.load_params()
    config = runner.typed(runner.merge({**choices, "model": "qwen3_8b", "hardware": name}, values))
    runs = (
        qlora_run(config),
        full_run(config),
    )
    return config.hardware, *runs


def gib(model: str, settings: SftSettings) -> float:
    shape = memory.shape_of(MODELS[model])
    return memory.need(shape, settings, tokens=settings.micro_batch_tokens).total / memory.GIB


@pytest.mark.parametrize("name", FITS)
def test_a_preset_holds_the_models_that_it_names_and_no_larger_one(name: str) -> None:
    hardware, *runs = preset(name)
    classes = list(MODELS)
    needs = [{model: gib(model, settings) for model in classes} for settings in runs]
    needs.append(
        {m: 2 * memory.n_parameters(memory.shape_of(MODELS[m])) / memory.GIB for m in classes}
    )
    for needed, largest in zip(needs, FITS[name], strict=True):
        n_fit = classes.index(largest) + 1 if largest else 0
        fit = [value * room.MARGIN[Device.cuda] <= hardware.memory_gib for value in needed.values()]
        assert fit == [True] * n_fit + [False] * (len(classes) - n_fit), needed
    assert runs[0].max_length <= hardware.micro_batch_tokens


@pytest.mark.parametrize("name", FITS)
def test_a_preset_says_in_its_first_line_what_it_holds(name: str) -> None:
    head = (ROOT / "conf" / "hardware" / f"{name}.yaml").read_text().splitlines()[0]
    qlora, full, benchmark = FITS[name]
    assert f"trains QLoRA up to {qlora}" in head
    assert (f"full up to {full}" in head) if full else ("full" not in head)
    assert head.endswith(f"benchmarks up to {benchmark}.")


def test_several_gpus_of_80_gb_spread_a_full_fine_tune_in_float32() -> None:
    """FSDP2 holds a share of weights, gradients and states on each of `processes` GPUs."""
    hardware, _, full = preset("gpu_multi")
    spread_out = gib("8B", replace(full, weights=Dtype.float32))
    assert spread_out * room.MARGIN[Device.cuda] <= hardware.memory_gib
    alone = gib("8B", replace(full, weights=Dtype.float32, processes=1))
    assert alone > hardware.memory_gib


def test_every_preset_of_one_gpu_is_in_the_table() -> None:
    presets = {p.stem for p in (ROOT / "conf" / "hardware").glob("gpu_*gb.yaml")}
    assert presets == set(FITS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"model_type": "qwen3", "hidden_size": 64}', "num_attention_heads is None, expected"),
        (
            '{"model_type": "llama", "num_attention_heads": 0, "hidden_size": 8}',
            "num_attention_heads is None",
        ),
        ('{"model_type": "gpt2", "n_embd": 8}', "n_layer is None, expected"),
        ('{"model_type": "mamba"}', "model type 'mamba': its memory is not known"),
        ("[]", "a JSON list, expected an object"),
        ("{", "not JSON"),
    ],
)
def test_a_configuration_without_a_shape_is_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(TiterError, match=message):
        memory.read_shape(tmp_path)

"""Packing: rows laid end to end give the logits and gradients of rows alone, or are not packed."""

from pathlib import Path
from typing import Any

import pytest

from titer.config import Device, Dtype
from titer.errors import LoadError
from titer.modeling import loading
from titer.training import attention

LENGTHS = (19, 7, 31, 12)
SIZES = {"vocab_size": 97, "num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32}
STILL = {"attn_pdrop": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0}
WIDE = {"intermediate_size": 48, "num_key_value_heads": 2}


def built(name: str, **more: Any) -> Any:
    """A tiny model of an architecture, random weights."""
    import torch
    import transformers

    torch.manual_seed(1)
    config = getattr(transformers, f"{name}Config")(**SIZES, **more)
    return transformers.AutoModelForCausalLM.from_config(config).eval()


ARCHITECTURES = {
    "qwen3": lambda: built("Qwen3", **WIDE, head_dim=8),
    "qwen2": lambda: built("Qwen2", **WIDE),
    "llama": lambda: built("Llama", **WIDE),
    "mistral, window of 8": lambda: built("Mistral", **WIDE, sliding_window=8),
    "gpt2": lambda: built("GPT2", **STILL),
}


@pytest.fixture(scope="module", params=ARCHITECTURES.values(), ids=ARCHITECTURES.keys())
def model(request: pytest.FixtureRequest) -> Any:
    return request.param()


def documents() -> list[dict[str, list[int]]]:
    """Rows with a masked prompt of three tokens."""
    rows = [[(5 * n + 11 * i) % 90 + 3 for i in range(length)] for n, length in enumerate(LENGTHS)]
    return [{"input_ids": ids, "labels": [-100] * 3 + ids[3:]} for ids in rows]


def packed_loss(model: Any, batch: dict[str, Any]) -> Any:
    """Mean loss of one flattened row, as the trainer computes it."""
    from titer.training.trainer import labelled_loss

    total, n_labels = labelled_loss(model, batch)
    return total / n_labels


def padded() -> dict[str, Any]:
    import torch

    rows, fillings = documents(), {"input_ids": 0, "labels": -100}
    made = {
        name: torch.tensor(
            [row[name] + [filling] * (max(LENGTHS) - len(row[name])) for row in rows]
        )
        for name, filling in fillings.items()
    }
    mask = torch.arange(max(LENGTHS))[None] < torch.tensor(LENGTHS)[:, None]
    return {**made, "attention_mask": mask.long()}


def gradients(model: Any, loss: Any) -> dict[str, Any]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def largest_difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Largest difference of two sets of gradients, relative to the largest of each parameter.

    A gradient that is zero but for rounding (GPT-2's key bias) is compared to the largest of all.
    """
    assert one.keys() == other.keys()
    least = max(float(g.abs().max()) for g in one.values()) * 1e-3
    return max(
        float((one[n] - other[n]).abs().max()) / max(float(one[n].abs().max()), least) for n in one
    )


def logits(model: Any, batch: dict[str, Any]) -> Any:
    import torch

    with torch.no_grad():
        return model(**batch, use_cache=False).logits[0]


def alone(model: Any) -> Any:
    """The logits of each row by itself, one after another."""
    import torch

    return torch.cat(
        [logits(model, {"input_ids": torch.tensor([row["input_ids"]])}) for row in documents()]
    )


def flattened(*, labels: bool = False) -> dict[str, Any]:
    batch = dict(attention.collator()(documents()))
    return batch if labels else {k: v for k, v in batch.items() if k != "labels"}


def test_a_packed_batch_is_what_transformers_lays_end_to_end() -> None:
    import torch
    from transformers import DataCollatorWithFlattening

    expected = DataCollatorWithFlattening(return_flash_attn_kwargs=True)(documents())
    batch = flattened(labels=True)
    assert batch.keys() == expected.keys()
    for name, value in expected.items():
        if torch.is_tensor(value):
            assert batch[name].dtype == value.dtype, name
            assert torch.equal(batch[name], value), name
        else:
            assert batch[name] == value, name


def test_packed_logits_equal_those_of_each_row_alone(model: Any) -> None:
    with attention.per_document(model):
        together = logits(model, flattened())
    assert float((together - alone(model)).abs().max()) < 1e-5


def test_packed_gradients_equal_those_of_the_padded_batch(model: Any) -> None:
    expected = gradients(model, model(**padded()).loss)
    with attention.per_document(model):
        packed = gradients(
            model, packed_loss(model, {**flattened(labels=True), "use_cache": False})
        )
    assert largest_difference(expected, packed) < 1e-5


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_packed_gradients_of_an_adapter_equal_those_of_the_padded_batch(name: str) -> None:
    from peft import LoraConfig, get_peft_model

    base = ARCHITECTURES[name]()
    shape = LoraConfig(
        r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False,
        lora_dropout=0.0, fan_in_fan_out=name == "gpt2",
    )  # fmt: skip
    model = get_peft_model(base, shape)
    expected = gradients(model, model(**padded()).loss)
    with attention.per_document(base):
        packed = gradients(
            model, packed_loss(model, {**flattened(labels=True), "use_cache": False})
        )
    assert len(expected) >= 2 * 2 * 4  # A and B of at least four layers in each of two blocks
    assert largest_difference(expected, packed) < 1e-5


@pytest.mark.parametrize("autocast", [False, True], ids=["weights", "autocast"])
def test_attention_in_bfloat16_on_a_cpu_is_rounded_once(autocast: bool) -> None:
    """It is computed in float32, which torch's autocast would undo."""
    import torch

    torch.manual_seed(1)
    exact = [torch.randn(1, heads, sum(LENGTHS), 8) for heads in (4, 2, 2)]
    rounded = [states.bfloat16() for states in exact]
    ends = flattened()["cu_seq_lens_q"]
    given = {"attention_mask": None, "cu_seq_lens_q": ends, "max_length_q": max(LENGTHS)}
    expected, _ = attention.attention_forward(None, *(s.float() for s in rounded), **given)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found, _ = attention.attention_forward(None, *rounded, **given)
    assert torch.equal(found, expected.bfloat16())


def test_recomputed_activations_give_the_same_gradients(model: Any) -> None:
    model.train()
    batch = {**flattened(labels=True), "use_cache": False}
    with attention.per_document(model):
        expected = gradients(model, packed_loss(model, batch))
        model.activation_checkpointing_enable()
        again = gradients(model, packed_loss(model, batch))
    model.activation_checkpointing_disable()
    model.eval()
    assert largest_difference(expected, again) == 0


def test_a_mask_of_ones_in_place_of_the_ends_leaks() -> None:
    """The exactness tests above would fail."""
    import torch

    model = ARCHITECTURES["qwen3"]()
    ones = {"input_ids": flattened()["input_ids"], "attention_mask": torch.ones(1, sum(LENGTHS))}
    assert float((logits(model, ones) - alone(model)).abs().max()) > 1e-3


def test_one_document_instead_of_four_leaks() -> None:
    """The exactness tests above would fail if the lengths got lost."""
    import torch

    model = ARCHITECTURES["qwen3"]()
    one = torch.tensor([0, sum(LENGTHS)], dtype=torch.int32)
    batch = {**flattened(), "cu_seq_lens_q": one, "max_length_q": sum(LENGTHS)}
    with attention.per_document(model):
        wrong = logits(model, batch)
    assert float((wrong - alone(model)).abs().max()) > 1e-3


def test_a_batch_without_the_ends_of_its_documents_is_refused() -> None:
    import torch

    model = ARCHITECTURES["qwen3"]()
    with attention.per_document(model), pytest.raises(LoadError, match="would see each other"):
        model(input_ids=torch.arange(3, 20)[None], use_cache=False)


def test_the_attention_before_comes_back() -> None:
    model = ARCHITECTURES["qwen3"]()
    before = model.config._attn_implementation
    with attention.per_document(model):
        assert model.config._attn_implementation == attention.PER_DOCUMENT
    assert model.config._attn_implementation == before


def test_every_known_architecture_is_packed(model: Any) -> None:
    assert attention.why_not_packed(model) is None


def test_an_architecture_with_attention_of_its_own_is_not_packed() -> None:
    """Bloom's positions are biases counted over the whole row."""
    import torch
    import transformers

    torch.manual_seed(1)
    config = transformers.BloomConfig(vocab_size=97, hidden_size=32, n_layer=2, n_head=4)
    assert attention.why_not_packed(transformers.BloomForCausalLM(config).eval()) is not None


def test_attention_dropout_stays_within_documents() -> None:
    """Dropped scores differ from run to run; what another document says must not matter."""
    import torch

    model = built("GPT2", **STILL | {"attn_pdrop": 0.5}).train()
    batch, seen = flattened(), []
    for first in (5, 6):
        batch["input_ids"][0, 0] = first
        torch.manual_seed(1)
        with attention.per_document(model):
            seen.append(logits(model, batch))
    assert torch.equal(seen[0][LENGTHS[0] :], seen[1][LENGTHS[0] :])
    assert not torch.equal(seen[0], seen[1])


def test_three_loss_heads_agree(tiny_model: Path) -> None:
    """Ours over labelled tokens, transformers' over all, TRL's in chunks."""
    import torch
    from trl.trainer.utils import add_fused_lm_head

    model = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu)
    batch = {**flattened(labels=True), "use_cache": False}
    with torch.no_grad(), attention.per_document(model):
        ours = float(packed_loss(model, batch))
        whole = float(model(**batch).loss)
        add_fused_lm_head(model, outputs=("log_probs",))
        chunked = model(**batch, fused_lm_head=True)
    assert whole == pytest.approx(ours, rel=1e-6)
    assert float(-chunked.log_probs.sum() / chunked.label_mask.sum()) == pytest.approx(
        ours, rel=1e-6
    )


def test_nf4_gradients_after_an_evaluation_step_are_those_before(tiny_model: Path) -> None:
    """Trap 3.1: repacked weights would train through a kernel without gradient."""
    import torch
    from peft import LoraConfig, get_peft_model

    base = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu, quantize=True)
    shape = LoraConfig(
        r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False
    )
    model = get_peft_model(base, shape).train()
    batch = {**flattened(labels=True), "use_cache": False}
    with attention.per_document(base):
        before = gradients(model, packed_loss(model, batch))
        with torch.no_grad():
            packed_loss(model.eval(), batch)
        after = gradients(model.train(), packed_loss(model, batch))
    assert largest_difference(before, after) == 0


@pytest.mark.gpu
def test_on_a_gpu_all_documents_are_one_exact_call() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")

    model = ARCHITECTURES["qwen3"]().to("cuda", torch.bfloat16)
    assert attention.why_not_packed(model) is None

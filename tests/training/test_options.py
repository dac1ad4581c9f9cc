"""What each option of the fine-tune does on the tiny model, and that unset ones do nothing."""

import importlib.util
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.small_models import build
from tests.training.test_sft import FULL, QLORA, data, example, train
from titer.config import Device, Dtype, Keep, LoraSettings, SftSettings
from titer.errors import DataError, LoadError
from titer.modeling import loading
from titer.modeling.pocket import read_material
from titer.training import lora, replay, sft

R4 = LoraSettings(4, 8, 0.0, "all-linear")


def adapted(base: Path, settings: LoraSettings) -> Any:
    from peft import get_peft_model

    model = loading.load_model(base, dtype=Dtype.float32, device=Device.cpu)
    return get_peft_model(model, lora.lora_config(settings))


def tensors(folder: Path) -> dict[str, list[int]]:
    from titer.modeling.weights import tensor_shapes

    return tensor_shapes(folder / "adapter_model.safetensors")


def test_rank_and_targets_decide_the_shapes_of_the_adapter(
    tiny_model: Path, tmp_path: Path
) -> None:
    chosen = replace(R4, r=3, target_modules=["q_proj", "down_proj"])
    run = train(tmp_path, tiny_model, replace(QLORA, lora=chosen))
    shapes = tensors(tmp_path / "a")
    assert len(shapes) == 2 * 2 * 2
    assert {shape[0] for name, shape in shapes.items() if "lora_A" in name} == {3}
    assert run.metrics["trainable_params"] == 2 * 3 * (64 + 64 + 128 + 64)


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An architecture whose modules titer/training/memory.py does not know."""
    return build("T5", tmp_path_factory.mktemp("t5"))


@pytest.mark.parametrize("targets", [["q_proj"], ["layer_norm"], ["shared"], ["q", "q_proj"]])
def test_targets_that_an_unknown_architecture_lacks_are_one_line(
    t5: Path, tmp_path: Path, targets: list[str]
) -> None:
    with pytest.raises(LoadError) as refused:
        train(tmp_path, t5, replace(QLORA, lora=replace(R4, target_modules=targets)))
    assert str(refused.value) == (
        f"qlora.target_modules = {targets}: the model has no module {targets[-1]}. It has k, "
        "lm_head, o, q, v, wi_0, wi_1, wo; all-linear takes them all"
    )


def test_targets_that_peft_itself_refuses_are_one_line(tmp_path: Path) -> None:
    from transformers import MambaConfig

    MambaConfig(
        vocab_size=64, hidden_size=8, num_hidden_layers=1, architectures=["MambaForCausalLM"]
    ).save_pretrained(tmp_path)
    lora.check_targets(tmp_path, replace(R4, target_modules=["in_proj"]))
    with pytest.raises(LoadError, match=r"target_modules = .'out_proj'.: .* with Mamba"):
        lora.check_targets(tmp_path, replace(R4, target_modules=["out_proj"]))


@pytest.mark.parametrize("changes", [{}, {"use_dora": True}, {"target_modules": ["q", "wi_0"]}])
def test_targets_of_an_unknown_architecture_are_taken(t5: Path, changes: dict[str, Any]) -> None:
    lora.check_targets(t5, replace(R4, **changes))
    with pytest.raises(LoadError, match="has no module wi_9"):
        lora.check_targets(t5, replace(R4, **changes | {"target_modules": ["q", "wi_9"]}))


@pytest.mark.parametrize(
    ("settings", "scale"),
    [
        pytest.param(replace(R4, alpha=8), 2.0, id="alpha / r"),
        pytest.param(replace(R4, alpha=12), 3.0, id="larger alpha"),
        pytest.param(replace(R4, alpha=8, use_rslora=True), 4.0, id="alpha / sqrt(r)"),
    ],
)
def test_alpha_scales_what_the_adapter_adds(
    tiny_model: Path, settings: LoraSettings, scale: float
) -> None:
    layer = adapted(tiny_model, settings).get_base_model().model.layers[0].self_attn.q_proj
    assert layer.scaling["default"] == scale


@pytest.mark.slow
def test_a_dora_adapter_has_magnitudes_and_others_have_none(
    tiny_model: Path, tmp_path: Path
) -> None:
    train(tmp_path, tiny_model, replace(QLORA, lora=replace(R4, use_dora=True)), "dora")
    train(tmp_path, tiny_model, replace(QLORA, lora=R4), "lora")
    magnitudes = [n for n in tensors(tmp_path / "dora") if "magnitude_vector" in n]
    assert len(magnitudes) == 2 * 7
    assert not [n for n in tensors(tmp_path / "lora") if "magnitude" in n]


def test_dropout_acts_in_training_only(tiny_model: Path) -> None:
    import torch

    model = adapted(tiny_model, replace(R4, dropout=0.5))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    ids = torch.arange(9)[None]
    with torch.no_grad():
        one, other = (model.train()(input_ids=ids).logits for _ in range(2))
        assert not torch.equal(one, other)
        one, other = (model.eval()(input_ids=ids).logits for _ in range(2))
        assert torch.equal(one, other)


@pytest.mark.slow
def test_noise_on_the_embeddings_changes_training_and_no_measurement(
    tiny_model: Path, tmp_path: Path
) -> None:
    plain = replace(QLORA, lora=R4)
    runs = {
        alpha: train(tmp_path, tiny_model, replace(plain, neftune_alpha=alpha), f"n{alpha}")
        for alpha in (0.0, 10.0)
    }
    assert runs[0.0].losses[0]["train_loss"] != runs[10.0].losses[0]["train_loss"]
    assert runs[0.0].metrics["bpb_indomain_before"] == runs[10.0].metrics["bpb_indomain_before"]
    again = train(tmp_path, tiny_model, replace(plain, neftune_alpha=10.0), "again")
    assert again.losses == runs[10.0].losses


RISING = replace(FULL, epochs=16, evals=8, learning_rate=2e-2, warmup_share=0.0)


def contradicted(tmp_path: Path, base: Path, settings: SftSettings, name: str) -> sft.Run:
    """Validation rows contradict what is trained: their loss falls first and rises then."""
    rows, others = data().train, [example(i) for i in range(4)]
    for row in others:
        row.messages[1]["content"] = rows[int(row.id[1:]) + 3].answer
    return sft.train(
        settings, base=base, data=sft.Data(rows, others, ["Gold."]), out=tmp_path / name,
        checkpoints=tmp_path / f"{name}.ck", logs=tmp_path / "logs",
    )  # fmt: skip


def test_the_best_weights_are_those_of_the_step_with_the_lowest_loss(
    tiny_model: Path, tmp_path: Path
) -> None:
    best = contradicted(tmp_path, tiny_model, replace(RISING, keep=Keep.best), "best")
    losses = [row["validation_loss"] for row in best.losses]
    assert losses.index(min(losses)) < len(losses) - 1, "the loss never rose: nothing is shown"
    assert best.validation_loss == min(losses)
    step = best.losses[losses.index(min(losses))]["step"]
    assert best.notes["kept_step"] == step
    still = replace(FULL, evals=1, epochs=0.01, learning_rate=1e-12)
    again = contradicted(tmp_path, tmp_path / "best", still, "measured again")
    assert again.validation_loss == pytest.approx(min(losses), abs=1e-4)


def test_training_stops_after_so_many_evaluations_without_a_better_one(
    tiny_model: Path, tmp_path: Path
) -> None:
    whole = contradicted(tmp_path, tiny_model, RISING, "whole")
    losses = [row["validation_loss"] for row in whole.losses]
    first_worse = next(i for i in range(1, 8) if losses[i] >= min(losses[:i]))
    stopped = contradicted(tmp_path, tiny_model, replace(RISING, patience=1), "stopped")
    assert stopped.losses == whole.losses[: first_worse + 1]
    assert stopped.metrics["n_steps"] < whole.metrics["n_steps"]


TEXTS = ROOT / "data" / "pretraining"


@pytest.mark.parametrize(("share", "n_rows"), [(0.0, 0), (0.1, 11), (0.5, 100)])
def test_replay_gives_the_share_that_it_is_asked_for(share: float, n_rows: int) -> None:
    rows = replay.replay_examples(TEXTS, share=share, n_train=100, seed=1)
    assert len(rows) == n_rows
    assert n_rows / (100 + n_rows) == pytest.approx(share, abs=0.005)


def test_replayed_rows_come_from_the_pretraining_text_alone_and_follow_the_seed() -> None:
    rows = replay.replay_examples(TEXTS, share=0.5, n_train=50, seed=1)
    material = read_material(TEXTS)
    known = {fact["object"] for fact in material.facts}
    prose = "\n".join(material.prose)
    assert all(row.answer in known or row.answer in prose for row in rows)
    assert len({row.id for row in rows}) == len(rows)
    same = replay.replay_examples(TEXTS, share=0.5, n_train=50, seed=1)
    other = replay.replay_examples(TEXTS, share=0.5, n_train=50, seed=2)
    assert [row.id for row in rows] == [row.id for row in same]
    assert {row.id for row in rows} != {row.id for row in other}


def test_too_large_a_share_is_refused_with_the_largest_possible() -> None:
    with pytest.raises(DataError, match=r"examples.replay = 0.99: \d+ general rows.*Lower it to 0"):
        replay.replay_examples(TEXTS, share=0.99, n_train=5000, seed=1)


def test_replayed_rows_are_counted_in_the_record(tiny_model: Path, tmp_path: Path) -> None:
    general = replay.replay_examples(TEXTS, share=0.2, n_train=16, seed=1)
    rows = data()
    mixed = sft.Data(rows.train + general, rows.validation, rows.heldout)
    run = sft.train(
        replace(FULL, max_length=512), base=tiny_model, data=mixed, out=tmp_path / "out",
        checkpoints=tmp_path / "ck", logs=tmp_path / "logs",
    )  # fmt: skip
    assert run.notes["n_replay"] == 4
    assert run.metrics["n_train"] == 20


def test_the_defaults_switch_every_option_off(tiny_model: Path, tmp_path: Path) -> None:
    explicit = replace(
        QLORA, lora=replace(QLORA.lora, use_rslora=False, use_dora=False), neftune_alpha=0.0,
        patience=0, keep=Keep.last, replay=0.0,
    )  # fmt: skip
    assert explicit == QLORA
    assert lora.lora_config(explicit.lora).to_dict()["use_dora"] is False


def test_the_merged_model_equals_the_adapter_on_its_base(tiny_model: Path, tmp_path: Path) -> None:
    import torch

    train(tmp_path, tiny_model, QLORA)
    ids = torch.arange(3, 30)[None]
    base = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu)
    model = loading.load_adapter(base, tmp_path / "a")
    with torch.no_grad():
        before = model(input_ids=ids).logits
        after = model.merge_and_unload()(input_ids=ids).logits
    assert torch.allclose(before, after, atol=1e-4)


def test_nf4_gradients_equal_those_on_the_dequantised_weights_after_an_eval_step(
    tiny_model: Path,
) -> None:
    """bitsandbytes repacks weights in eval mode on some CPUs; the next gradient is then wrong."""
    import bitsandbytes as bnb
    import torch
    from peft import get_peft_model

    packed = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu, quantize=True)
    plain = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu)
    weights = dict(plain.named_modules())
    with torch.no_grad():
        for name, module in packed.named_modules():
            if isinstance(module, bnb.nn.Linear4bit):
                whole = bnb.functional.dequantize_4bit(
                    module.weight.data, module.weight.quant_state
                )
                weights[name].weight.copy_(whole)
    gradients = []
    ids = torch.arange(3, 40)[None]
    for model in (packed, plain):
        torch.manual_seed(0)
        one = get_peft_model(model, lora.lora_config(R4))
        lora.train_adapter_in_float32(one)
        with torch.no_grad():
            for name, parameter in one.named_parameters():
                if "lora_B" in name:
                    parameter.fill_(0.01)
            one.eval()(input_ids=ids)
        one.train()(input_ids=ids, labels=ids).loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in one.parameters() if p.requires_grad]))
    error = (gradients[0] - gradients[1]).norm() / gradients[1].norm()
    assert error < 1e-5


def test_padding_does_not_change_the_loss(tiny_model: Path, tmp_path: Path) -> None:
    """Rows of very different lengths, padded together or each alone."""
    rows = [example(i) for i in range(8)]
    for row in rows[::2]:
        row.messages[1]["content"] = "very " * 20 + row.answer
    some = sft.Data(rows, rows[:3], ["Gold."])
    found = [
        sft.train(
            replace(FULL, packing=False, micro_batch_tokens=tokens), base=tiny_model, data=some,
            out=tmp_path / str(tokens), checkpoints=tmp_path / f"{tokens}.ck", logs=tmp_path / "l",
        ).validation_loss
        for tokens in (16, 4096)
    ]  # fmt: skip
    assert found[0] == pytest.approx(found[1], abs=2e-4)


def test_training_writes_no_dvc_yaml(tiny_model: Path, tmp_path: Path) -> None:
    trackers = ["dvclive"] if importlib.util.find_spec("dvclive") else []
    train(tmp_path, tiny_model, replace(FULL, report_to=trackers))
    assert list(tmp_path.rglob("dvc.yaml")) == []
    elsewhere = {".venv", ".dvc"}  # installed packages, and the trees of experiments
    listed = []
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if name not in elsewhere]
        listed += [Path(folder) / name for name in names if name == "dvc.yaml"]
    assert listed == [ROOT / "dvc.yaml"]

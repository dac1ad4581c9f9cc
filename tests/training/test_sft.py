"""The trainer: what raises nothing when it goes wrong is compared to the byte or the float."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import trees
from titer import files
from titer.config import Device, Dtype, LoraSettings, OnLong, SftSettings, Think
from titer.errors import DataError, LoadError
from titer.modeling import chat_template, loading
from titer.records import Example
from titer.training import sft
from titer.training.checkpoints import last_checkpoint

FULL = SftSettings(
    seed=5, learning_rate=3e-3, epochs=2, batch_size=4, warmup_share=0.1, weight_decay=0.0,
    evals=4, max_length=96, think=Think.none, on_long=OnLong.drop, device=Device.cpu,
    weights=Dtype.float32, precision=Dtype.float32, optimizer="adamw_torch_fused",
    micro_batch_tokens=4096, checkpointing=False, packing=True, processes=1, machines=1,
    report_to=[], lora=None,
)  # fmt: skip
QLORA = replace(FULL, lora=LoraSettings(4, 8, 0.1, "all-linear"))
METALS = ("iron", "gold", "tin", "lead", "zinc", "silver", "copper", "nickel")


def example(number: int) -> Example:
    metal = METALS[number % len(METALS)]
    return Example(
        id=f"e{number}",
        messages=[
            {"role": "user", "content": f"Which metal is number {number}?"},
            {"role": "assistant", "content": f"Number {number} is {metal}."},
        ],
        recipe="test", recipe_version=1, paper_id=f"p{number}", source="pubmed", title="",
        spans=[], cluster_id=f"p{number}",
    )  # fmt: skip


def data(n: int = 16) -> sft.Data:
    texts = ["Gold is soft. Iron is hard.", "Tin melts early."]
    return sft.Data([example(i) for i in range(n)], [example(i) for i in range(90, 93)], texts)


def train(tmp_path: Path, base: Path, settings: SftSettings, name: str = "a") -> sft.Run:
    return sft.train(
        settings, base=base, data=data(), out=tmp_path / name, checkpoints=tmp_path / f"{name}.ck",
        logs=tmp_path / f"{name}.logs",
    )  # fmt: skip


@pytest.mark.parametrize("settings", [FULL, QLORA], ids=["full", "qlora"])
def test_two_runs_give_the_same_bytes(
    tiny_model: Path, tmp_path: Path, settings: SftSettings
) -> None:
    runs = [train(tmp_path, tiny_model, settings, name) for name in ("a", "b")]
    assert trees.differences(tmp_path / "a", tmp_path / "b") == []
    assert runs[0].losses == runs[1].losses
    assert runs[0].metrics == runs[1].metrics


class Killed(Exception):
    """Stands for a pulled plug."""


def kill_after(step: int) -> Any:
    from transformers import TrainerCallback

    class Kill(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == step:
                raise Killed

    return lambda settings, tokens_per_step: Kill()


@pytest.mark.parametrize(
    "settings",
    [pytest.param(FULL, id="full", marks=pytest.mark.slow), pytest.param(QLORA, id="qlora")],
)
def test_a_killed_and_resumed_run_gives_the_same_bytes(
    tiny_model: Path, tmp_path: Path, settings: SftSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tmp_path, tiny_model, settings, "whole")
    progress = sft.StageProgress
    monkeypatch.setattr(sft, "StageProgress", kill_after(5))
    with pytest.raises(Killed):
        train(tmp_path, tiny_model, settings, "cut")
    assert last_checkpoint(tmp_path / "cut.ck") is not None
    monkeypatch.setattr(sft, "StageProgress", progress)
    resumed = train(tmp_path, tiny_model, settings, "cut")
    assert trees.differences(tmp_path / "whole", tmp_path / "cut") == []
    assert resumed.losses == whole.losses


def test_one_row_four_times_equals_four_rows_once(tiny_model: Path, tmp_path: Path) -> None:
    together = train(tmp_path, tiny_model, FULL, "together")
    alone = train(tmp_path, tiny_model, replace(FULL, micro_batch_tokens=16), "alone")
    for one, other in zip(together.losses, alone.losses, strict=True):
        assert one["validation_loss"] == pytest.approx(other["validation_loss"], abs=2e-4)


def test_eight_rows_can_be_memorised(tiny_model: Path, tmp_path: Path) -> None:
    settings = replace(FULL, epochs=60, learning_rate=1e-2, evals=1)
    rows = [example(i) for i in range(8)]
    run = sft.train(
        settings, base=tiny_model, data=sft.Data(rows, rows, ["Gold."]), out=tmp_path / "out",
        checkpoints=tmp_path / "ck", logs=tmp_path / "logs",
    )  # fmt: skip
    assert run.validation_loss < 0.05


def test_a_fresh_adapter_leaves_the_logits_unchanged(tiny_model: Path) -> None:
    import torch
    from peft import get_peft_model

    from titer.training.lora import lora_config

    assert QLORA.lora is not None
    model = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu)
    ids = torch.arange(3, 20)[None]
    with torch.no_grad():
        before = model(input_ids=ids).logits
        after = get_peft_model(model, lora_config(QLORA.lora)).eval()(input_ids=ids).logits
    assert torch.equal(before, after)


def test_masked_tokens_get_no_gradient(tiny_model: Path) -> None:
    import torch

    tokenizer = loading.load_tokenizer(tiny_model)
    model = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu)
    row = chat_template.encode_row(tokenizer, example(1).messages, Think.none)
    logits = model(input_ids=torch.tensor([row.input_ids])).logits
    logits.retain_grad()
    labels = torch.tensor([row.labels])
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
    loss.backward()
    touched = logits.grad.abs().sum(-1)[0] > 0
    first_answer = next(i for i, label in enumerate(row.labels) if label != -100)
    assert not touched[: first_answer - 1].any()
    assert touched[first_answer - 1 : -1].all()


def test_the_adapter_is_in_float32_and_its_folder_holds_no_pickle_and_no_path(
    tiny_model: Path, tmp_path: Path
) -> None:
    from safetensors import safe_open

    train(tmp_path, tiny_model, QLORA)
    out = tmp_path / "a"
    with safe_open(str(out / "adapter_model.safetensors"), framework="pt") as weights:
        kinds = {str(weights.get_tensor(key).dtype) for key in weights.keys()}  # noqa: SIM118
    assert kinds == {"torch.float32"}
    assert not [path for path in out.iterdir() if path.suffix in {".bin", ".pt", ".pkl"}]
    assert str(tiny_model) not in (out / "adapter_config.json").read_text()
    targets = files.read_json(out / "adapter_config.json")["target_modules"]
    assert targets == sorted(targets)


def test_training_ends_with_an_evaluation_of_the_final_weights(
    tiny_model: Path, tmp_path: Path
) -> None:
    run = train(tmp_path, tiny_model, FULL)
    assert len(run.losses) == FULL.evals
    assert run.losses[-1]["step"] == run.metrics["n_steps"] == 8
    assert run.metrics["bpb_indomain_before"] != run.metrics["bpb_indomain_after"]
    assert (tmp_path / "a" / "model.safetensors").is_file()
    assert run.tokens["train"]["n"] == run.metrics["n_train"] == 16


def test_a_diverged_run_is_refused_and_forgotten(tmp_path: Path) -> None:
    rows = [{"step": 1, "epoch": 1.0, "train_loss": 1.0, "validation_loss": float("nan")}]
    (tmp_path / "ck" / "checkpoint-1").mkdir(parents=True)
    with pytest.raises(DataError, match=r"training diverged \(validation loss nan\)"):
        sft._check_finite(rows, tmp_path / "ck")
    assert not (tmp_path / "ck").exists()


def test_rows_longer_than_the_context_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="the model's context is 1024 tokens"):
        train(tmp_path, tiny_model, replace(FULL, max_length=4096))


def test_checkpointing_and_the_chunked_loss_of_large_vocabularies_give_the_same_loss(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path of real models: TRL's own loss head, activations recomputed."""
    from titer.training import trainer

    plain = train(tmp_path, tiny_model, FULL, "plain")
    monkeypatch.setattr(trainer, "CHUNKED_FROM", 1)
    chunked = train(tmp_path, tiny_model, replace(FULL, checkpointing=True), "chunked")
    assert chunked.validation_loss == pytest.approx(plain.validation_loss, abs=1e-3)

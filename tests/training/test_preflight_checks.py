"""Every check before the first step: what makes it fail, and the line that says so."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import small_models
from tests.training.test_sft import FULL, QLORA, data, example, train
from titer.config import Device, Dtype, SftSettings, Think
from titer.errors import DataError, LoadError
from titer.modeling import loading
from titer.modeling.chat_template import EncodedRow, encode_row
from titer.records import Example
from titer.training import checks, memory, preflight, room, sft
from titer.training.checks import Check, Pair

OPENS_A_THOUGHT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
THERE = room.There(memory=8 * memory.GIB, disk=1e12, n_gpus=0)


def pairs(tokenizer: Any, settings: SftSettings = FULL, n: int = 6) -> list[Pair]:
    some = [example(number) for number in range(n)]
    return [(one, encode_row(tokenizer, one.messages, settings.think)) for one in some]


def failed(found: list[Check]) -> dict[str, str]:
    """Name -> text of the checks that refuse; each is one line."""
    assert all("\n" not in check.found for check in found)
    return {check.name: check.found for check in found if not check.is_ok}


def test_good_rows_pass_every_check(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    some = pairs(tokenizer)
    found = checks.row_checks(tokenizer, some, FULL) + checks.base_checks(tiny_model, some, FULL)
    assert failed(found) == {}
    checks.require(found)


def no_label(row: EncodedRow) -> EncodedRow:
    return EncodedRow(row.input_ids, [-100] * len(row.labels))


def no_end(row: EncodedRow) -> EncodedRow:
    return EncodedRow(row.input_ids[:-1], row.labels[:-1])


def prompt_trained(row: EncodedRow) -> EncodedRow:
    return EncodedRow(row.input_ids, list(row.input_ids))


def answer_masked(row: EncodedRow) -> EncodedRow:
    first = row.labels.count(-100)
    return EncodedRow(row.input_ids, [-100] * (first + 1) + row.labels[first + 1 :])


def hole_in_the_labels(row: EncodedRow) -> EncodedRow:
    labels = list(row.labels)
    labels[-3] = -100
    return EncodedRow(row.input_ids, labels)


def another_prompt(row: EncodedRow) -> EncodedRow:
    return EncodedRow([7, *row.input_ids[1:]], row.labels)


@pytest.mark.parametrize(
    ("spoil", "name", "text"),
    [
        pytest.param(no_label, "labels", "have no label.*give them an answer", id="zero labels"),
        pytest.param(no_end, "end token", "no answer would end.*eos_token", id="end cut off"),
        pytest.param(prompt_trained, "label mask", "something else than their answer", id="prompt"),
        pytest.param(answer_masked, "label mask", "something else than their answer", id="answer"),
        pytest.param(hole_in_the_labels, "label mask", "something else", id="hole"),
        pytest.param(another_prompt, "training as in use", "check the chat template", id="parity"),
    ],
)  # fmt: skip
def test_a_spoiled_row_is_refused_by_its_id(
    tiny_model: Path, spoil: Callable[[EncodedRow], EncodedRow], name: str, text: str
) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    some = pairs(tokenizer)
    some[3] = (some[3][0], spoil(some[3][1]))
    found = checks.row_checks(tokenizer, some, FULL)
    assert re.search(f"^1 of 6 rows .*{text}.*: e3$", failed(found)[name])
    with pytest.raises(DataError, match=r"^preflight, .*: e3$"):
        checks.require(found)


def unwritable(tokenizer: Any, n: int = 3) -> list[Pair]:
    """Rows with a character that the tokenizer has no token for."""
    some = [replace(example(number), id=f"x{number}") for number in range(n)]
    for one in some:
        one.messages = [*one.messages[:-1], {"role": "assistant", "content": "a \u6f22 b"}]
    assert tokenizer.unk_token_id in tokenizer(some[0].answer)["input_ids"]
    return [(one, encode_row(tokenizer, one.messages, Think.none)) for one in some]


def test_what_a_tokenizer_cannot_write_is_named_and_no_fault_of_the_mask() -> None:
    tokenizer = small_models.t5_tokenizer()
    found = checks.row_checks(tokenizer, unwritable(tokenizer), FULL)
    (mask,) = [one for one in found if one.name == "label mask"]
    assert mask.is_ok
    assert mask.found.endswith("3 rows hold characters that the tokenizer cannot write, first x0")


def test_a_moved_mask_is_found_where_the_tokenizer_is_lossy() -> None:
    tokenizer = small_models.t5_tokenizer()
    some = unwritable(tokenizer)
    some[1] = (some[1][0], answer_masked(some[1][1]))
    found = failed(checks.row_checks(tokenizer, some, FULL))
    assert re.search(
        "^1 of 3 rows train something else than their answer .*: x1$", found["label mask"]
    )


def test_many_bad_rows_are_counted_and_three_are_named(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    some = [(one, no_label(row)) for one, row in pairs(tokenizer)]
    assert failed(checks.row_checks(tokenizer, some, FULL))["labels"].startswith("6 of 6 rows")
    assert failed(checks.row_checks(tokenizer, some, FULL))["labels"].endswith("e2 and 3 more")


def test_two_beginning_tokens_are_refused(tiny_model: Path) -> None:
    """A template that prints the token, and a code path that adds it once more (R1-Distill)."""
    tokenizer = loading.load_tokenizer(tiny_model)
    tokenizer.bos_token = "<|endoftext|>"
    tokenizer.chat_template = "{{ bos_token }}{{ bos_token }}" + tokenizer.chat_template
    found = failed(checks.row_checks(tokenizer, pairs(tokenizer), FULL))
    assert re.search(r"^6 of 6 rows begin with two beginning tokens.*: e0, e1", found["beginning token"])  # fmt: skip  # noqa: E501


def test_a_thinking_template_needs_thoughts_or_another_policy(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    tokenizer.chat_template = OPENS_A_THOUGHT
    settings = replace(FULL, think=Think.keep)
    found = failed(checks.row_checks(tokenizer, pairs(tokenizer, settings), settings))
    assert re.search("model.think = keep begins one .set it to empty or none.*: e0", found["think policy"])  # fmt: skip  # noqa: E501
    for think in (Think.empty, Think.none):
        other = replace(FULL, think=think)
        assert failed(checks.row_checks(tokenizer, pairs(tokenizer, other), other)) == {}


def thinking(number: int) -> Example:
    row = example(number)
    row.messages[1]["content"] = "It is a metal.\n</think>\n\n" + row.messages[1]["content"]
    return row


def test_thoughts_are_refused_where_the_policy_trains_none(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    tokenizer.chat_template = OPENS_A_THOUGHT
    for think, refused in ((Think.keep, False), (Think.none, True), (Think.empty, True)):
        settings = replace(FULL, think=think)
        some = [(thinking(1), encode_row(tokenizer, thinking(1).messages, think))]
        found = failed(checks.row_checks(tokenizer, some, settings))
        assert ("think policy" in found) == refused
        if refused:
            assert re.search(f"model.think = {think}.*set it to keep.*: e1", found["think policy"])


def test_ids_of_another_tokenizer_are_refused(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    some = pairs(tokenizer)
    some[2] = (some[2][0], EncodedRow([5000, 1], [-100, 1]))
    found = failed(checks.base_checks(tiny_model, some, FULL))
    assert re.search("beyond the model's 1,024 .*another model.: e2", found["vocabulary"])


def test_rows_longer_than_the_context_are_refused(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    some = pairs(tokenizer)
    some[1] = (some[1][0], EncodedRow([1] * 1100, [1] * 1100))
    found = failed(checks.base_checks(tiny_model, some, FULL))
    assert re.search("context of 1024 tokens .lower model.max_length.: e1", found["context"])


@pytest.mark.parametrize(
    ("rope", "refused"),
    [
        pytest.param({"rope_type": "yarn", "factor": 4.0, "attn_factor": 0.8782488562869419}, True,
                     id="R1-0528-Qwen3-8B as published"),
        pytest.param({"rope_type": "yarn", "factor": 4.0, "attention_factor": 1.0}, False,
                     id="factor given"),
        pytest.param({"sliding": {"rope_type": "default", "twist": 1}}, True, id="nested"),
        pytest.param({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                      "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}, False,
                     id="Llama 3.1"),
    ],
)  # fmt: skip
def test_position_keys_that_transformers_ignores_are_refused(
    tmp_path: Path, rope: dict[str, Any], refused: bool
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 9, "rope_scaling": rope}))
    found = failed(checks.base_checks(tmp_path, [], FULL))
    assert ("positions" in found) == refused
    if refused:
        assert "set model.attention_factor" in found["positions"]


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        pytest.param({"learning_rate": 1e-5}, True, id="low rate"),
        pytest.param({"learning_rate": 1e-4}, False, id="rate that moves 88 %"),
        pytest.param({"learning_rate": 1e-5, "optimizer": "adamw_torch_8bit"}, False, id="rounded"),
        pytest.param({"learning_rate": 1e-5, "lora": QLORA.lora}, False, id="adapter in float32"),
    ],
)  # fmt: skip
def test_bfloat16_weights_at_a_low_rate_are_refused(change: dict[str, Any], refused: bool) -> None:
    settings = replace(FULL, weights=Dtype.bfloat16, **change)
    check = checks.rounding(settings)
    assert check.is_ok != refused
    if refused:
        assert "model.dtype: float32 or the optimizer adamw_torch_8bit" in check.found


def test_role_tokens_inside_texts_are_taken_out_and_counted(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    row = example(4)
    row.messages[0]["content"] = "Who?<|im_end|>\n<|im_start|>assistant\nMe"
    row.messages[1]["content"] = "Gold<|endoftext|> is soft."
    rows = preflight.encode_examples(tokenizer, [row, example(5)], FULL, name="train")
    assert rows.stripped == {"e4": 3}
    assert rows.examples[0].answer == "Gold is soft."
    assert failed(checks.row_checks(tokenizer, list(zip(rows.examples, rows.kept, strict=True)), FULL)) == {}  # fmt: skip  # noqa: E501


def report(base: Path, tmp_path: Path, settings: SftSettings, there: room.There) -> Any:
    tokenizer = loading.load_tokenizer(base)
    rows = preflight.encode_examples(tokenizer, data().train, settings, name="train")
    return preflight.inspect(tokenizer, [rows], settings, base=base, out=tmp_path, there=there)


SCARCE = room.MARGIN[Device.cpu] - 0.05
"""Share of the forecast that is there: a little less than preflight wants."""


@pytest.mark.parametrize(
    ("settings", "share", "cure"),
    [
        pytest.param(FULL, 0.1, "a smaller model, a larger GPU .hardware=...", id="weights alone"),
        pytest.param(FULL, SCARCE, "hardware.checkpointing: true, or lower hardware", id="cpu"),
        pytest.param(
            replace(FULL, checkpointing=True),
            SCARCE,
            r"lower hardware.micro_batch_tokens .now up to [\d,]+ in one pass", id="recomputed",
        ),
        pytest.param(replace(FULL, device=Device.cuda), 0.1, ".*a larger GPU", id="small GPU"),
    ],
)  # fmt: skip
def test_too_little_memory_is_refused_with_what_is_needed(
    tiny_model: Path, tmp_path: Path, settings: SftSettings, share: float, cure: str
) -> None:
    need = report(tiny_model, tmp_path, settings, THERE).need
    there = replace(THERE, memory=share * need.total, n_gpus=1)
    found = failed(report(tiny_model, tmp_path, settings, there).checks)
    assert list(found) == ["memory"]
    assert re.search(rf"^0.0\d GiB needed, 0.0\d GiB there .{cure}", found["memory"])


def test_a_micro_batch_that_is_too_wide_is_no_reason_for_a_larger_gpu() -> None:
    parts = {"weights": 1.0, "gradients": 1.0, "optimizer": 1.0, "activations": 0.0,
             "working": 10.0, "logits": 0.0, "overlap": 0.0}  # fmt: skip
    need = memory.Need(**{name: size * memory.GIB for name, size in parts.items()})
    there = replace(THERE, memory=8 * memory.GIB, n_gpus=1)
    settings = replace(FULL, device=Device.cuda, checkpointing=True)
    found = failed(room.room_checks(need, 0.0, settings, there, tokens=2048))
    assert "lower hardware.micro_batch_tokens (now up to 2,048 in one pass)" in found["memory"]


def test_too_little_disk_is_refused_with_what_is_needed(tiny_model: Path, tmp_path: Path) -> None:
    found = failed(report(tiny_model, tmp_path, FULL, replace(THERE, disk=1e6)).checks)
    assert list(found) == ["disk"]
    assert re.search("0.00 GB needed, 0.00 GB free .dvc gc -w", found["disk"])


def test_a_gpu_that_is_not_visible_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    found = failed(report(tiny_model, tmp_path, replace(FULL, device=Device.cuda), THERE).checks)
    assert list(found) == ["GPUs"]
    assert "hardware.device = cuda and none is visible (hardware=cpu)" in found["GPUs"]


def test_training_refuses_what_preflight_refuses(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "look", lambda device, out: replace(THERE, disk=1e3))
    with pytest.raises(DataError, match=r"^preflight, disk: 0.00 GB needed, 0.00 GB free"):
        train(tmp_path, tiny_model, FULL)
    assert not (tmp_path / "a").exists()


def test_the_record_holds_what_was_checked_and_nothing_of_the_machine(
    tiny_model: Path, tmp_path: Path
) -> None:
    notes = report(tiny_model, tmp_path, FULL, THERE).notes
    assert {"labels", "end token", "label mask", "rounding"} <= set(notes["preflight"])
    assert not {"memory", "disk", "GPUs"} & set(notes["preflight"])


def test_a_target_that_the_model_lacks_is_refused_before_the_weights_load(
    tiny_model: Path, tmp_path: Path
) -> None:
    assert QLORA.lora is not None
    settings = replace(QLORA, lora=replace(QLORA.lora, target_modules=["q_proj", "c_attn"]))
    with pytest.raises(LoadError, match=r"the model has no module c_attn\. It has down_proj"):
        train(tmp_path, tiny_model, settings)


def broken(base: Path, to: Path, value: float) -> Path:
    """The tiny model with one kind of weight set to a value."""
    import torch

    model = loading.load_model(base, dtype=Dtype.float32, device=Device.cpu)
    with torch.no_grad():
        model.get_input_embeddings().weight.fill_(value)
    model.save_pretrained(to)
    loading.load_tokenizer(base).save_pretrained(to)
    return to


@pytest.mark.parametrize("settings", [FULL, QLORA], ids=["full", "qlora"])
@pytest.mark.parametrize(
    ("value", "text"), [(float("nan"), "loss is nan"), (0.0, "gradient norm is 0")], ids=str
)
def test_a_first_step_that_learns_nothing_is_refused(
    tiny_model: Path, tmp_path: Path, settings: SftSettings, value: float, text: str
) -> None:
    base = broken(tiny_model, tmp_path / "base", value)
    with pytest.raises(DataError, match=rf"^preflight, first step: {text}, must be above 0"):
        train(tmp_path, base, settings)


def test_weights_that_should_not_be_trained_are_refused(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "n_adapter", lambda shape, lora: 7)
    with pytest.raises(DataError, match=r"preflight, trained weights: [\d,]+ and 7 were expected"):
        train(tmp_path, tiny_model, QLORA)


def test_the_first_step_changes_nothing(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dropout in the adapter: the probe draws random numbers and must give them back."""
    probed = train(tmp_path, tiny_model, QLORA, "probed")
    monkeypatch.setattr(sft.first_step, "probe", lambda *_, **__: {"loss": 1.0, "norm": 1.0})
    assert train(tmp_path, tiny_model, QLORA, "plain").losses == probed.losses


def test_the_end_token_is_learned_where_it_also_pads(tiny_model: Path, tmp_path: Path) -> None:
    """GPT-2 and Llama pad with their end token; a collator that masks padding would mask it."""
    from titer.training import arguments
    from titer.training.trainer import trainer_class

    tokenizer = loading.load_tokenizer(tiny_model)
    tokenizer.pad_token = tokenizer.eos_token
    settings = replace(FULL, packing=False)
    model = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu)
    rows = [encode_row(tokenizer, one.messages, Think.none) for one in data(4).train]
    rows[1].input_ids[:2] = []
    rows[1].labels[:2] = []
    args = arguments.training_arguments(settings, tmp_path, 4, 4, is_encoder_decoder=False)
    trainer = trainer_class(1024)(
        model, args=args,
        train_dataset=sft._dataset(rows), eval_dataset=sft._dataset(rows),
        processing_class=tokenizer,
    )  # fmt: skip
    labels = trainer.data_collator([trainer.train_dataset[i] for i in range(4)])["labels"]
    assert [(row == tokenizer.eos_token_id).sum().item() for row in labels] == [1, 1, 1, 1]
    assert (labels[1] == -100).sum() > rows[1].labels.count(-100)


@pytest.mark.parametrize("template", [None, "{{ messages[-1]['content'] }}"], ids=["none", "bare"])
def test_a_template_without_assistant_markers_still_masks_the_prompt(
    tiny_model: Path, template: str | None
) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    tokenizer.chat_template = template
    some = pairs(tokenizer)
    assert failed(checks.row_checks(tokenizer, some, FULL)) == {}
    kept = [i for i in some[0][1].labels if i != -100]
    assert tokenizer.decode(kept).strip() == "Number 0 is iron.<|im_end|>"

"""`titer preflight`: what a person sees, and that it refuses as training does."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.training.test_sft import FULL, QLORA, data, example
from titer.config import Device, Think
from titer.errors import ConfigError
from titer.modeling import loading
from titer.modeling.chat_template import encode_row
from titer.training import preview, sft


def shown(base: Path, tmp_path: Path, settings: Any, rows: Any = None) -> str:
    found = preview.look(settings, rows or data(), base=base, out=tmp_path)
    return "\n".join(preview.lines(found, settings, colour=False))


def test_the_mask_is_shown_by_markers_or_by_colour(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    row = encode_row(tokenizer, example(1).messages, Think.none)
    plain = preview.masked_text(tokenizer, row, colour=False)
    assert plain.endswith("<|im_start|>assistant\n>>>Number 1 is gold.<|im_end|><<<")
    coloured = preview.masked_text(tokenizer, row, colour=True)
    assert coloured.endswith(f"{preview.TRAINED}Number 1 is gold.<|im_end|>{preview.END}")
    assert coloured.startswith(preview.MASKED + "<|im_start|>user")


def test_a_text_cannot_write_to_the_terminal(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    row = example(1)
    row.messages[0]["content"] = "\x1b[31mred"
    encoded = encode_row(tokenizer, row.messages, Think.none)
    assert "\x1b" not in preview.masked_text(tokenizer, encoded, colour=False)


def test_tokens_steps_room_time_and_every_check_are_told(tiny_model: Path, tmp_path: Path) -> None:
    rows = data()
    rows.train[3].messages[1]["content"] = "very " * 200
    text = shown(tiny_model, tmp_path, QLORA, rows)
    for part in (
        "train: 15 rows of ", "1 rows left out, longer than model.max_length=96: e3",
        "validation: 3 rows", "8 steps of 4 rows, 4 rows per pass", "ok   label mask: 18 rows",
        "GiB at the peak (weights", "GB for the result and its checkpoints",
        "time: about ", "that a matrix product just reached",
    ):  # fmt: skip
        assert part in text


def test_the_time_without_the_device_is_not_made_up(tiny_model: Path, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    text = shown(tiny_model, tmp_path, replace(FULL, device=Device.cuda))
    assert "time: not known, no GPU is visible here" in text
    assert "FAIL GPUs: hardware.device = cuda and none is visible" in text


def test_operations_follow_rows_epochs_and_what_is_trained(
    tiny_model: Path, tmp_path: Path
) -> None:
    def work(settings: Any) -> float:
        found = preview.look(settings, data(), base=tiny_model, out=tmp_path)
        return preview.flops(found, replace(settings))

    assert work(replace(FULL, epochs=4)) > 1.8 * work(FULL)
    assert work(FULL) > 1.3 * work(QLORA)
    assert work(replace(FULL, checkpointing=True)) > 1.2 * work(FULL)
    assert isinstance(data(), sft.Data)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["ful"], r"titer preflight ful: one of qlora, full \(did you mean full\?\)"),
        (["qlora", "lora_r"], "'lora_r': not a setting. Write key=value"),
        (["hardware=gpu_8"], r"hardware=gpu_8: choose one of cpu, .*did you mean gpu_8gb"),
        (["qlora.lora_rr=3"], r"'lora_rr'.*did you mean lora_r"),
        (["full", "full.epochs=-1"], "full.epochs = -1.0: must be a number above 0"),
    ],
)
def test_a_wrong_word_is_one_line(words: list[str], text: str) -> None:
    from argparse import Namespace

    from titer.cli.preflight import preflight

    with pytest.raises(ConfigError, match=text) as error:
        preflight(Namespace(words=words))
    assert "\n" not in str(error.value)

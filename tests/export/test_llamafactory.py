"""The training for LLaMA-Factory: its files, and the real one reading them (slow, where it is)."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.training.test_sft import FULL, QLORA, example
from titer.config import LoraSettings
from titer.examples.formats import interop
from titer.export import llamafactory
from titer.export.training_run import TRAIN, Run

LLAMA_FACTORY = "TITER_LLAMA_FACTORY_PYTHON"
"""Environment variable: the Python of an environment with llamafactory in it."""
ROWS = [example(n) for n in range(6)]
READ = """
import json, sys, yaml
from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.hparams import get_train_args
from llamafactory.model import load_tokenizer
model, data, training, tuning, _ = get_train_args(yaml.safe_load(open(sys.argv[1])))
loaded = load_tokenizer(model)
template = get_template_and_fix_tokenizer(loaded["tokenizer"], data)
found = get_dataset(template, model, data, training, stage="sft", **loaded)
rows = {name: [[row["input_ids"], row["labels"]] for row in found[name]]
        for name in ("train_dataset", "eval_dataset")}
said = {"steps": training.max_steps, "rate": training.learning_rate,
        "rows": training.per_device_train_batch_size * training.gradient_accumulation_steps,
        "warmup": training.warmup_steps, "r": tuning.lora_rank, "alpha": tuning.lora_alpha,
        "bits": model.quantization_bit}
json.dump({"rows": rows, "said": said}, open(sys.argv[2], "w"))
"""


def written(tmp_path: Path, base: str = "models/base") -> list[Path]:
    runs = {"qlora": Run(QLORA, 12, 2), "full": Run(FULL, 12, 4)}
    return llamafactory.write(tmp_path, train=ROWS, validation=ROWS[:2], runs=runs, base=base)


def test_the_folder_holds_all_that_a_run_needs(tmp_path: Path) -> None:
    assert [path.name for path in written(tmp_path)] == [
        "dataset_info.json", "train.jsonl", "validation.jsonl", "full.yaml", "qlora.yaml",
        "README.md",
    ]  # fmt: skip
    text = (tmp_path / "README.md").read_text()
    assert all(difference in text for difference in llamafactory.DIFFERENCES)


def test_our_own_reader_of_its_descriptions_gives_the_rows_back(tmp_path: Path) -> None:
    written(tmp_path)
    found = interop.find(tmp_path / "dataset_info.json", TRAIN)
    assert [row.messages for row in interop.reading(found)] == [row.messages for row in ROWS]


def test_the_arguments_are_those_of_the_run(tmp_path: Path) -> None:
    written(tmp_path)
    qlora, full = (
        yaml.safe_load((tmp_path / f"{name}.yaml").read_text()) for name in ("qlora", "full")
    )
    assert qlora["max_steps"] == 12 and qlora["eval_steps"] == 3
    assert qlora["per_device_train_batch_size"] * qlora["gradient_accumulation_steps"] == 4
    assert (qlora["lora_target"], qlora["quantization_type"]) == ("all", "nf4")
    assert full["finetuning_type"] == "full" and "quantization_bit" not in full
    assert qlora["mask_history"] and not qlora["train_on_prompt"] and not qlora["packing"]


def test_named_modules_are_listed() -> None:
    settings = replace(QLORA, lora=LoraSettings(4, 8, 0.1, ["q_proj", "v_proj"]))
    found = llamafactory.arguments(Run(settings, 4, 4), base="x", name="qlora")
    assert found["lora_target"] == "q_proj,v_proj"


@pytest.mark.slow
@pytest.mark.skipif(LLAMA_FACTORY not in os.environ, reason=f"{LLAMA_FACTORY} is not set")
def test_the_real_one_reads_the_same_tokens_and_the_same_run(
    tmp_path: Path, tiny_model: Path
) -> None:
    from titer.config import Think
    from titer.modeling.chat_template import encode_row
    from titer.modeling.loading import load_tokenizer

    written(tmp_path, base=str(tiny_model))
    subprocess.run(
        [os.environ[LLAMA_FACTORY], "-c", READ, "qlora.yaml", "found.json"],
        cwd=tmp_path, check=True, timeout=600, capture_output=True,
        env={"PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"),
             "DISABLE_VERSION_CHECK": "1", "HOME": str(tmp_path)},
    )  # fmt: skip
    found: dict[str, Any] = json.loads((tmp_path / "found.json").read_text())
    tokenizer = load_tokenizer(tiny_model)
    after = tokenizer("\n", add_special_tokens=False)["input_ids"]
    for name, rows in (("train_dataset", ROWS), ("eval_dataset", ROWS[:2])):
        encoded = [encode_row(tokenizer, row.messages, Think.keep) for row in rows]
        expected = [[row.input_ids + after, row.labels + after] for row in encoded]
        assert sorted(found["rows"][name]) == sorted(expected)
    assert found["said"] == {
        "steps": 12, "rate": QLORA.learning_rate, "rows": 4, "warmup": 1, "r": 4, "alpha": 8,
        "bits": 4,
    }  # fmt: skip

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
from titer.config import Dtype, Keep, LoraSettings
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
        "bits": model.quantization_bit, "rslora": tuning.use_rslora,
        "neftune": training.neftune_noise_alpha, "patience": tuning.early_stopping_steps,
        "best": training.load_best_model_at_end}
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


OPTIONS = replace(
    QLORA, lora=LoraSettings(4, 8, 0.0, "all-linear", use_rslora=True), quantize=False,
    neftune_alpha=5.0, patience=2, keep=Keep.best,
)  # fmt: skip


def test_no_option_of_a_run_is_lost() -> None:
    found = llamafactory.arguments(Run(OPTIONS, 12, 2), base="x", name="lora")
    assert (found["use_rslora"], found["use_dora"]) == (True, False)
    assert (found["neftune_noise_alpha"], found["early_stopping_steps"]) == (5.0, 2)
    assert found["load_best_model_at_end"] and found["metric_for_best_model"] == "eval_loss"
    assert "quantization_bit" not in found
    pure = replace(FULL, weights=Dtype.bfloat16, optimizer="adamw_torch_8bit")
    found = llamafactory.arguments(Run(pure, 12, 2), base="x", name="full")
    assert found["optim_args"] == "bf16_stochastic_round=True"


@pytest.mark.slow
@pytest.mark.skipif(LLAMA_FACTORY not in os.environ, reason=f"{LLAMA_FACTORY} is not set")
def test_the_real_one_takes_every_option(tmp_path: Path, tiny_model: Path) -> None:
    runs = {"options": Run(OPTIONS, 12, 2)}
    llamafactory.write(tmp_path, train=ROWS, validation=ROWS[:2], runs=runs, base=str(tiny_model))
    said = asked(tmp_path, "options.yaml")["said"]
    assert (said["rslora"], said["neftune"], said["patience"], said["best"]) == (True, 5.0, 2, True)
    assert said["bits"] is None


def asked(folder: Path, name: str) -> dict[str, Any]:
    """What the real one makes of a YAML: rows and arguments."""
    subprocess.run(
        [os.environ[LLAMA_FACTORY], "-c", READ, name, "found.json"],
        cwd=folder, check=True, timeout=600, capture_output=True,
        env={"PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf"),
             "DISABLE_VERSION_CHECK": "1", "HOME": str(folder)},
    )  # fmt: skip
    found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return found


@pytest.mark.slow
@pytest.mark.skipif(LLAMA_FACTORY not in os.environ, reason=f"{LLAMA_FACTORY} is not set")
def test_the_real_one_reads_the_same_tokens_and_the_same_run(
    tmp_path: Path, tiny_model: Path
) -> None:
    from titer.config import Think
    from titer.modeling.chat_template import encode_row
    from titer.modeling.loading import load_tokenizer

    written(tmp_path, base=str(tiny_model))
    found = asked(tmp_path, "qlora.yaml")
    tokenizer = load_tokenizer(tiny_model)
    after = tokenizer("\n", add_special_tokens=False)["input_ids"]
    for name, rows in (("train_dataset", ROWS), ("eval_dataset", ROWS[:2])):
        encoded = [encode_row(tokenizer, row.messages, Think.keep) for row in rows]
        expected = [[row.input_ids + after, row.labels + after] for row in encoded]
        assert sorted(found["rows"][name]) == sorted(expected)
    assert found["said"] == {
        "steps": 12, "rate": QLORA.learning_rate, "rows": 4, "warmup": 1, "r": 4, "alpha": 8,
        "bits": 4, "rslora": False, "neftune": None, "patience": None, "best": False,
    }  # fmt: skip

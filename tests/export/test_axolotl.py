"""The training for Axolotl: its files, their keys, and the real one reading them (where it is)."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.imports import ROOT
from tests.training.test_sft import FULL, QLORA, example
from titer.config import Dtype, Keep, LoraSettings, SftSettings
from titer.examples.formats import interop
from titer.export import axolotl
from titer.export.training_run import Run
from titer.records import Example

AXOLOTL = "TITER_AXOLOTL"
"""Environment variable: a folder that `pip install --no-deps --target` filled with axolotl==0.19.0
and addict."""
KEYS = ROOT / "tests" / "fixtures" / "axolotl_0_19_0_keys.json"
"""Names that its schema knows: AxolotlInputConfig and SFTDataset of axolotl/utils/schemas."""
needs_axolotl = pytest.mark.skipif(AXOLOTL not in os.environ, reason=f"{AXOLOTL} is not set")

LAST = Example(
    id="t", recipe="test", recipe_version=1, paper_id="p", source="pubmed", title="", spans=[],
    cluster_id="p",
    messages=[
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Which metal is soft?"},
        {"role": "assistant", "content": "Gold."},
        {"role": "user", "content": "And which is\nhard?"},
        {"role": "assistant", "content": "Iron, as far as we know."},
    ],
)  # fmt: skip
ROWS = [*(example(n) for n in range(4)), LAST]

LORA = replace(
    QLORA, quantize=False, neftune_alpha=5.0, patience=2, keep=Keep.best,
    lora=LoraSettings(4, 8, 0.1, ["q_proj", "v_proj"], use_rslora=True, use_dora=True),
)  # fmt: skip
EIGHT_BIT = replace(
    FULL, optimizer="adamw_torch_8bit", weights=Dtype.bfloat16, precision=Dtype.bfloat16,
    checkpointing=True,
)  # fmt: skip
SETTINGS = {"qlora": QLORA, "full": FULL, "lora": LORA, "eight_bit": EIGHT_BIT}

VALIDATE = """
import json, sys, warnings, yaml
warnings.simplefilter("ignore")
from axolotl.utils.schemas.config import AxolotlInputConfig
from axolotl.utils.schemas.datasets import SFTDataset
found = AxolotlInputConfig(**yaml.safe_load(open(sys.argv[1])))
json.dump({
    "read": json.loads(found.model_dump_json()),
    "keys": {"configuration": sorted(AxolotlInputConfig.model_fields),
             "data_set": sorted(SFTDataset.model_fields)},
}, open(sys.argv[2], "w"))
"""
TOKENISE = """
import json, sys, warnings, yaml
warnings.simplefilter("ignore")
from axolotl.prompt_strategies.chat_template import load
from axolotl.utils.dict import DictDefault
from transformers import AutoTokenizer
settings = DictDefault(yaml.safe_load(open(sys.argv[1])))
tokenizer = AutoTokenizer.from_pretrained(settings.base_model)
strategy = load(tokenizer, settings, dict(settings.datasets[0]))
rows = [strategy.tokenize_prompt(json.loads(line)) for line in open(settings.datasets[0]["path"])]
json.dump([[row["input_ids"], row["labels"]] for row in rows], open(sys.argv[2], "w"))
"""


def written(tmp_path: Path, base: str = "models/base") -> list[Path]:
    runs = {name: Run(settings, 12, 2) for name, settings in SETTINGS.items()}
    return axolotl.write(tmp_path, train=ROWS, validation=ROWS[:2], runs=runs, base=base)


def ask(code: str, folder: Path, *words: str) -> Any:
    """What a program of Axolotl's own code says."""
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "said.json"], cwd=folder, text=True, timeout=300,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.environ[AXOLOTL], "HF_HUB_OFFLINE": "1",
             "HOME": str(folder), "AXOLOTL_DO_NOT_TRACK": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "said.json").read_text())


def read(tmp_path: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((tmp_path / f"{name}.yaml").read_text())
    return found


def test_the_folder_holds_all_that_a_run_needs(tmp_path: Path) -> None:
    assert [path.name for path in written(tmp_path)] == [
        "train.jsonl", "validation.jsonl", "eight_bit.yaml", "full.yaml", "lora.yaml",
        "qlora.yaml", "README.md",
    ]  # fmt: skip
    text = (tmp_path / "README.md").read_text()
    assert all(difference in text for difference in axolotl.DIFFERENCES)


@pytest.mark.parametrize(("section", "rows"), [("datasets", ROWS), ("test_datasets", ROWS[:2])])
def test_our_own_reader_gives_the_rows_back(
    tmp_path: Path, section: str, rows: list[Example]
) -> None:
    written(tmp_path)
    (tmp_path / "one.yaml").write_text(
        yaml.safe_dump({"datasets": read(tmp_path, "qlora")[section]})
    )
    found = interop.find(tmp_path / "one.yaml", None)
    assert [row.messages for row in interop.reading(found)] == [row.messages for row in rows]


def test_the_configuration_is_that_of_the_run(tmp_path: Path) -> None:
    written(tmp_path)
    qlora, full = read(tmp_path, "qlora"), read(tmp_path, "full")
    assert (qlora["max_steps"], qlora["eval_steps"], qlora["save_steps"]) == (12, 3, 3)
    assert qlora["micro_batch_size"] * qlora["gradient_accumulation_steps"] == 4
    assert (qlora["adapter"], qlora["load_in_4bit"], qlora["lora_target_linear"]) == (
        "qlora", True, True,
    )  # fmt: skip
    assert not {"adapter", "load_in_4bit"} & set(full)
    assert not qlora["sample_packing"] and not qlora["train_on_inputs"]


def test_what_a_run_adds_is_carried_over(tmp_path: Path) -> None:
    written(tmp_path)
    lora, eight = read(tmp_path, "lora"), read(tmp_path, "eight_bit")
    assert (lora["adapter"], lora["load_in_4bit"]) == ("lora", False)
    assert lora["lora_target_modules"] == ["q_proj", "v_proj"] and "lora_target_linear" not in lora
    assert lora["peft_use_rslora"] and lora["peft_use_dora"]
    assert (lora["neftune_noise_alpha"], lora["early_stopping_patience"]) == (5.0, 2)
    assert lora["load_best_model_at_end"]
    assert eight["bf16"] and eight["optim_args"] == "bf16_stochastic_round=True"
    assert eight["gradient_checkpointing"]


def test_only_the_last_answer_of_a_row_counts(tmp_path: Path) -> None:
    written(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert [turn["train"] for turn in rows[-1]["messages"]] == [False] * 4 + [True]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_key_is_one_that_axolotl_knows(tmp_path: Path, name: str) -> None:
    written(tmp_path)
    known, found = json.loads(KEYS.read_text()), read(tmp_path, name)
    assert set(found) <= set(known["configuration"])
    for data_set in found["datasets"] + found["test_datasets"]:
        assert set(data_set) <= set(known["data_set"])


@pytest.mark.slow
@needs_axolotl
@pytest.mark.parametrize(("name", "settings"), SETTINGS.items(), ids=SETTINGS)
def test_its_own_schema_reads_what_we_wrote(
    tmp_path: Path, name: str, settings: SftSettings
) -> None:
    written(tmp_path)
    said = ask(VALIDATE, tmp_path, f"{name}.yaml")
    assert said["keys"] == json.loads(KEYS.read_text()), "the list of keys is of another version"
    given, kept = read(tmp_path, name), said["read"]
    other = {key: (given[key], kept[key]) for key in given if not same(given[key], kept[key])}
    assert not other, "its validation changes what we say"
    assert kept["learning_rate"] == settings.learning_rate


def same(given: Any, kept: Any) -> bool:
    """Equal, but for what a data set leaves to its defaults."""
    if isinstance(given, list) and given and isinstance(given[0], dict):
        pairs = zip(given, kept, strict=True)
        return all(one[key] == other[key] for one, other in pairs for key in one)
    return bool(given == kept)


@pytest.mark.slow
@needs_axolotl
def test_its_own_tokenisation_gives_our_tokens_and_mask(tmp_path: Path, tiny_model: Path) -> None:
    from titer.config import Think
    from titer.modeling.chat_template import encode_row
    from titer.modeling.loading import load_tokenizer

    written(tmp_path, base=str(tiny_model))
    tokenizer = load_tokenizer(tiny_model)
    after = tokenizer("\n", add_special_tokens=False)["input_ids"]
    expected = []
    for row in ROWS:
        ours = encode_row(tokenizer, row.messages, Think.keep)
        # the template's line break after the end token is there, but not trained
        expected.append([ours.input_ids + after, ours.labels + [-100] * len(after)])
    assert ask(TOKENISE, tmp_path, "qlora.yaml") == expected

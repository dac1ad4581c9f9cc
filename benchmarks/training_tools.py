"""One training job in each tool: Titer's own path, a plain TRL script, LLaMA-Factory.

Invariant: same model, rows, rows per step, learning rate, schedule and precision; LoRA of rank 16
on all linear layers, no dropout, activations kept. What a tool's defaults would make slower
(recomputed activations) is switched off for it.

    python -m benchmarks.training_tools titer       reads jobs as JSON lines, answers each with one
"""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ANSWER = "benchmark-answer: "
"""Begins the lines that are answers: libraries print what they like."""
ROWS_PER_STEP = 8
LEARNING_RATE = 2e-4
CUTOFF = 512
PACKED_ROWS = 3
"""Packed rows of CUTOFF tokens that hold about ROWS_PER_STEP rows."""
LORA = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "target_modules": "all-linear"}


@dataclass(frozen=True)
class Job:
    """What to train."""

    kind: str
    """lora, qlora or full."""
    precision: str
    """float32, or bfloat16 by autocast over float32 weights."""
    packed: bool
    n_rows: int
    epochs: int
    world: str
    """Folder that `training_rows.build` made."""
    out: str


def titer(job: Job) -> None:
    """`titer.training.sft.train`, as the stages call it."""
    from titer.config import Device, Dtype, LoraSettings, OnLong, SftSettings, Think
    from titer.records import Example
    from titer.training import sft

    lora = LoraSettings(16, 32, 0.0, "all-linear") if job.kind != "full" else None
    settings = SftSettings(
        seed=0, learning_rate=LEARNING_RATE, epochs=job.epochs, batch_size=ROWS_PER_STEP,
        warmup_share=0.0, weight_decay=0.0, evals=1, max_length=CUTOFF, think=Think.none,
        on_long=OnLong.fail, device=Device.cpu, weights=Dtype.float32,
        precision=Dtype(job.precision), optimizer="adamw_torch_fused", micro_batch_tokens=8192,
        checkpointing=False, packing=job.packed, processes=1, machines=1, report_to=[], lora=lora,
        quantize=job.kind == "qlora",
    )  # fmt: skip
    world, out = Path(job.world), Path(job.out)
    rows = [
        Example(
            id=str(number), messages=row["messages"], recipe="row", recipe_version=1,
            paper_id=str(number), source="made", title="", spans=[], cluster_id=str(number),
        )
        for number, row in enumerate(_rows(world / "train.jsonl", job.n_rows))
    ]  # fmt: skip
    sft.train(
        settings, base=world / "model", data=sft.Data(rows, rows[:1], []), out=out / "model",
        checkpoints=out / "checkpoints", logs=out / "logs",
    )  # fmt: skip


def _rows(path: Path, n: int) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:n]]


def trl(job: Job) -> None:
    """The script that TRL's documentation shows."""
    import torch
    from datasets import load_dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    from trl import SFTConfig, SFTTrainer

    rows = load_dataset("json", data_files=f"{job.world}/train.jsonl", split="train")
    four_bit = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(
        f"{job.world}/model", dtype=torch.float32,
        quantization_config=four_bit if job.kind == "qlora" else None,
    )  # fmt: skip
    arguments = SFTConfig(
        output_dir=f"{job.out}/checkpoints", max_length=CUTOFF, packing=job.packed,
        per_device_train_batch_size=PACKED_ROWS if job.packed else ROWS_PER_STEP,
        learning_rate=LEARNING_RATE, lr_scheduler_type="cosine", num_train_epochs=job.epochs,
        use_cpu=True, bf16=job.precision == "bfloat16", activation_checkpointing=False,
        assistant_only_loss=True, save_strategy="no", report_to="none", disable_tqdm=True,
        dataloader_pin_memory=False, seed=0,
    )  # fmt: skip
    trainer = SFTTrainer(
        model, args=arguments, train_dataset=rows.select(range(job.n_rows)),
        peft_config=None if job.kind == "full" else LoraConfig(**LORA, task_type="CAUSAL_LM"),
    )  # fmt: skip
    trainer.train()
    trainer.save_model(f"{job.out}/model")


def llamafactory_arguments(job: Job) -> dict[str, Any]:
    """What `llamafactory-cli train` reads from its YAML file."""
    lora = {"finetuning_type": "lora", "lora_rank": 16, "lora_alpha": 32, "lora_target": "all",
            "lora_dropout": 0.0}  # fmt: skip
    packing = {"packing": True, "neat_packing": True, "flash_attn": "sdpa"}
    return {
        "model_name_or_path": f"{job.world}/model", "stage": "sft", "do_train": True,
        "dataset": "train", "dataset_dir": job.world, "template": "qwen3_nothink",
        "cutoff_len": CUTOFF, "max_samples": job.n_rows, "overwrite_cache": True,
        "preprocessing_num_workers": 1, "logging_steps": 1000, "save_strategy": "no",
        "report_to": "none", "gradient_accumulation_steps": 1, "learning_rate": LEARNING_RATE,
        "lr_scheduler_type": "cosine", "num_train_epochs": float(job.epochs), "use_cpu": True,
        "dataloader_num_workers": 0, "seed": 0, "disable_tqdm": True,
        "disable_gradient_checkpointing": True, "bf16": job.precision == "bfloat16",
        "per_device_train_batch_size": PACKED_ROWS if job.packed else ROWS_PER_STEP,
        "output_dir": f"{job.out}/model", "overwrite_output_dir": True,
        **({"finetuning_type": "full"} if job.kind == "full" else lora),
        **(packing if job.packed else {}),
    }  # fmt: skip


def llamafactory(job: Job) -> None:
    """What `llamafactory-cli train` calls."""
    from llamafactory.train.tuner import run_exp

    run_exp(args=llamafactory_arguments(job))


TOOLS = {"titer": titer, "trl": trl, "llamafactory": llamafactory}


def main() -> None:
    """Train what is asked for on standard input until it ends."""
    import torch

    from benchmarks import training_meter

    torch.set_num_threads(1)
    train = TOOLS[sys.argv[1]]
    for line in sys.stdin:
        job = Job(**json.loads(line))
        meter = training_meter.Meter()
        training_meter.attach(meter)
        for left in ("model", "checkpoints"):  # of the job before: tools would read on
            shutil.rmtree(Path(job.out) / left, ignore_errors=True)
        train(job)
        rate = {"matrix_gflops": training_meter.matrix_rate(job.precision)}
        print(ANSWER + json.dumps({**meter.readings(), **rate}), flush=True)


if __name__ == "__main__":
    main()

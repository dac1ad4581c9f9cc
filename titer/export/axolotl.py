"""The training rows and both fine-tunes as Axolotl reads them.

Invariant: the run that the YAML describes is the one that Titer would do: the same rows, steps,
rates, mask and adapter. What cannot be the same is in DIFFERENCES, which README.md of the folder
says as well. Keys as in Axolotl 0.19.0 (axolotl/utils/schemas).
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from titer import files
from titer.config import Dtype, Keep, SftSettings
from titer.export.training_run import FILES, ROOM, TRAIN, VALIDATION, Run, write_readme, write_runs
from titer.records import Example

COMMAND = "axolotl train"
COUNTS = "train"
"""Key of a turn that says whether the loss counts on it."""
DIFFERENCES = (
    "Rows are drawn in another order: the seeds are those of other code.",
    "A think policy other than keep is not applied there; the tokenizer's chat template decides.",
    "With bf16 the weights are loaded in bfloat16: it has no bfloat16 arithmetic on float32 ones.",
    "A warm-up of one step becomes one of two.",
    "It sends reports of its use to its makers, unless AXOLOTL_DO_NOT_TRACK=1 is set.",
)


def write(
    out: Path,
    *,
    train: Sequence[Example],
    validation: Sequence[Example],
    runs: Mapping[str, Run],
    base: str,
) -> list[Path]:
    """Write rows, one YAML per run and README.md.

    Args:
        out: folder to write.
        train, validation: rows that fit into max_length.
        runs: name of the arm, qlora or full, and what it does.
        base: model folder or hub id for the YAML.
    Returns:
        The files, in the order in which they are of use.
    """
    written = []
    for name, rows in ((TRAIN, train), (VALIDATION, validation)):
        written.append(out / FILES[name])
        files.write_jsonl(written[-1], ({"messages": _turns(row)} for row in rows))
    written += write_runs(
        out, runs, lambda run, name: configuration(run, base=base, name=name), command=COMMAND
    )
    loss = "Its loss is on the last answer of a row and its end token, as here."
    readme = write_readme(
        out, trainer="Axolotl", command=COMMAND, loss=loss, differences=DIFFERENCES
    )
    return [*written, readme]


def _turns(row: Example) -> list[dict[str, Any]]:
    """The messages; the loss counts on the last one only."""
    last = len(row.messages) - 1
    return [{**turn, COUNTS: number == last} for number, turn in enumerate(row.messages)]


def configuration(run: Run, *, base: str, name: str) -> dict[str, Any]:
    """Axolotl's configuration of a run."""
    settings = run.settings
    every = run.n_between_evaluations
    return {
        "base_model": base,
        **_weights(settings),
        "datasets": [_data_set(FILES[TRAIN])],
        "test_datasets": [_data_set(FILES[VALIDATION])],
        "val_set_size": 0.0,
        "dataset_prepared_path": "prepared",
        "sequence_len": settings.max_length + ROOM,
        "excess_length_strategy": "drop",
        "train_on_inputs": False,
        "sample_packing": False,
        "pad_to_sequence_len": False,
        "output_dir": f"saves/{name}",
        "max_steps": run.n_steps,
        "num_epochs": math.ceil(settings.epochs),
        "micro_batch_size": run.micro_batch_rows,
        "gradient_accumulation_steps": run.n_accumulated,
        "eval_batch_size": 1,
        **_optimisation(run),
        "seed": settings.seed,
        **_precision(settings),
        "gradient_checkpointing": settings.checkpointing,
        "logging_steps": 1,
        "eval_strategy": "steps",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 1,
        **_kept(settings),
    }


def _data_set(name: str) -> dict[str, Any]:
    return {
        "path": name,
        "ds_type": "json",
        "split": "train",  # what the one split of a file is called
        "type": "chat_template",
        "chat_template": "tokenizer_default",
        "field_messages": "messages",
        "message_property_mappings": {"role": "role", "content": "content"},
        "message_field_training": COUNTS,
        "train_on_eos": "turn",
    }


def _optimisation(run: Run) -> dict[str, Any]:
    settings = run.settings
    stochastic = settings.optimizer == "adamw_torch_8bit" and settings.weights == Dtype.bfloat16
    found = {
        "learning_rate": settings.learning_rate,
        "lr_scheduler": "cosine",
        "warmup_steps": run.warmup_steps,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": 1.0,  # the default of transformers, which Titer leaves alone
        "optimizer": settings.optimizer,
    }
    if stochastic:
        found["optim_args"] = "bf16_stochastic_round=True"
    if settings.neftune_alpha:
        found["neftune_noise_alpha"] = settings.neftune_alpha
    return found


def _precision(settings: SftSettings) -> dict[str, Any]:
    return {"bf16": settings.precision == Dtype.bfloat16, "fp16": False, "tf32": False}


def _kept(settings: SftSettings) -> dict[str, Any]:
    """Which step's weights are kept, and when training ends early."""
    found: dict[str, Any] = {}
    if settings.keep == Keep.best:
        found |= {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss",
                  "greater_is_better": False}  # fmt: skip
    if settings.patience:
        found["early_stopping_patience"] = settings.patience
    return found


def _weights(settings: SftSettings) -> dict[str, Any]:
    """What is trained. Axolotl's 4 bits are NF4 with double quantisation, as Titer's."""
    lora = settings.lora
    if lora is None:
        return {}
    chosen: dict[str, Any] = (
        {"lora_target_linear": True}
        if lora.target_modules == "all-linear"
        else {"lora_target_modules": list(lora.target_modules)}
    )
    return {
        "adapter": "qlora" if settings.quantize else "lora",
        "load_in_4bit": settings.quantize,
        "lora_r": lora.r,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        **chosen,
        "peft_use_rslora": lora.use_rslora,
        "peft_use_dora": lora.use_dora,
    }

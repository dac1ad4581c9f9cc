"""The training rows and both fine-tunes as LLaMA-Factory reads them.

Invariant: the run that the YAML describes is the one that Titer would do: the same rows, steps,
rates, mask and adapter. What cannot be the same is in DIFFERENCES, which README.md of the folder
says as well. Argument names as in LLaMA-Factory 0.9.5.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from titer import files
from titer.config import Device, Dtype, Keep, SftSettings
from titer.examples.formats.interop import DATASET_INFO
from titer.export.training_run import FILES, ROOM, TRAIN, VALIDATION, Run, write_readme, write_runs
from titer.records import Example

TAGS = {
    "role_tag": "role", "content_tag": "content",
    "user_tag": "user", "assistant_tag": "assistant", "system_tag": "system",
}  # fmt: skip
COMMAND = "llamafactory-cli train"
NF4 = {
    "quantization_bit": 4, "quantization_method": "bnb",
    "quantization_type": "nf4", "double_quantization": True,
}  # fmt: skip
DIFFERENCES = (
    "What the chat template writes after the end token of an answer, a line break in ChatML, is "
    "trained there and not here.",
    "Rows are drawn in another order: the seeds are those of other code.",
    "Conversations whose turns do not alternate between user and assistant are skipped there.",
    "A think policy other than keep is not applied there; set `template` and `enable_thinking`.",
)


def write(
    out: Path,
    *,
    train: Sequence[Example],
    validation: Sequence[Example],
    runs: dict[str, Run],
    base: str,
) -> list[Path]:
    """Write rows, dataset_info.json, one YAML per run and README.md.

    Args:
        out: folder to write.
        train, validation: rows that fit into max_length.
        runs: name of the arm, qlora or full, and what it does.
        base: model folder or hub id for the YAML.
    Returns:
        The files, in the order in which they are of use.
    """
    for name, rows in ((TRAIN, train), (VALIDATION, validation)):
        files.write_jsonl(out / FILES[name], ({"messages": row.messages} for row in rows))
    files.write_json(out / DATASET_INFO, {name: _description(FILES[name]) for name in FILES})
    written = [out / DATASET_INFO, *(out / name for name in FILES.values())]
    written += write_runs(
        out, runs, lambda run, name: arguments(run, base=base, name=name), command=COMMAND
    )
    loss = "Its loss is on the last answer of a row, as here."
    readme = write_readme(
        out, trainer="LLaMA-Factory", command=COMMAND, loss=loss, differences=DIFFERENCES
    )
    return [*written, readme]


def _description(name: str) -> dict[str, Any]:
    columns = {"messages": "messages"}
    return {"file_name": name, "formatting": "sharegpt", "columns": columns, "tags": TAGS}


def arguments(run: Run, *, base: str, name: str) -> dict[str, Any]:
    """LLaMA-Factory's arguments of a run."""
    settings = run.settings
    every = run.n_between_evaluations
    return {
        "stage": "sft",
        "do_train": True,
        "model_name_or_path": base,
        **_weights(settings),
        "dataset": TRAIN,
        "eval_dataset": VALIDATION,
        "dataset_dir": ".",
        # without `template` it is taken from the tokenizer, which is what Titer renders with
        "cutoff_len": settings.max_length + ROOM,
        "mask_history": True,
        "train_on_prompt": False,
        "packing": False,
        "output_dir": f"saves/{name}",
        "max_steps": run.n_steps,
        "per_device_train_batch_size": run.micro_batch_rows,
        "gradient_accumulation_steps": run.n_accumulated,
        "per_device_eval_batch_size": 1,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": run.warmup_steps,
        "weight_decay": settings.weight_decay,
        **_optimiser(settings),
        "seed": settings.seed,
        "data_seed": settings.seed,
        "bf16": settings.precision == Dtype.bfloat16,
        "use_cpu": settings.device == Device.cpu,
        "disable_gradient_checkpointing": not settings.checkpointing,
        "logging_steps": every,
        "eval_strategy": "steps",
        "eval_steps": every,
        "save_steps": every,
        "save_total_limit": 1,
        **_kept(settings),
        "report_to": "none",
    }


def _optimiser(settings: SftSettings) -> dict[str, Any]:
    found: dict[str, Any] = {"optim": settings.optimizer}
    if settings.optimizer == "adamw_torch_8bit" and settings.weights == Dtype.bfloat16:
        found["optim_args"] = "bf16_stochastic_round=True"
    if settings.neftune_alpha:
        found["neftune_noise_alpha"] = settings.neftune_alpha
    return found


def _kept(settings: SftSettings) -> dict[str, Any]:
    """Which step's weights are kept, and when training ends early."""
    found: dict[str, Any] = {}
    if settings.keep == Keep.best or settings.patience:  # a patience needs to know the best
        found |= {"metric_for_best_model": "eval_loss", "greater_is_better": False}
    if settings.keep == Keep.best:
        found["load_best_model_at_end"] = True
    if settings.patience:
        found["early_stopping_steps"] = settings.patience  # counted in evaluations, as here
    return found


def _weights(settings: SftSettings) -> dict[str, Any]:
    """What is trained, and in which number format the base is loaded."""
    lora = settings.lora
    if lora is None:
        pure = settings.weights == Dtype.bfloat16
        return {"finetuning_type": "full", "pure_bf16": pure}
    targets = lora.target_modules
    return {
        "finetuning_type": "lora",
        "lora_rank": lora.r,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "lora_target": "all" if targets == "all-linear" else ",".join(targets),
        "use_rslora": lora.use_rslora,
        "use_dora": lora.use_dora,
        **(NF4 if settings.quantize else {}),
    }

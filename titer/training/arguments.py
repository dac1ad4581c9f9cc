"""What TRL's trainer is told for one run: transformers' defaults never decide in silence."""

from pathlib import Path
from typing import Any

from titer.config import Device, Dtype, Keep, SftSettings
from titer.training import spread
from titer.training.callbacks import TO_FILES


def n_steps(settings: SftSettings, n_rows: int) -> int:
    """Optimiser steps of a run, rounded up to a multiple of `evals`.

    So the last evaluation sees the final weights. An incomplete last batch of an epoch is a step.
    """
    steps = max(1, round(settings.epochs * -(-n_rows // settings.batch_size)))
    return -(-steps // settings.evals) * settings.evals


def training_arguments(
    settings: SftSettings, checkpoints: Path, n_rows: int, micro: int, *, is_encoder_decoder: bool
) -> Any:
    """TRL's SFTConfig of a run, or transformers' own arguments for an encoder-decoder.

    Args:
        n_rows: rows of an epoch.
        micro: rows per forward pass of one process.
    """
    from transformers import Seq2SeqTrainingArguments
    from trl import SFTConfig

    given = _given(settings, checkpoints, n_rows, micro)
    if is_encoder_decoder:
        return Seq2SeqTrainingArguments(**given)
    # rows were measured and filtered: TRL would cut the end token in silence
    return SFTConfig(**given, max_length=None, packing=False)


def _given(settings: SftSettings, checkpoints: Path, n_rows: int, micro: int) -> dict[str, Any]:
    steps = n_steps(settings, n_rows)
    every = steps // settings.evals
    on_cpu = settings.device == Device.cpu
    stochastic = settings.optimizer == "adamw_torch_8bit" and settings.weights == Dtype.bfloat16
    return {
        "output_dir": str(checkpoints),
        "max_steps": steps,
        "per_device_train_batch_size": micro,
        # row by row: transformers averages batches, so the loss would depend on the micro-batch
        "per_device_eval_batch_size": 1,
        "gradient_accumulation_steps": settings.batch_size // settings.n_processes // micro,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(settings.warmup_share * steps),
        "weight_decay": settings.weight_decay,
        "optim": settings.optimizer,
        "optim_args": "bf16_stochastic_round=True" if stochastic else None,
        "bf16": settings.precision == Dtype.bfloat16,
        "use_cpu": on_cpu,
        "dataloader_pin_memory": not on_cpu,
        "logging_steps": 1,  # a mean over steps would forget those before a resume
        "eval_strategy": "steps",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 1,
        "load_best_model_at_end": settings.keep == Keep.best,
        "neftune_noise_alpha": settings.neftune_alpha or None,
        "disable_tqdm": True,
        "report_to": [name for name in settings.report_to if name not in TO_FILES] or "none",
        "seed": settings.seed,
        "data_seed": settings.seed,
        **spread.arguments(settings),
    }

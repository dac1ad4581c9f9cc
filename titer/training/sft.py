"""Supervised fine-tuning with TRL: the one trainer of both stages.

Invariant: the same base, examples and settings give the same bytes on one machine, whether the run
was killed and resumed or not. The loss counts on answers and their end token only.
"""

import logging
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer import files
from titer.config import Device, Dtype, Keep, SftSettings
from titer.errors import DataError
from titer.modeling import chat_template, loading
from titer.modeling.loglikelihood import text_loglikelihoods
from titer.modeling.weights import check_context
from titer.records import Example
from titer.training import first_step, lora, preflight
from titer.training.callbacks import StageProgress
from titer.training.checks import require

logger = logging.getLogger(__name__)

LOSS_COLUMNS = ("step", "epoch", "train_loss", "validation_loss")
TOKENIZER_FILES = frozenset(
    {
        "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json",
        "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "chat_template.jinja",
        "chat_template.json",
    }
)  # fmt: skip
BPB_BATCH = 8
"""Windows per forward pass when held-out papers are scored: a part of the measurement."""


@dataclass(frozen=True)
class Data:
    """What is trained on and what is measured."""

    train: list[Example]
    validation: list[Example]
    heldout: list[str]
    """Texts of papers that no example comes from."""


@dataclass(frozen=True)
class Run:
    """What a fine-tune did."""

    metrics: dict[str, float | int]
    losses: list[dict[str, Any]]
    """Rows of LOSS_COLUMNS."""
    validation_loss: float
    dropped: list[dict[str, Any]]
    """Rows that were too long, by id."""
    tokens: dict[str, dict[str, Any]]
    """Row lengths of train and validation, as `preflight.token_lengths` gives them."""
    notes: dict[str, Any]
    """What preflight saw, and which step's weights were kept."""
    timing: dict[str, float]
    """Seconds and peak memory: they differ from run to run."""


def train(settings: SftSettings, *, base: Path, data: Data, out: Path, checkpoints: Path) -> Run:
    """Fine-tune a base model and save adapter or weights to `out`.

    Args:
        base: folder of the base model.
        out: adapter folder (LoRA) or model folder (full); made new.
        checkpoints: where a killed run of the same settings and inputs left its last step.
    Raises:
        DataError: the examples cannot be trained on.
        LoadError: the base cannot be loaded.
    """
    started = time.monotonic()
    check_context(base, settings.max_length)
    tokenizer = loading.load_tokenizer(base)
    rows = preflight.encode_examples(tokenizer, data.train, settings, name="train")
    checks = preflight.encode_examples(tokenizer, data.validation, settings, name="validation")
    report = preflight.inspect(tokenizer, (rows, checks), settings, base=base, out=out)
    require(report.checks)
    model = loading.load_model(
        base, dtype=settings.weights, device=settings.device, quantize=settings.lora is not None
    )
    before = bits_per_byte(model, tokenizer, data.heldout, settings)
    trainer = _trainer(settings, model, tokenizer, rows.kept, checks.kept, checkpoints)
    trainable, total = loading.n_parameters(trainer.model)
    logger.info("trainable params: %s of %s (%.2f %%)", f"{trainable:,}", f"{total:,}",
                100 * trainable / total)  # fmt: skip
    first = first_step.probe(trainer, expected=report.n_trained)
    logger.info("first row: loss %.3f, gradient norm %.3g", first["loss"], first["gradient_norm"])
    loop_started = time.monotonic()
    last = last_checkpoint(checkpoints)
    if last is not None:
        logger.info("resuming after step %s", last.name.rpartition("-")[2])
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    loop_s = time.monotonic() - loop_started
    losses = loss_rows(trainer.state.log_history)
    _check_finite(losses, checkpoints)
    kept = kept_row(losses, settings.keep)
    _save(trainer, tokenizer, base, out, is_adapter=settings.lora is not None)
    after = bits_per_byte(trainer.model.eval(), tokenizer, data.heldout, settings)
    metrics: dict[str, float | int] = {
        "train_loss": kept["train_loss"],
        "validation_loss": kept["validation_loss"],
        "bpb_indomain_before": before,
        "bpb_indomain_after": after,
        "n_train": len(rows.kept),
        "n_validation": len(checks.kept),
        "n_dropped": len(rows.dropped) + len(checks.dropped),
        "n_heldout_papers": len(data.heldout),
        "n_steps": trainer.state.global_step,
        "trainable_params": trainable,
        "all_params": total,
    }
    timing = {
        "loop_s": loop_s,
        "wall_s": time.monotonic() - started,
        "peak_memory_mib": loading.peak_memory_mib(settings.device),
    }
    dropped = rows.dropped + checks.dropped
    tokens = {
        "train": preflight.token_lengths(rows),
        "validation": preflight.token_lengths(checks),
    }
    notes = {**report.notes, "kept_step": kept["step"]}
    return Run(metrics, losses, kept["validation_loss"], dropped, tokens, notes, timing)


def kept_row(losses: Sequence[dict[str, Any]], keep: Keep) -> dict[str, Any]:
    """The evaluation of the weights that are kept: the last one, or the first of the best."""
    if keep == Keep.best:
        return min(losses, key=lambda row: row["validation_loss"])
    return losses[-1]


def _check_finite(losses: Sequence[dict[str, Any]], checkpoints: Path) -> None:
    """Refuse a run that diverged, and forget it: the next one must not resume it."""
    last = losses[-1]["validation_loss"]
    if not math.isfinite(last):
        shutil.rmtree(checkpoints, ignore_errors=True)
        raise DataError(f"training diverged (validation loss {last}). Lower the learning rate")


def bits_per_byte(model: Any, tokenizer: Any, texts: Sequence[str], settings: SftSettings) -> float:
    """Mean bits per UTF-8 byte over texts; 0 texts give NaN-free 0.0."""
    if not texts:
        return 0.0
    scored = text_loglikelihoods(
        model, tokenizer, texts, window=settings.max_length, batch_size=BPB_BATCH
    )
    n_bytes = sum(len(text.encode()) for text in texts)
    return -sum(ll for ll, _ in scored) / math.log(2) / n_bytes


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint below a folder; transformers writes the state file last."""
    whole = [p.parent for p in folder.glob("checkpoint-*/trainer_state.json")]
    return max(whole, key=lambda p: int(p.name.rpartition("-")[2]), default=None)


def _trainer(
    settings: SftSettings,
    model: Any,
    tokenizer: Any,
    train_rows: list[chat_template.EncodedRow],
    validation_rows: list[chat_template.EncodedRow],
    checkpoints: Path,
) -> Any:
    from transformers import PrinterCallback

    from titer.training.trainer import trainer_class

    longest = max(len(row.input_ids) for row in train_rows + validation_rows)
    micro = preflight.micro_batch_rows(settings, longest)
    trainer = trainer_class(model.config.vocab_size)(
        model,
        args=_arguments(settings, checkpoints, len(train_rows), micro),
        train_dataset=_dataset(train_rows),
        eval_dataset=_dataset(validation_rows),
        processing_class=tokenizer,
        peft_config=lora.lora_config(settings.lora) if settings.lora else None,
        callbacks=[StageProgress(), *_early_stopping(settings)],
    )
    trainer.remove_callback(PrinterCallback)  # our bar shows the same
    if settings.lora:
        lora.train_adapter_in_float32(trainer.model)
    return trainer


def _early_stopping(settings: SftSettings) -> list[Any]:
    from transformers import EarlyStoppingCallback

    return [EarlyStoppingCallback(settings.patience)] if settings.patience else []


def _dataset(rows: list[chat_template.EncodedRow]) -> Any:
    from datasets import Dataset

    return Dataset.from_list([{"input_ids": r.input_ids, "labels": r.labels} for r in rows])


def n_steps(settings: SftSettings, n_rows: int) -> int:
    """Optimiser steps of a run, rounded up to a multiple of `evals`.

    So the last evaluation sees the final weights. An incomplete last batch of an epoch is a step.
    """
    steps = max(1, round(settings.epochs * -(-n_rows // settings.batch_size)))
    return -(-steps // settings.evals) * settings.evals


def _arguments(settings: SftSettings, checkpoints: Path, n_rows: int, micro: int) -> Any:
    from trl import SFTConfig

    steps = n_steps(settings, n_rows)
    every = steps // settings.evals
    on_cpu = settings.device == Device.cpu
    stochastic = settings.optimizer == "adamw_torch_8bit" and settings.weights == Dtype.bfloat16
    return SFTConfig(
        output_dir=str(checkpoints),
        max_steps=steps,
        per_device_train_batch_size=micro,
        # row by row: transformers averages batches, so the loss would depend on the micro-batch
        per_device_eval_batch_size=1,
        gradient_accumulation_steps=settings.batch_size // micro,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(settings.warmup_share * steps),
        weight_decay=settings.weight_decay,
        optim=settings.optimizer,
        optim_args="bf16_stochastic_round=True" if stochastic else None,
        bf16=settings.precision == Dtype.bfloat16,
        use_cpu=on_cpu,
        dataloader_pin_memory=not on_cpu,
        activation_checkpointing=settings.checkpointing,
        max_length=None,  # rows were measured and filtered: TRL would cut the end token in silence
        packing=False,
        train_sampling_strategy="group_by_length",
        logging_steps=every,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=1,
        load_best_model_at_end=settings.keep == Keep.best,
        metric_for_best_model="eval_loss" if settings.patience else None,
        neftune_noise_alpha=settings.neftune_alpha or None,
        disable_tqdm=True,
        report_to=settings.report_to or "none",
        seed=settings.seed,
        data_seed=settings.seed,
    )


def loss_rows(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per evaluation: the mean training loss since the one before it, and its own."""
    trained = {entry["step"]: entry["loss"] for entry in history if "loss" in entry}
    return [
        {
            "step": entry["step"],
            "epoch": round(entry["epoch"], 4),
            "train_loss": trained.get(entry["step"]),
            "validation_loss": entry["eval_loss"],
        }
        for entry in history
        if "eval_loss" in entry
    ]


def _save(trainer: Any, tokenizer: Any, base: Path, out: Path, *, is_adapter: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if is_adapter:
        lora.save_adapter(trainer.model, out)
    else:
        trainer.model.save_pretrained(str(out))
        for weights in out.glob("*.safetensors"):
            weights.chmod(0o644)
    copy_tokenizer(tokenizer, base, out)


def copy_tokenizer(tokenizer: Any, base: Path, out: Path) -> None:
    """Lay the base's tokenizer beside an adapter or model, and its identity with it."""
    # byte for byte: saved anew, some tokenizers come out as another one
    for path in sorted(base.iterdir()):
        if path.name in TOKENIZER_FILES:
            shutil.copyfile(path, out / path.name)
    identity = {
        "tokenizer_sha256": chat_template.tokenizer_sha256(tokenizer),
        "chat_template_sha256": chat_template.template_sha256(tokenizer),
    }
    files.write_json(out / "trained_with.json", identity)

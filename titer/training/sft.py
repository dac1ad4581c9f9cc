"""Supervised fine-tuning with TRL: the one trainer of both stages.

Invariant: the same base, examples and settings give the same bytes on one machine, whether the run
was killed and resumed or not. The loss counts on answers and their end token only.
"""

import contextlib
import logging
import math
import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer.config import Keep, SftSettings
from titer.errors import DataError, Stopped
from titer.modeling import chat_template, loading
from titer.modeling.loglikelihood import text_loglikelihoods
from titer.modeling.weights import check_context
from titer.records import Example
from titer.training import (
    arguments,
    attention,
    first_step,
    lora,
    preflight,
    saving,
    spread,
)
from titer.training.callbacks import SaveOnSignal, StageProgress, StopEarly, trackers
from titer.training.checkpoints import last_checkpoint, needing_room, resuming
from titer.training.checks import require

logger = logging.getLogger(__name__)

LOSS_COLUMNS = ("step", "epoch", "train_loss", "validation_loss")
BPB_BATCH = 8
"""Windows per forward pass when held-out papers are scored: a part of the measurement."""
BPB_TOKENS = 4096
"""Tokens per forward pass of long windows, so that their keys and values take less memory than
training (memory.py leaves them out): 8 windows of 2,048 would be 2.3 GiB for an 8B model."""


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


def train(
    settings: SftSettings, *, base: Path, data: Data, out: Path, checkpoints: Path, logs: Path
) -> Run:
    """Fine-tune a base model and save adapter or weights to `out`.

    In one of several processes (titer/training/launch.py) all do the same and the first one saves.

    Args:
        base: folder of the base model.
        out: adapter folder (LoRA) or model folder (full); made new.
        checkpoints: where a killed run of the same settings and inputs left its last step.
        logs: for what trackers write.
    Raises:
        DataError: the examples cannot be trained on.
        ConfigError: a tracker is not installed.
        LoadError: base or optimiser cannot be used, or processes are not what was asked for.
        Stopped: SIGTERM or Ctrl-C came while training; a checkpoint was saved.
        TooLittleDisk: the disk filled; the checkpoints before that are still there.
    """
    started = time.monotonic()
    spread.check_processes(spread.started(), settings)
    preflight.require_installed(settings)
    check_context(base, settings.max_length)
    tokenizer = loading.load_tokenizer(base)
    rows = preflight.encode_examples(tokenizer, data.train, settings, name="train")
    checks = preflight.encode_examples(tokenizer, data.validation, settings, name="validation")
    report = preflight.inspect(tokenizer, (rows, checks), settings, base=base, out=out)
    require(report.checks)
    model = loading.load_model(
        base, dtype=settings.weights, device=settings.device,
        quantize=settings.lora is not None and settings.quantize,
    )  # fmt: skip
    before = bits_per_byte(model, tokenizer, data.heldout, settings)
    packed = is_packed(model, settings)
    trainer = _trainer(
        settings, model, tokenizer, rows.kept, checks.kept, checkpoints, packed=packed
    )
    stop = SaveOnSignal(settings)
    trainer.add_callback(stop)
    last = last_checkpoint(checkpoints, settings.n_processes)
    if trainer.is_world_process_zero():
        for tracker in trackers(settings.report_to, logs, resumed=last is not None):
            trainer.add_callback(tracker)
    trainable, total = loading.n_parameters(trainer.model)
    logger.info("trainable params: %s of %s (%.2f %%)", f"{trainable:,}", f"{total:,}",
                100 * trainable / total)  # fmt: skip
    loop_started = time.monotonic()
    if last is not None:
        logger.info("resuming after step %s", last.name.rpartition("-")[2])
    attending = attention.per_document(model) if packed else contextlib.nullcontext()
    with stop.listening(), attending, needing_room(checkpoints), resuming(last):
        first = first_step.probe(trainer, expected=report.n_trained)
        logger.info("first row: loss %.3f, gradient norm %.3g", first["loss"], first["norm"])
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    if stop.stopped:
        raise Stopped(
            f"training was told to stop and saved step {trainer.state.global_step}. Run the same "
            "command to go on from there"
        )
    loop_s = time.monotonic() - loop_started
    losses = loss_rows(trainer.state.log_history)
    _check_finite(losses, checkpoints)
    kept = kept_row(losses, settings.keep)
    with needing_room(out):
        saving.save(trainer, tokenizer, base, out, is_adapter=settings.lora is not None)
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
    """Bits per UTF-8 byte over all texts together; 0 where there is no text."""
    if not texts:
        return 0.0
    n_windows = max(1, min(BPB_BATCH, BPB_TOKENS // settings.max_length))
    scored = text_loglikelihoods(
        model, tokenizer, texts, window=settings.max_length, batch_size=n_windows
    )
    n_bytes = sum(len(text.encode()) for text in texts)
    return -sum(ll for ll, _ in scored) / math.log(2) / n_bytes


def is_packed(model: Any, settings: SftSettings) -> bool:
    """Whether rows are laid end to end; told where it was asked for and the model cannot."""
    if not settings.packing or model.config.is_encoder_decoder:
        return False  # an encoder-decoder has two sequences to a row, which are padded
    reason = attention.why_not_packed(model)
    if reason is not None:
        logger.warning("rows are padded, not packed: %s", reason)
    return reason is None


def _trainer(
    settings: SftSettings,
    model: Any,
    tokenizer: Any,
    train_rows: list[chat_template.EncodedRow],
    validation_rows: list[chat_template.EncodedRow],
    checkpoints: Path,
    *,
    packed: bool,
) -> Any:
    from transformers import PrinterCallback

    from titer.training import seq2seq
    from titer.training.trainer import new_trainer

    longest = max(len(row.input_ids) for row in train_rows + validation_rows)
    micro = preflight.micro_batch_rows(settings, longest)
    has_encoder = bool(model.config.is_encoder_decoder)
    given = {
        "args": arguments.training_arguments(
            settings, checkpoints, len(train_rows), micro, is_encoder_decoder=has_encoder
        ),
        "train_dataset": _dataset(train_rows),
        "eval_dataset": _dataset(validation_rows),
        "processing_class": tokenizer,
        "callbacks": _watchers(settings, train_rows),
    }
    if has_encoder:
        trainer: Any = seq2seq.new_trainer(model, settings, given)
    else:
        trainer = new_trainer(model, settings, given, is_packed=packed)
    spread.check_processes(trainer.accelerator.num_processes, settings)
    if settings.n_processes > 1:
        trainer.complete_last_step(tokenizer.eos_token_id)
    trainer.remove_callback(PrinterCallback)  # our bar shows the same
    if settings.lora:
        lora.train_adapter_in_float32(trainer.model)
    return trainer


def _watchers(settings: SftSettings, rows: Sequence[Any]) -> list[Any]:
    per_step = sum(len(row.input_ids) for row in rows) / -(-len(rows) // settings.batch_size)
    early = [StopEarly(settings.patience)] if settings.patience else []
    return [StageProgress(settings, per_step), *early]


def _dataset(rows: list[chat_template.EncodedRow]) -> Any:
    from datasets import Dataset

    return Dataset.from_list([{"input_ids": r.input_ids, "labels": r.labels} for r in rows])


def loss_rows(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per evaluation: the mean training loss since the one before it, and its own."""
    rows: list[dict[str, Any]] = []
    since: list[float] = []
    for entry in history:
        if "loss" in entry:
            since.append(entry["loss"])
        if "eval_loss" in entry:
            rows.append(
                {
                    "step": entry["step"],
                    "epoch": round(entry["epoch"], 4),
                    "train_loss": statistics.fmean(since),
                    "validation_loss": entry["eval_loss"],
                }
            )
            since = []
    return rows

"""What a fine-tune would do, for a person: a row with its mask, tokens, room and time.

Every number comes from what training itself uses: `preflight.encode_examples` and
`preflight.inspect`. Nothing is trained and no weights are read.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from titer.config import Device, Dtype, SftSettings
from titer.modeling import loading
from titer.modeling.chat_template import EncodedRow
from titer.modeling.weights import count_parameters
from titer.training import arguments, memory, preflight
from titer.training.sft import Data

TRAINED, MASKED, END = "\x1b[1;32m", "\x1b[2m", "\x1b[0m"
"""Colours of a terminal: bold green, dim, as before."""
SHARE_OF_RATE = 0.4
"""Of the measured matrix rate that training reaches: 0.51 on a CPU in float32 (reference:
training, section 7), less in bfloat16."""
MATRIX = 1024
"""Side of the matrices that are multiplied to measure the rate."""
SHOWN_DROPPED = 5
PARTS = (
    "weights", "gradients", "optimizer", "activations", "working", "logits",
)  # fmt: skip


@dataclass(frozen=True)
class Preview:
    """Rows and findings of one fine-tune."""

    tokenizer: Any
    train: preflight.Rows
    validation: preflight.Rows
    report: preflight.Report
    n_weights: int


def look(settings: SftSettings, data: Data, *, base: Path, out: Path) -> Preview:
    """Prepare the rows and run the checks as training does.

    Raises:
        DataError: a row cannot be prepared, or none fits.
        ConfigError, LoadError: as `preflight.require_installed`.
    """
    preflight.require_installed(settings)
    tokenizer = loading.load_tokenizer(base)
    train = preflight.encode_examples(tokenizer, data.train, settings, name="train")
    held = preflight.encode_examples(tokenizer, data.validation, settings, name="validation")
    report = preflight.inspect(tokenizer, (train, held), settings, base=base, out=out)
    return Preview(tokenizer, train, held, report, count_parameters(base))


def lines(found: Preview, settings: SftSettings, *, colour: bool) -> Iterator[str]:
    """The preview as lines of text.

    Args:
        colour: mark what is trained by colour; else by `>>>` and `<<<`.
    """
    rows = found.train
    yield f"row {rows.examples[0].id}, {marked('trained', colour, is_trained=True)} and masked:"
    yield masked_text(found.tokenizer, rows.kept[0], colour=colour)
    yield ""
    yield from _token_lines(found, settings)
    yield ""
    for check in found.report.checks:
        yield f"{'ok  ' if check.is_ok else 'FAIL'} {check.name}: {check.found}"
    yield ""
    yield from _room_lines(found.report)
    yield _time_line(found, settings)


def masked_text(tokenizer: Any, row: EncodedRow, *, colour: bool) -> str:
    """A training row as the model sees it, what the loss counts marked."""
    pairs = zip(row.input_ids, row.labels, strict=True)
    text = ""
    for is_trained, run in groupby(pairs, key=lambda pair: pair[1] != -100):
        shown = tokenizer.decode([ids for ids, _ in run], skip_special_tokens=False)
        text += marked(shown.replace("\x1b", "\u241b"), colour, is_trained=is_trained)
    return text


def marked(text: str, colour: bool, *, is_trained: bool) -> str:
    """Text in the colour of its kind, or trained text between `>>>` and `<<<`."""
    if colour:
        return f"{TRAINED if is_trained else MASKED}{text}{END}"
    return f">>>{text}<<<" if is_trained else text


def _token_lines(found: Preview, settings: SftSettings) -> Iterator[str]:
    for name, rows in (("train", found.train), ("validation", found.validation)):
        lengths = preflight.token_lengths(rows)["deciles"]
        yield (
            f"{name}: {len(rows.kept):,} rows of {lengths[0]} to {lengths[-1]} tokens, median "
            f"{lengths[5]}; {n_tokens(rows.kept):,} tokens, {n_trained(rows.kept):,} trained"
        )
        if rows.dropped:
            ids = ", ".join(row["id"] for row in rows.dropped[:SHOWN_DROPPED])
            more = "" if len(rows.dropped) <= SHOWN_DROPPED else ", ..."
            yield (
                f"  {len(rows.dropped):,} rows left out, longer than model.max_length="
                f"{settings.max_length}: {ids}{more}"
            )
        if rows.stripped:
            n_tokens_out = sum(rows.stripped.values())
            yield f"  {n_tokens_out} role tokens taken out of {len(rows.stripped)} rows"
    n_replay = found.report.notes["n_replay"]
    if n_replay:
        yield f"  {n_replay:,} rows are general text (examples.replay = {settings.replay:g})"
    steps = arguments.n_steps(settings, len(found.train.kept))
    yield (
        f"{steps:,} steps of {settings.batch_size} rows, {found.report.micro_rows} rows per pass "
        f"(up to {found.report.micro_tokens:,} tokens)"
    )


def n_tokens(rows: Sequence[EncodedRow]) -> int:
    """Tokens of rows, padding not counted."""
    return sum(len(row.input_ids) for row in rows)


def n_trained(rows: Sequence[EncodedRow]) -> int:
    """Tokens that the loss counts."""
    return sum(len(row.labels) - row.labels.count(-100) for row in rows)


def _room_lines(report: preflight.Report) -> Iterator[str]:
    if report.need is None:
        return
    parts = ", ".join(f"{name} {getattr(report.need, name) / memory.GIB:.2f}" for name in PARTS)
    yield f"memory: {report.need.total / memory.GIB:.2f} GiB at the peak ({parts})"
    yield f"disk: {report.disk_bytes / 1e9:.2f} GB for the result and its checkpoints"


def flops(found: Preview, settings: SftSettings) -> float:
    """Floating-point operations of the whole run.

    2 per weight and token forwards, as many backwards for the inputs, and for weights that are
    trained as many again; measuring is forwards only. Recomputed activations are a forward pass.
    """
    per_token = 4 if settings.lora else 6
    per_token += 2 if settings.checkpointing else 0
    steps = arguments.n_steps(settings, len(found.train.kept))
    rows_seen = steps * settings.batch_size
    trained = n_tokens(found.train.kept) / len(found.train.kept) * rows_seen
    measured = n_tokens(found.validation.kept) * settings.evals
    return found.n_weights * (per_token * trained + 2.0 * measured)


def matrix_rate(device: Device, precision: Dtype) -> float | None:
    """Operations per second of a matrix product here, the best of five; null without the device."""
    import torch

    if device == Device.cuda and not torch.cuda.device_count():
        return None
    one = torch.ones(MATRIX, MATRIX, dtype=getattr(torch, precision), device=str(device))
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        (one @ one)[0, 0].item()  # waits for the device
        best = min(best, time.perf_counter() - started)
    return float(2 * MATRIX**3 / best)


def _time_line(found: Preview, settings: SftSettings) -> str:
    work = flops(found, settings)
    rate = matrix_rate(settings.device, settings.precision)
    if rate is None:
        return f"time: not known, no GPU is visible here ({work:.1e} operations)"
    seconds = work / (rate * SHARE_OF_RATE * settings.n_processes)
    return (
        f"time: about {spelled(seconds)} without loading (from {work:.1e} operations at "
        f"{SHARE_OF_RATE:.0%} of the {rate / 1e9:,.0f} GFLOP/s that a matrix product just reached)"
    )


def spelled(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

"""What a training stage reads and leaves: examples in; losses, metrics and run record out."""

import logging
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

from titer import files
from titer.config import SftSettings
from titer.errors import DataError
from titer.modeling.loading import NOT_RUN
from titer.records import Example
from titer.training.replay import replay_examples
from titer.training.sft import LOSS_COLUMNS, Data, Run

logger = logging.getLogger(__name__)


def read_data(at: Any, settings: SftSettings) -> Data:
    """Training and validation examples, and the texts of the held-out papers.

    With `settings.replay` general rows stand behind the others; training shuffles them.

    Args:
        at: places of the stage: it reads `examples`, `heldout` and `texts` (data/pretraining).
    Raises:
        DataError: there is nothing to train or to validate on, or too little to replay.
    """
    examples, heldout = at.reads.examples, at.reads.heldout
    parts = {
        name: [Example.from_json(row) for row in files.read_jsonl(examples / f"{name}.jsonl")]
        for name in ("train", "validation")
    }
    for name, rows in parts.items():
        if not rows:
            raise DataError(f"{examples}/{name}.jsonl: no examples. Collect more papers")
    texts = [str(row["text"]) for row in files.read_jsonl(heldout)]
    general = replay_examples(
        at.reads.texts, share=settings.replay, n_train=len(parts["train"]), seed=settings.seed
    )
    return Data(parts["train"] + general, parts["validation"], texts)


TRAIN = "train.jsonl"
"""Rows that weights come from, in the folder of examples."""


def write_run(
    run: Run,
    at: Any,
    *,
    stage: str,
    settings: SftSettings,
    plan_sha256: str,
) -> None:
    """Write losses, metrics (rounded) and the run record of a finished fine-tune.

    Args:
        at: places of the stage: it reads `examples` and writes `run`, `loss` and `metrics`.
        plan_sha256: of what was promised before this training.
    """
    writes = at.writes
    files.write_csv(writes.loss, files.rounded(run.losses), LOSS_COLUMNS)
    files.write_json(writes.metrics, {stage: files.rounded({**run.metrics, "trained": 1}, 4)})
    record = {
        "status": "ok",
        "reason": None,
        "settings": asdict(settings),
        "plan_sha256": plan_sha256,
        # ties the weights to their rows: `titer papers recheck` asks which model saw a paper
        "examples_sha256": files.sha256_file(at.reads.examples / TRAIN),
        "dropped": run.dropped,
        "tokens": run.tokens,
        **run.notes,
        "timing": files.rounded(run.timing, 2),
    }
    files.write_json(writes.run, record)


def write_not_run(reason: str, writes: SimpleNamespace, *, stage: str, plan_sha256: str) -> None:
    """Write outs that say that the stage did not run, and why."""
    logger.warning("%s does not run: %s", stage, reason)
    record: dict[str, Any] = {"status": "not_run", "reason": reason, "plan_sha256": plan_sha256}
    files.write_json(writes.model / NOT_RUN, record)
    files.write_json(writes.run, record)
    files.write_csv(writes.loss, [], LOSS_COLUMNS)
    files.write_json(writes.metrics, {stage: {"trained": 0}})

"""Train all weights, where the hardware can hold that.

Reads the base model, the examples and the held-out papers; writes the model, losses and metrics,
or why it did not run.
    python -m stages.train_full full.epochs=1          one run by hand, into runs/
"""

from typing import Any

from titer import plan
from titer.config import full_run
from titer.runner import ROOT, Places, stage

MODEL_KEYS = ("model.dtype", "model.max_length", "model.think", "model.learning_rate")
HARDWARE_KEYS = (
    "hardware.device", "hardware.precision", "hardware.optimizer", "hardware.micro_batch_tokens",
    "hardware.checkpointing", "hardware.packing", "hardware.processes", "hardware.machines",
    "hardware.memory_gib",
)  # fmt: skip


@stage(
    uses=("seed", "full", "examples.on_long", "examples.replay", *MODEL_KEYS, *HARDWARE_KEYS),
    untracked=("hardware.report_to", "plan", "eval.questions"),
    untracked_reads=plan.QUESTION_FILES,
    reads={
        "base": "models/base",
        "examples": "data/papers/examples",
        "heldout": "data/papers/heldout.jsonl",
        "texts": "data/pretraining",
    },
    writes={
        "model": "models/full",
        "run": "results/train_full/run.json",
        "loss": "results/train_full/loss.csv",
        "metrics": "results/train_full/metrics.json",
    },
)
def train_full(cfg: Any, at: Places) -> float | None:
    """Train, and give back the validation loss that a sweep minimises; null when it did not run."""
    from titer.modeling.loading import quiet_known_noise

    quiet_known_noise()  # before transformers imports what makes it
    from titer.training import launch, outputs, preflight

    promised = plan.sha256(cfg.plan, at.reads, cfg.eval.questions, root=ROOT)
    settings = full_run(cfg)
    reason = preflight.why_not_full(
        cfg.full.enabled, settings, base=at.reads.base, memory_gib=cfg.hardware.memory_gib
    )
    if reason is not None:
        outputs.write_not_run(reason, at.writes, stage="train_full", plan_sha256=promised)
        return None
    data = outputs.read_data(at, settings)
    run = launch.train(
        settings,
        base=at.reads.base,
        data=data,
        out=at.writes.model,
        checkpoints=at.checkpoints,
        logs=at.logs,
    )
    outputs.write_run(run, at, stage="train_full", settings=settings, plan_sha256=promised)
    return run.validation_loss


if __name__ == "__main__":
    train_full.main()

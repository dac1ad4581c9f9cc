"""Train the QLoRA adapter, or take one that was trained elsewhere.

Reads the base model, the examples and the held-out papers; writes the adapter, losses and metrics.
    python -m stages.train_qlora qlora.epochs=1        one run by hand, into runs/
"""

from typing import Any

from titer import plan
from titer.config import AdapterSource, qlora_run
from titer.runner import ROOT, Places, stage

MODEL_KEYS = ("model.max_length", "model.think", "model.learning_rate")
HARDWARE_KEYS = (
    "hardware.device", "hardware.precision", "hardware.optimizer", "hardware.micro_batch_tokens",
    "hardware.checkpointing", "hardware.packing", "hardware.processes", "hardware.machines",
)  # fmt: skip


@stage(
    uses=("seed", "qlora", "examples.on_long", "examples.replay", *MODEL_KEYS, *HARDWARE_KEYS),
    untracked=("hardware.report_to", "plan", "eval.questions"),
    untracked_reads=plan.QUESTION_FILES,
    reads={
        "base": "models/base",
        "examples": "data/papers/examples",
        "heldout": "data/papers/heldout.jsonl",
        "texts": "data/pretraining",
        "adapters": "data/own/adapters",
    },
    writes={
        "model": "models/qlora",
        "run": "results/train_qlora/run.json",
        "loss": "results/train_qlora/loss.csv",
        "metrics": "results/train_qlora/metrics.json",
    },
)
def train_qlora(cfg: Any, at: Places) -> float | None:
    """Train, and give back the validation loss that a sweep minimises; null when adopted."""
    from titer.modeling.loading import quiet_known_noise

    quiet_known_noise()  # before transformers imports what makes it
    from titer.training import adopt, launch, outputs

    promised = plan.sha256(cfg.plan, at.reads, cfg.eval.questions, root=ROOT)
    if cfg.qlora.source == AdapterSource.path:
        folder = adopt.own_path(cfg.qlora, root=ROOT, own=at.reads.adapters)
        found = adopt.adopt(folder, base=at.reads.base, think=cfg.model.think, out=at.writes.model)
        adopt.write_adopted(found, at, section=cfg.qlora, plan_sha256=promised)
        return None

    settings = qlora_run(cfg)
    data = outputs.read_data(at, settings)
    run = launch.train(
        settings,
        base=at.reads.base,
        data=data,
        out=at.writes.model,
        checkpoints=at.checkpoints,
        logs=at.logs,
    )
    outputs.write_run(run, at, stage="train_qlora", settings=settings, plan_sha256=promised)
    return run.validation_loss


if __name__ == "__main__":
    train_qlora.main()

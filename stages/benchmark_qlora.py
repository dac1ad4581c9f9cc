"""Benchmark the QLoRA adapter on the 4-bit base.

Reads base, adapter and the questions; writes its answers, likelihoods and run record.
    python -m stages.benchmark_qlora                     one run by hand, into runs/
"""

from typing import Any

from titer.evaluation import benchmark
from titer.runner import ROOT, Places, stage

MODEL_KEYS = ("model.max_length", "model.think", "model.generation")
HARDWARE_KEYS = ("hardware.device", "hardware.precision")


@stage(
    uses=("seed", "eval", *MODEL_KEYS, *HARDWARE_KEYS),
    untracked=("plan",),
    reads={
        "base": "models/base",
        "model": "models/qlora",
        **benchmark.FILES,
    },
    writes={
        "answers": "results/qlora/answers.json",
        "closed": "results/qlora/closed.jsonl",
        "run": "results/qlora/run.json",
        "metrics": "results/qlora/metrics.json",
    },
)
def benchmark_qlora(cfg: Any, at: Places) -> None:
    """Ask the adapter on the 4-bit base that it was trained on."""
    from titer.evaluation import answering

    setting = answering.setting(cfg)
    asked = benchmark.load(at.reads, cfg.eval, root=ROOT)
    taken = answering.take(
        asked, setting, name="qlora", folder=at.reads.base, adapter=at.reads.model, quantize=True
    )
    answering.write([taken], asked, setting, cfg.plan, at.writes, stage="benchmark_qlora")


if __name__ == "__main__":
    benchmark_qlora.main()

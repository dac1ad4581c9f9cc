"""Benchmark the QLoRA adapter on the 4-bit base.

Reads base, adapter and the questions; writes its answers, likelihoods and run record.
    python -m stages.benchmark_qlora                     one run by hand, into runs/
"""

from typing import Any

from titer.evaluation import benchmark
from titer.runner import ROOT, Places, stage


@stage(
    uses=benchmark.KEYS,
    untracked=("plan",),
    reads={
        "base": "models/base",
        "model": "models/qlora",
        **benchmark.FILES,
    },
    writes=benchmark.results("qlora"),
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

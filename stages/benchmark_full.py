"""Benchmark the full fine-tune.

Reads the fine-tuned model and the questions; writes its answers, likelihoods and run record.
    python -m stages.benchmark_full                     one run by hand, into runs/
"""

from typing import Any

from titer import plan
from titer.evaluation import benchmark
from titer.runner import ROOT, Places, stage


@stage(
    uses=benchmark.KEYS,
    untracked=("plan",),
    reads={
        "model": "models/full",
        **benchmark.FILES,
    },
    writes=benchmark.results("full"),
)
def benchmark_full(cfg: Any, at: Places) -> None:
    """Ask the full fine-tune, or say that there is none."""
    from titer.evaluation import answering
    from titer.modeling.loading import not_run_reason

    reason = not_run_reason(at.reads.model)
    if reason is not None:
        promised = plan.sha256(cfg.plan, at.reads, cfg.eval.questions, root=ROOT)
        answering.write_not_run(reason, promised, at.writes, stage="benchmark_full")
        return
    setting = answering.setting(cfg)
    asked = benchmark.load(at.reads, cfg.eval, root=ROOT)
    taken = answering.take(asked, setting, name="full", folder=at.reads.model)
    answering.write([taken], asked, setting, cfg.plan, at.writes, stage="benchmark_full")


if __name__ == "__main__":
    benchmark_full.main()

"""Benchmark the untouched base model.

Reads the base model and the questions; writes its answers, likelihoods and run record.
    python -m stages.benchmark_base                     one run by hand, into runs/
"""

from typing import Any

from titer.evaluation import benchmark
from titer.runner import ROOT, Places, stage


@stage(
    uses=benchmark.KEYS,
    untracked=("plan",),
    reads={
        "base": "models/base",
        **benchmark.FILES,
    },
    writes=benchmark.results("base"),
)
def benchmark_base(cfg: Any, at: Places) -> None:
    """Ask the base at full precision and in 4 bits: quantisation is not training.

    On request also with solved examples in the prompt, as context for the reader.
    """
    from titer.evaluation import answering

    setting = answering.setting(cfg)
    asked = benchmark.load(at.reads, cfg.eval, root=ROOT)
    taken = [
        answering.take(asked, setting, name="base", folder=at.reads.base, quantize=quantize)
        for quantize in (False, True)
    ]
    if cfg.eval.few_shot:
        taken.append(answering.take_few_shot(asked, setting, name="base", folder=at.reads.base))
    answering.write(taken, asked, setting, cfg.plan, at.writes, stage="benchmark_base")


if __name__ == "__main__":
    benchmark_base.main()

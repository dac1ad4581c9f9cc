"""Compare each fine-tune with its base and write the report.

Reads the three benchmark results, the training records, the papers and the benchmark; writes the
statistics, the metrics, the comparison table, the report and the model cards.
    python -m stages.score                             one run by hand, into runs/
"""

import os
from typing import Any

from titer import files
from titer.errors import GateFailed
from titer.evaluation import benchmark, reviews
from titer.runner import ROOT, Places, stage

ARMS = ("base", "qlora", "full")


@stage(
    uses=("plan", "score", "eval", "domain.title", "domain.lexicon", "domain.entities",
          "domain.wording"),
    reads={
        **{f"{arm}_{name.split('.')[0]}": f"results/{arm}/{name}"
           for arm in ARMS for name in ("answers.json", "closed.jsonl", "run.json")},
        **{f"train_{arm}_{name.split('.')[0]}": f"results/train_{arm}/{name}"
           for arm in ARMS[1:] for name in ("run.json", "loss.csv", "metrics.json")},
        "model": "results/model.json",
        "papers": "data/papers",
        "studies": "reports/studies",
        **benchmark.FILES,
        "reviews": reviews.PATH,
    },
    writes={
        "stats": "results/stats.json",
        "contamination": "results/contamination.json",
        "comparison": "results/model_comparison.csv",
        "accuracy": "results/accuracy.json",
        "metrics": "results/metrics.json",
        "html": "reports/report.html",
        "markdown": "reports/report.md",
        "card_qlora": "reports/model_card_qlora.md",
        "card_full": "reports/model_card_full.md",
    },
)  # fmt: skip
def score(cfg: Any, at: Places) -> None:
    """Score, decide and report."""
    from titer.evaluation import judge, score_tables
    from titer.examples import contamination
    from titer.report import outputs, verdicts

    cache, key = at.home / cfg.score.judge.cache_dir, os.environ.get("TITER_JUDGE_API_KEY")
    asked = outputs.Asked(
        plan=cfg.plan,
        eval=cfg.eval,
        domain_title=cfg.domain.title,
        lexicon=cfg.domain.lexicon,
        entities=cfg.domain.entities,
        wording=cfg.domain.wording,
        choices=at.choices,
        trials=vars(cfg.score.trials),
        root=ROOT,
    )
    stats, texts = outputs.scored(
        at.reads,
        asked,
        contamination.recheck(at.reads.papers, benchmark.texts_to_guard(at.reads)),
        opinions=lambda stats: judge.read(stats, cfg.score.judge, cache=cache, api_key=key),
    )
    for name, text in texts.items():
        files.write_text(getattr(at.writes, name), text)
    verdicts.log(stats)
    failed = score_tables.failed_gates(stats)
    if cfg.score.strict and failed:
        raise GateFailed(f"score.strict: {len(failed)} gates failed: {'; '.join(failed)}")


if __name__ == "__main__":
    score.main()

"""Compare each fine-tune with its base and write the report.

Reads the three benchmark results, the training records, the papers and the benchmark; writes the
statistics, the metrics, the comparison table, the report and the model cards.
    python -m stages.score                             one run by hand, into runs/
"""

import os
from typing import Any

from titer import files
from titer.errors import DataError
from titer.evaluation import benchmark, reviews
from titer.runner import ROOT, Places, stage

ARMS = ("base", "qlora", "full")


@stage(
    uses=("plan", "score", "eval", "domain.title", "domain.lexicon"),
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
        "metrics": "results/metrics.json",
        "html": "reports/report.html",
        "markdown": "reports/report.md",
        "card_qlora": "reports/model_card_qlora.md",
        "card_full": "reports/model_card_full.md",
    },
)  # fmt: skip
def score(cfg: Any, at: Places) -> None:
    """Score, decide and report."""
    import pandas as pd

    from titer.evaluation import judge, scoring, seen
    from titer.examples import contamination
    from titer.report import cards, html, markdown, sources, verdicts

    found = sources.read(at.reads)
    leaks = contamination.recheck(at.reads.papers, benchmark.texts_to_guard(at.reads))
    facts = benchmark.facts(at.reads)
    stats = scoring.score(
        found.arms,
        facts=facts,
        questions=benchmark.open_questions(at.reads, cfg.eval, root=ROOT),
        corpus=seen.corpus(facts, found.examples),
        plan=cfg.plan,
        plan_sha256=cfg.plan.sha256(),
        training=found.training,
        contamination=leaks,
        lexicon=cfg.domain.lexicon,
        safety_items=benchmark.safety_items(at.reads),
        reviewed=reviews.load(at.reads.reviews),
    )
    cache, key = at.home / cfg.score.judge.cache_dir, os.environ.get("TITER_JUDGE_API_KEY")
    stats["judge"] = judge.read(stats, cfg.score.judge, cache=cache, api_key=key)
    leaks = files.rounded(leaks | {"scores": scoring.clean_scores(stats, leaks)})
    context = sources.context(
        found, domain_title=cfg.domain.title, choices=at.choices, facts=facts, contamination=leaks
    )
    files.write_json(at.writes.stats, files.rounded(stats))
    files.write_json(at.writes.contamination, leaks)
    files.write_json(at.writes.metrics, scoring.metrics_rows(stats))
    table = pd.DataFrame(scoring.comparison_table(stats)).round(6)
    files.write_text(at.writes.comparison, table.to_csv(index=False, lineterminator="\n"))
    files.write_text(at.writes.markdown, markdown.render(stats, context))
    files.write_text(at.writes.html, html.render(stats, context))
    for arm, path in (("qlora", at.writes.card_qlora), ("full", at.writes.card_full)):
        files.write_text(path, cards.render(arm, stats, context))
    verdicts.log(stats)
    failed = scoring.failed_gates(stats)
    if cfg.score.strict and failed:
        raise DataError(f"score.strict: {len(failed)} gates failed: {'; '.join(failed)}")


if __name__ == "__main__":
    score.main()

"""Everything that score writes, made from what it reads: by the stage, and again by a reviewer.

Invariant: a pure function of the files; a judge's opinions are handed in, never asked for here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from titer import files, plan
from titer.config import EvalSettings, PlanSettings
from titer.evaluation import benchmark, reviews, score_tables, scoring
from titer.evaluation.seen import Corpus
from titer.evaluation.seen import corpus as corpus_of
from titer.report import cards, html, markdown, sources


@dataclass(frozen=True)
class Asked:
    """The settings that scoring looks at."""

    plan: PlanSettings
    eval: EvalSettings
    domain_title: str
    lexicon: Sequence[str]
    entities: Sequence[str]
    wording: Mapping[str, str]
    choices: Mapping[str, str]
    trials: Mapping[str, int]
    """Jobs of sweeps behind the settings of each fine-tune."""
    root: Path
    """That `eval.questions` is relative to."""


def scored(
    at: SimpleNamespace,
    asked: Asked,
    leaks: Mapping[str, Any],
    *,
    opinions: Callable[[dict[str, Any]], Any],
    corpus: Corpus | None = None,
) -> tuple[dict[str, Any], dict[str, str]]:
    """Statistics, and the text of every file by the name that the stage declares.

    Args:
        at: paths by the names that the stage declares.
        asked: plan, questions, words.
        leaks: what the contamination check found.
        opinions: from the statistics to the judge's block.
        corpus: counts of the training examples; null counts them.

    Raises:
        DataError, FormatError: a file is missing or malformed, or results do not fit the facts.
    """
    from tqdm.auto import tqdm

    with tqdm(desc="scoring", total=3, unit="step", delay=5, leave=False) as bar:
        found = sources.read(at)
        facts = benchmark.facts(at)
        bar.update()
        stats = scoring.score(
            found.arms,
            facts=facts,
            questions=benchmark.open_questions(at, asked.eval, root=asked.root),
            corpus=corpus or corpus_of(facts, found.examples),
            plan=asked.plan,
            plan_sha256=plan.sha256(asked.plan, at, asked.eval.questions, root=asked.root),
            training=found.training,
            contamination=leaks,
            lexicon=asked.lexicon,
            entities=asked.entities,
            safety_items=benchmark.safety_items(at),
            reviewed=reviews.load(at.reviews),
        )
        bar.update()
        # as it will be stored: a pack's numbers are printed again from there
        stats["judge"] = files.rounded(opinions(stats))
        checked: dict[str, Any] = files.rounded(
            {**leaks, "scores": score_tables.clean_scores(stats, leaks)}
        )
        context = sources.context(
            found,
            domain_title=asked.domain_title,
            choices=dict(asked.choices),
            facts=facts,
            contamination=checked,
            trials=dict(asked.trials),
        )
        texts = _texts(stats, context, checked, asked.wording)
        bar.update()
        return stats, texts


def _texts(
    stats: dict[str, Any], context: dict[str, Any], leaks: Any, wording: Mapping[str, str]
) -> dict[str, str]:
    import pandas as pd

    values = {
        "stats": files.rounded(stats),
        "contamination": leaks,
        "metrics": score_tables.metrics_rows(stats),
        "accuracy": files.rounded(score_tables.accuracy_rows(stats)),
    }
    table = pd.DataFrame(score_tables.comparison_table(stats)).round(6)
    pages = {
        "markdown": markdown.render(stats, context),
        "html": html.render(stats, context),
        "card_qlora": cards.render("qlora", stats, context),
        "card_full": cards.render("full", stats, context),
    }
    return {
        **{name: f"{files.dump_json(value, indent=2)}\n" for name, value in values.items()},
        "comparison": table.to_csv(index=False, lineterminator="\n"),
        **{name: files.reworded(page, wording) for name, page in pages.items()},
    }

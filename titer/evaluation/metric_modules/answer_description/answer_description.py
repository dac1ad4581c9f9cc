"""Metric module: what answers look like."""

import json
from typing import Any

from titer.evaluation import metric_base, metrics


class AnswerDescription(metric_base.PlainMetric):
    """Means of the descriptive counts: shown, never scored.

    Args:
        predictions: answers as generated, with their thoughts.
        references: for each the JSON text of {answer, lexicon}, see `metrics.look_text`.
    Returns:
        words, sentences, think_tags, medical_terms, structured, mentions_confidence,
        mentions_next_steps: mean over answers.
    """

    predictions_type = metric_base.TEXT
    references_type = metric_base.TEXT

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        rows = []
        for raw, reference in zip(predictions, references, strict=True):
            given = json.loads(reference)
            rows.append(metrics.describe(given["answer"], raw, given["lexicon"]))
        return {name: metrics.mean([row[name] for row in rows]) for name in rows[0]}

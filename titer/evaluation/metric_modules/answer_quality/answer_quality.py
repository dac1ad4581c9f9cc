"""Metric module: what is wrong with answers as generated."""

from typing import Any

from titer.evaluation import metric_base, metrics


class AnswerQuality(metric_base.PlainMetric):
    """Share of answers with each quality flag, and of repeated 4-grams of words.

    Args:
        predictions: answers, without the thought.
        references: flags of each answer, by commas.
    Returns:
        truncated_rate, unclosed_think_rate, empty_rate, failed_rate: share of answers.
        repetition: mean over answers.
    """

    predictions_type = metric_base.TEXT
    references_type = metric_base.TEXT

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        flags = [set(reference.split(",")) for reference in references]
        rates = {f"{f}_rate": metrics.share([f in row for row in flags]) for f in metrics.FLAGS}
        repeated = metrics.mean([metrics.repetition(answer) for answer in predictions])
        return rates | {"repetition": repeated}

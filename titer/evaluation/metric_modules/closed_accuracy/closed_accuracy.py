"""Metric module: accuracy of closed items from the scores of their choices."""

from typing import Any

from titer.evaluation import metric_base, metrics


class ClosedAccuracy(metric_base.PlainMetric):
    """Share of items whose right choice scores above all others; a tie is wrong.

    Args:
        predictions: one list of scores per item, one score per choice.
        references: index of the right choice.
    Returns:
        closed_acc: share of right items.
        correct: 0 or 1 for each item.
    """

    predictions_type = metric_base.SCORES
    references_type = metric_base.INT

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        correct = metrics.correct_choices(predictions, references)
        return {"closed_acc": metrics.share(correct), "correct": [int(hit) for hit in correct]}

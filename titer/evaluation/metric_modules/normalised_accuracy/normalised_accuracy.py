"""Metric module: accuracy of closed items with scores per character."""

from typing import Any

from titer.evaluation import metric_base, metrics


class NormalisedAccuracy(metric_base.PlainMetric):
    """Share of items whose right choice has the highest score per character (acc_norm of lm-eval).

    Args:
        predictions: one list of scores per item, one score per choice.
        references: the right choice, then all choices, one per line.
    Returns:
        closed_acc_norm: share of right items.
    """

    predictions_type = metric_base.SCORES
    references_type = metric_base.TEXT

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        texts = [reference.split("\n") for reference in references]
        scores = metrics.per_character(predictions, [choices for _, *choices in texts])
        gold = [choices.index(right) for right, *choices in texts]
        return {"closed_acc_norm": metrics.share(metrics.correct_choices(scores, gold))}

"""Metric module: accuracy of closed items by what the disease's name adds."""

from typing import Any

from titer.evaluation import metric_base, metrics


class PmiAccuracy(metric_base.PlainMetric):
    """Share of items whose right choice gains most over the question with the disease hidden.

    Args:
        predictions: for each item the scores of its choices, then their blind scores.
        references: index of the right choice.
    Returns:
        closed_pmi_acc: share of right items.
    """

    predictions_type = metric_base.SCORES
    references_type = metric_base.INT

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        asked = [row[: len(row) // 2] for row in predictions]
        blind = [row[len(row) // 2 :] for row in predictions]
        added = metrics.less_blind(asked, blind)
        return {"closed_pmi_acc": metrics.share(metrics.correct_choices(added, references))}

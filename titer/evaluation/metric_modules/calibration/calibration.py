"""Metric module: how well the probabilities of choices fit what is right."""

from typing import Any

from titer.evaluation import metric_base, metrics


class Calibration(metric_base.PlainMetric):
    """Probability of the right choice, Brier score and calibration error over ten bins.

    Args:
        predictions: one list of scores per item, one score per choice.
        references: index of the right choice.
    Returns:
        gold_prob: mean probability of the right choice.
        brier: mean over items, 0 to 2.
        ece10: calibration error over ten bins of equal size.
    """

    predictions_type = metric_base.SCORES
    references_type = metric_base.INT

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        return {
            "gold_prob": metrics.mean(metrics.gold_probabilities(predictions, references)),
            "brier": metrics.mean(metrics.brier(predictions, references)),
            "ece10": metrics.calibration_error(predictions, references),
        }

"""Metric module: share of the key points that answers state."""

from typing import Any

from titer.evaluation import metric_base, metrics


class KeypointRecall(metric_base.PlainMetric):
    """Points of stated key points over points possible, mean over answers.

    Args:
        predictions: answers, without the thought.
        references: for each answer the JSON text of `metrics.rubric_text`.
    Returns:
        keypoint_recall: mean over answers that have key points.
        each: of each answer, None where there are no key points.
    """

    predictions_type = metric_base.TEXT
    references_type = metric_base.TEXT

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        pairs = zip(predictions, references, strict=True)
        each = [metrics.score_answer(answer, rubric).recall for answer, rubric in pairs]
        return {"keypoint_recall": metrics.mean(each), "each": each}

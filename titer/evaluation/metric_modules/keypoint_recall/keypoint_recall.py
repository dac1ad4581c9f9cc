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
        rubric_score: the same with points of must-not statements taken off.
        recalls: for each answer, None where there are no key points; likewise rubrics.
    """

    predictions_type = metric_base.TEXT
    references_type = metric_base.TEXT

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        pairs = zip(predictions, references, strict=True)
        scores = [metrics.score_answer(answer, rubric) for answer, rubric in pairs]
        recalls = [score.recall for score in scores]
        rubrics = [score.rubric for score in scores]
        return {
            "keypoint_recall": metrics.mean(recalls),
            "rubric_score": metrics.mean(rubrics),
            "recalls": recalls,
            "rubrics": rubrics,
        }

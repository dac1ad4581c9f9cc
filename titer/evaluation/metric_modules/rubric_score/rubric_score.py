"""Metric module: key points less must-not statements, and what was vital."""

from typing import Any

from titer.evaluation import metric_base, metrics


class RubricScore(metric_base.PlainMetric):
    """Rubric score of answers, with the must-not statements made and the critical points missed.

    Args:
        predictions: answers, without the thought.
        references: for each answer the JSON text of `metrics.rubric_text`.
    Returns:
        rubric_score: mean over answers that have key points.
        each: of each answer, None where there are no key points.
        must_not_hits: statements made, over all answers.
        critical_missed: critical points missed, over all answers.
    """

    predictions_type = metric_base.TEXT
    references_type = metric_base.TEXT

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        pairs = zip(predictions, references, strict=True)
        scores = [metrics.score_answer(answer, rubric) for answer, rubric in pairs]
        each = [score.rubric for score in scores]
        return {
            "rubric_score": metrics.mean(each),
            "each": each,
            "must_not_hits": sum(len(score.must_not) for score in scores),
            "critical_missed": sum(len(score.critical_missed) for score in scores),
        }

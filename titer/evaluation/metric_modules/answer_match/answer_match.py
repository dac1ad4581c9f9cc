"""Metric module: closed items answered freely."""

from typing import Any

from titer.evaluation import metric_base, metrics


class AnswerMatch(metric_base.PlainMetric):
    """Exact match and token F1 with the best of the right answer's names.

    Args:
        predictions: answers, without the thought.
        references: names of the right answer, one per line.
    Returns:
        answer_em: share of exact matches.
        answer_f1: mean token F1.
    """

    predictions_type = metric_base.TEXT
    references_type = metric_base.TEXT

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        pairs = zip(predictions, references, strict=True)
        found = [metrics.answer_match(answer, names.split("\n")) for answer, names in pairs]
        return {
            "answer_em": metrics.share([exact for exact, _ in found]),
            "answer_f1": metrics.mean([f1 for _, f1 in found]),
        }

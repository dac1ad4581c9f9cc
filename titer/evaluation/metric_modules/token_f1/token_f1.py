"""Metric module: words that answers share with references."""

from typing import Any

from titer.evaluation import metric_base, metrics


class TokenF1(metric_base.PlainMetric):
    """F1 over the words of answer and reference, as a bag; overlap is not correctness.

    Args:
        predictions: answers, without the thought.
        references: reference answers.
    Returns:
        token_f1: mean over answers.
        each: of each answer.
    """

    predictions_type = metric_base.TEXT
    references_type = metric_base.TEXT

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        pairs = zip(predictions, references, strict=True)
        each = [metrics.token_f1(answer, reference) for answer, reference in pairs]
        return {"token_f1": metrics.mean(each), "each": each}

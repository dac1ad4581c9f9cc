"""Metric module: longest common subsequence of answers and references."""

from typing import Any

from titer.evaluation import metric_base, metrics


class RougeL(metric_base.PlainMetric):
    """F1 of the longest common subsequence of words; overlap is not correctness.

    Args:
        predictions: answers, without the thought.
        references: reference answers.
    Returns:
        rouge_l: mean over answers.
        each: of each answer.
    """

    predictions_type = metric_base.TEXT
    references_type = metric_base.TEXT

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        pairs = zip(predictions, references, strict=True)
        each = [metrics.rouge_l(answer, reference) for answer, reference in pairs]
        return {"rouge_l": metrics.mean(each), "each": each}

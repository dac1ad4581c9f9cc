"""Metric module: bits per byte from log-likelihoods."""

from typing import Any

from titer.evaluation import metric_base, metrics


class BitsPerByte(metric_base.PlainMetric):
    """Bits per UTF-8 byte of texts, from natural-log likelihoods.

    Args:
        predictions: log-likelihood of each text.
        references: its UTF-8 bytes.
    Returns:
        bits_per_byte: of all texts together.
        mean_bits_per_byte: mean over texts.
        each: of each text.
    """

    predictions_type = metric_base.FLOAT
    references_type = metric_base.INT

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        each = metrics.bits_per_byte(predictions, references)
        return {
            "bits_per_byte": metrics.total_bits_per_byte(predictions, references),
            "mean_bits_per_byte": metrics.mean(each),
            "each": each,
        }

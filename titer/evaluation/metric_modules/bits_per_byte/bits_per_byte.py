"""Metric module: bits per byte from log-likelihoods."""

from typing import Any

import datasets
import evaluate

from titer.evaluation import metrics

DESCRIPTION = "Bits per UTF-8 byte of texts, from natural-log likelihoods."
INPUTS = """
Args:
    predictions: log-likelihood of each text.
    references: its UTF-8 bytes.
Returns:
    bits_per_byte: of all texts together.
    mean_bits_per_byte: mean over texts.
    each: of each text.
"""


class BitsPerByte(evaluate.Metric):  # type: ignore[misc]
    """Thin wrapper of `metrics.bits_per_byte`."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=INPUTS,
            features=datasets.Features(
                {
                    "predictions": datasets.Value("float64"),
                    "references": datasets.Value("int64"),
                }
            ),
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        each = metrics.bits_per_byte(predictions, references)
        return {
            "bits_per_byte": metrics.total_bits_per_byte(predictions, references),
            "mean_bits_per_byte": metrics.mean(each),
            "each": each,
        }

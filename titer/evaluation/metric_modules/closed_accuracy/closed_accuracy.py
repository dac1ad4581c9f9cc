"""Metric module: accuracy of closed items from the scores of their choices."""

from typing import Any

import datasets
import evaluate

from titer.evaluation import metrics

DESCRIPTION = "Share of items whose right choice scores above all others; a tie is wrong."
INPUTS = """
Args:
    predictions: one list of scores per item, one score per choice.
    references: index of the right choice.
Returns:
    closed_acc: share of right items.
    correct: 0 or 1 for each item.
"""


class ClosedAccuracy(evaluate.Metric):  # type: ignore[misc]
    """Thin wrapper of `metrics.correct_choices`."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=INPUTS,
            features=datasets.Features(
                {
                    "predictions": datasets.Sequence(datasets.Value("float64")),
                    "references": datasets.Value("int64"),
                }
            ),
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        correct = metrics.correct_choices(predictions, references)
        return {"closed_acc": metrics.share(correct), "correct": [int(hit) for hit in correct]}

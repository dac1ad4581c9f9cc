"""Metric module: share of the key points that answers state."""

from typing import Any

import datasets
import evaluate

from titer.evaluation import metrics

DESCRIPTION = "Points of stated key points over points possible, mean over answers."
INPUTS = """
Args:
    predictions: answers, without the thought.
    references: for each answer the JSON text of {key_points, must_not}.
Returns:
    keypoint_recall: mean over answers that have key points.
    rubric_score: the same with points of must-not statements taken off.
    recalls: for each answer, None where there are no key points; likewise rubrics.
"""


class KeypointRecall(evaluate.Metric):  # type: ignore[misc]
    """Thin wrapper of `metrics.score_answer`."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=INPUTS,
            features=datasets.Features(
                {
                    "predictions": datasets.Value("string"),
                    "references": datasets.Value("string"),
                }
            ),
        )

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

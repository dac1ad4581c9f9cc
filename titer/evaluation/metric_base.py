"""What the metric modules below metric_modules/ share: one declaration each, no arithmetic.

Invariant: a module is a thin `evaluate.Metric` over a plain function; it is loaded by its path and
so is a dependency of score that no import shows.
"""

from typing import Any

import datasets
import evaluate

FLOAT, INT, TEXT = "float64", "int64", "string"
SCORES = "scores"
"""One list of numbers per item."""


class PlainMetric(evaluate.Metric):  # type: ignore[misc]
    """A metric that says what it takes and gives in its docstring."""

    predictions_type: str
    """One of FLOAT, INT, TEXT and SCORES; `references_type` likewise."""
    references_type: str

    def _info(self) -> Any:
        types = {"predictions": self.predictions_type, "references": self.references_type}
        return evaluate.MetricInfo(
            description=(type(self).__doc__ or "").partition("\n")[0],
            citation="",
            inputs_description=type(self).__doc__ or "",
            features=datasets.Features({key: _feature(kind) for key, kind in types.items()}),
        )


def _feature(kind: str) -> Any:
    if kind == SCORES:
        return datasets.Sequence(datasets.Value(FLOAT))
    return datasets.Value(kind)

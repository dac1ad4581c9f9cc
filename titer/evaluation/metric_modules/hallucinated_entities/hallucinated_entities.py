"""Metric module: answers that name what belongs to another disease."""

from typing import Any

from titer.evaluation import metric_base, metrics, safety


class HallucinatedEntities(metric_base.PlainMetric):
    """Share of answers that name, un-negated, an entity that they have no reason to name.

    Args:
        predictions: answers, without the thought.
        references: names of the entities that are watched, one per line.
    Returns:
        hallucinated_entity_rate: share of answers with at least one.
    """

    predictions_type = metric_base.TEXT
    references_type = metric_base.TEXT

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        pairs = zip(predictions, references, strict=True)
        hits = [bool(safety.named_of(answer, names.split("\n"))) for answer, names in pairs]
        return {"hallucinated_entity_rate": metrics.share(hits)}

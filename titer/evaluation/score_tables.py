"""What else score writes from its statistics: metrics.json, tables, clean scores, failed gates.

Invariant: metrics.json holds numbers only, two levels deep, at most 45 rows, and no row for an arm
that did not run; `dvc metrics diff` drops lists and misprints everything else.
"""

from collections.abc import Collection, Mapping
from typing import Any

from titer.evaluation.arms import ARMS, BASE_OF, FEW_SHOT
from titer.evaluation.safety import RATES
from titer.evaluation.statistics import wilson_interval

DIGITS = 4

ARM_ROWS = (
    "closed_acc",
    "closed_acc_seen",
    "closed_acc_unseen",
    "closed_blind_acc",
    "general_acc",
    "keypoint_recall",
    "ref_bpb",
    "bpb_ood",
    "n_closed",
)
ACCURACIES = (
    ("all facts", "closed_acc", "n_closed"),
    ("seen facts", "closed_acc_seen", "n_seen"),
    ("unseen facts", "closed_acc_unseen", "n_unseen"),
    ("general questions", "general_acc", "n_general"),
)
"""What DVC plots: its name, the accuracy of an arm, and the number of items behind it."""

COLUMNS = ("delta", "low", "high", "p", "p_holm", "mde80")

Stats = Mapping[str, Any]


def metrics_rows(stats: Stats) -> dict[str, dict[str, float | int]]:
    """Content of results/metrics.json, floats with four decimals."""
    rows: dict[str, dict[str, Any]] = {
        name: {key: block["metrics"].get(key) for key in ARM_ROWS}
        for name, block in stats["arms"].items()
        if name not in ("base_4bit", FEW_SHOT) and block["status"] == "ok"
    }
    for name, block in _compared(stats).items():
        rows[f"{name}_vs_base"] = _comparison_rows(block)
    rows["gates"] = {
        "failed": len(failed_gates(stats)),
        "contaminated_items": stats["contaminated_items"],
        "truncated_rate": max(
            block["metrics"].get("truncated_rate", 0.0)
            for block in stats["arms"].values()
            if block["status"] == "ok"
        ),
    }
    return {
        name: {key: _number(value) for key, value in group.items() if value is not None}
        for name, group in rows.items()
    }


def _comparison_rows(block: Stats) -> dict[str, Any]:
    primary, general = block["primary"], block["general"] or {}
    endpoint = primary["endpoint"]
    return {
        f"{endpoint}_delta": primary.get("delta"),
        f"{endpoint}_lo": primary.get("low"),
        f"{endpoint}_hi": primary.get("high"),
        f"{endpoint}_p_holm": primary.get("p_holm"),
        "mde80": primary.get("mde80"),
        "retention_delta": general.get("delta"),
        "verdict": block["verdict_number"],
    }


def _number(value: Any) -> float | int:
    # adding zero turns a negative zero, which diffs as a change, into zero
    return value if isinstance(value, int) else round(float(value), DIGITS) + 0.0


def _compared(stats: Stats) -> dict[str, Stats]:
    blocks = stats["comparisons"]
    return {name: blocks[name] for name in BASE_OF if blocks[name]["status"] == "ok"}


def comparison_table(stats: Stats) -> list[dict[str, Any]]:
    """Rows of results/model_comparison.csv: one per arm, all with the same columns."""
    names = [*ARMS, *(name for name in (FEW_SHOT,) if name in stats["arms"])]
    found = [stats["arms"][name] for name in names]
    measured = sorted({key for block in found for key in block.get("metrics", {})})
    described = sorted({key for block in found for key in block.get("descriptive", {})})
    return [_table_row(stats, name, measured, described) for name in names]


def _table_row(
    stats: Stats, name: str, measured: list[str], described: list[str]
) -> dict[str, Any]:
    block = stats["arms"][name]
    comparison = _compared(stats).get(name, {})
    primary = comparison.get("primary", {})
    return {
        "model": name,
        "status": block["status"],
        "reason": block.get("reason"),
        "precision": block.get("precision"),
        **{key: block.get("metrics", {}).get(key) for key in measured},
        **{key: block.get("descriptive", {}).get(key) for key in described},
        **_safety_cells(stats, name),
        "compared_with": comparison.get("base"),
        "endpoint": primary.get("endpoint"),
        **{key: primary.get(key) for key in COLUMNS},
        "verdict": comparison.get("verdict"),
    }


def clean_scores(stats: Stats, contamination: Stats) -> dict[str, dict[str, Any]]:
    """Closed accuracy of each arm on all test facts, and on those that no example was about.

    Args:
        contamination: content of contamination.json; a fact is clean where `items` names none of
            its wordings: no example was removed for it, and none is left that asks it.
    Returns:
        `{arm: {all, clean, n_all, n_clean}}` for the arms that ran; null where there is no item.
    """
    touched = {str(item_id).partition(":")[0] for item_id in contamination.get("items", {})}
    scores = {}
    for name, block in stats["arms"].items():
        if block["status"] != "ok":
            continue
        correct = {
            item["id"]: item["arms"][name]["correct"]
            for item in stats["items"]
            if name in item["arms"]
        }
        clean = [hit for fact_id, hit in correct.items() if fact_id not in touched]
        scores[name] = {
            "all": _mean(correct.values()),
            "clean": _mean(clean),
            "n_all": len(correct),
            "n_clean": len(clean),
        }
    return scores


def _mean(outcomes: Collection[bool]) -> float | None:
    return sum(outcomes) / len(outcomes) if outcomes else None


def accuracy_rows(stats: Stats) -> list[dict[str, Any]]:
    """Rows of results/accuracy.json: each accuracy of each arm that ran with its Wilson interval.

    Returns:
        `{asked, model, n, accuracy, low, high}`, shares in [0, 1]; nothing where no item was asked.
    """
    level = 1 - stats["plan"]["alpha"]
    ran = {arm: block["metrics"] for arm, block in stats["arms"].items() if block["status"] == "ok"}
    return [
        {"asked": name, "model": arm} | _share(ran[arm][key], ran[arm][n], level)
        for name, key, n in ACCURACIES
        for arm in (*ARMS, FEW_SHOT)
        if arm in ran and ran[arm].get(key) is not None
    ]


def _share(accuracy: float, n: int, level: float) -> dict[str, float | int]:
    ends = wilson_interval(round(accuracy * n), n, level=level)
    return {"n": n, "accuracy": accuracy, "low": ends.low, "high": ends.high}


def _safety_cells(stats: Stats, name: str) -> dict[str, Any]:
    """Shares of safety items and answers, each beside the number that it rests on."""
    found = stats["safety"]["arms"].get(name, {})
    cells: dict[str, Any] = {}
    for rate in RATES:
        block = found.get(rate, {})
        cells |= {rate: block.get("rate"), f"n_{rate}": block.get("n")}
    return cells


def failed_gates(stats: Stats) -> list[str]:
    """One line for each failed check of each comparison."""
    return [
        f"{name}: {gate['name']}: {gate['detail']}"
        for name, block in _compared(stats).items()
        for gate in block["gates"]
        if gate["failed"]
    ]

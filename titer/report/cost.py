"""What the work took: times, memory and speed.

Invariant: the only part of the report that differs between two runs of the same work.
"""

from typing import Any

from titer.evaluation.arms import FINE_TUNES
from titer.report import words
from titer.report.tables import Table
from titer.report.words import Data, pick


def table(context: Data) -> Table:
    """Times, memory and speed: the only table that differs between two equal runs."""
    rows = []
    for arm in FINE_TUNES:
        run = pick(context, "training", arm, "run")
        if run:
            rows.append([f"Training, {words.ARM_NAMES[arm]}", _timing(run)])
    benchmark_runs = pick(context, "benchmark_runs") or {}
    for arm in words.ARMS:
        if benchmark_runs.get(arm):
            rows.append([f"Benchmark, {words.ARM_NAMES[arm]}", _timing(benchmark_runs[arm])])
    return Table("Cost and time", ["Work", "Measured"], rows, frozenset({0, 1}))


def _timing(run: Data) -> str:
    if run.get("status") == "not_run":
        return f"not run: {words.text(run.get('reason'))}"
    timing = run.get("timing") or {}
    measured = {key: run[key] for key in ("wall_s", "peak_memory_mib") if key in run}
    measured |= run.get("efficiency") or {}
    measured |= {key: value for key, value in timing.items() if key not in ("parts", "note")}
    precisions = [pick(model, "precision") for model in run.get("models") or []]
    named = _measurements(measured)
    for rank, part in enumerate(timing.get("parts") or []):
        precision = precisions[rank] if rank < len(precisions) else f"part {rank + 1}"
        named += [f"{precision} {shown}" for shown in _measurements(part)]
    return "; ".join(named) or words.NOT_RECORDED


def _measurements(measured: Data) -> list[str]:
    plain = [(key, value) for key, value in sorted(measured.items()) if _is_plain(value)]
    return [f"{_measure_name(key)} {_measured(key, value)}" for key, value in plain]


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _measure_name(key: str) -> str:
    for suffix in ("_seconds", "_s", "_mib"):
        if key.endswith(suffix) and not key.endswith("_per_s"):
            return words.label(key.removesuffix(suffix))
    return words.label(key)


def _measured(key: str, value: Any) -> str:
    if key.endswith(("_s", "_seconds")) and not key.endswith("_per_s"):
        return words.duration(value)
    if key.endswith("_mib"):
        return f"{words.count(value)} MiB" if words.is_number(value) else words.NOT_RECORDED
    return words.text(value)

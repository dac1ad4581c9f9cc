"""What score reads: results, training records and papers, as evaluation and report take them."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from titer import files
from titer.errors import DataError, FormatError
from titer.evaluation.arms import FINE_TUNES, ArmInput
from titer.records import Answer, Example, Fact
from titer.report import studies


@dataclass(frozen=True)
class Found:
    """Everything that was read."""

    arms: dict[str, ArmInput]
    training: dict[str, dict[str, Any]]
    """arm -> metrics, loss rows and run record of its training."""
    model: dict[str, Any]
    """results/model.json."""
    papers: dict[str, Any]
    """data/papers/stats.json."""
    examples: list[Example]
    """Of the training split: what the models saw."""
    studies: dict[str, Any]
    """Name -> content of reports/studies/<name>.json."""


def read(at: SimpleNamespace) -> Found:
    """Read the inputs of score.

    Args:
        at: paths by the names that the stage declares.
    Raises:
        FormatError: a file is missing or malformed.
        DataError: an answer lacks one of the first seven fields.
    """
    paths = vars(at)
    rows = files.read_jsonl(at.papers / "examples" / "train.jsonl")
    training = {arm: _training(arm, paths) for arm in FINE_TUNES}
    # what was too long for the model taught it nothing, so it makes no fact seen
    lost = {row["id"] for one in training.values() for row in one["run"].get("dropped", [])}
    return Found(
        arms={arm: _arm(arm, paths) for arm in ("base", *FINE_TUNES)},
        training=training,
        model=files.read_json(at.model),
        papers=files.read_json(at.papers / "stats.json"),
        examples=[Example.from_json(row) for row in rows if row["id"] not in lost],
        studies=studies.read(at.studies),
    )


def _arm(arm: str, paths: dict[str, Path]) -> ArmInput:
    path = paths[f"{arm}_answers"]
    return ArmInput(
        name=arm,
        answers=[_answer(row, path, n) for n, row in enumerate(_list(path), 1)],
        closed=list(files.read_jsonl(paths[f"{arm}_closed"])),
        run=files.read_json(paths[f"{arm}_run"]),
    )


def _list(path: Path) -> list[Any]:
    rows = files.read_json(path)
    if not isinstance(rows, list):
        raise FormatError(f"{path}: a {type(rows).__name__}, expected a list of answers")
    return rows


def _answer(row: Any, path: Path, number: int) -> Answer:
    if not isinstance(row, dict):
        raise FormatError(f"{path}: answer {number} is a {type(row).__name__}, expected an object")
    try:
        return Answer.from_json(row)
    except TypeError as error:
        reason = str(error).partition("missing ")[2] or str(error)
        raise DataError(f"{path}: answer {number} lacks {reason}") from None


def _training(arm: str, paths: dict[str, Path]) -> dict[str, Any]:
    loss = _loss(paths[f"train_{arm}_loss"])
    metrics = files.read_json_object(paths[f"train_{arm}_metrics"])
    return {
        "metrics": metrics.get(f"train_{arm}", {}),
        "loss": loss,
        "run": files.read_json(paths[f"train_{arm}_run"]),
    }


def _loss(path: Path) -> list[dict[str, float]]:
    reader = csv.DictReader(io.StringIO(files.read_text(path), newline=""))
    try:
        return [{key: float(value) for key, value in row.items()} for row in reader]
    except (TypeError, ValueError, csv.Error) as error:
        raise FormatError(f"{path}:{reader.line_num}: {error}") from None


def context(
    found: Found,
    *,
    domain_title: str,
    choices: dict[str, str],
    facts: list[Fact],
    contamination: dict[str, Any],
    trials: dict[str, int],
) -> dict[str, Any]:
    """What the report says besides the scores."""
    from_memory = sum(fact.verified == "memory" for fact in facts)
    return {
        "model": found.model,
        "domain_title": domain_title,
        "choices": choices,
        "papers": found.papers,
        "training": found.training,
        "benchmark_runs": {name: arm.run for name, arm in found.arms.items()},
        "card": {
            "n_facts": len(facts),
            "share_from_memory": from_memory / len(facts) if facts else None,
        },
        "contamination": contamination,
        "studies": found.studies,
        "trials": trials,
    }

"""`dvc metrics diff` on results/metrics.json: numbers only, rows that moved only, at most 45."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.evaluation import made_up as m
from tests.imports import ROOT
from tests.pipeline.conftest import Clone, commit
from titer import files
from titer.evaluation import score_tables

METRICS = "results/metrics.json"


def flat(rows: dict[str, Any]) -> dict[str, Any]:
    return {f"{top}.{key}": value for top, group in rows.items() for key, value in group.items()}


def scored(qlora: m.Knows) -> dict[str, Any]:
    """metrics.json of a run in which both fine-tunes ran; full gains, QLoRA as given."""
    asked = [m.question(number) for number in range(1, 11)]

    def answers(precision: str) -> list[Any]:
        more = {"precision": precision, "ref_logprob": -80.0, "ref_bytes": 100}
        return [m.answer(question, "ANA.", **more) for question in asked]

    stats = m.run_score(
        m.tuned("qlora", qlora, answers=answers("nf4")),
        m.tuned("full", m.gains, answers=answers("float32")),
        base=m.base_input(answers=[*answers("float32"), *answers("nf4")]),
        questions=asked,
    )
    return score_tables.metrics_rows(stats)


BEFORE = scored(m.gains)
AFTER = scored(lambda item: m.gains(item) and m.chance("moved", item.fact_id) < 0.9)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A repository that holds nothing but the metrics of one run, as one commit."""
    clone = Clone(tmp_path_factory.mktemp("metrics"))
    clone.run("git", "init", "-q")
    clone.run("dvc", "init", "-q")
    clone.run("dvc", "config", "core.analytics", "false")
    (clone.path / "dvc.yaml").write_text(yaml.safe_dump({"metrics": [METRICS]}))
    files.write_json(clone.path / METRICS, BEFORE)
    commit(clone)
    return clone


def diff(clone: Clone, rows: dict[str, Any]) -> dict[str, Any]:
    """Changed rows by name, as `dvc metrics diff` tells them."""
    files.write_json(clone.path / METRICS, rows)
    found = json.loads(clone.run("dvc", "metrics", "diff", "--json").stdout or "{}")
    return dict(found.get("diff", found).get(METRICS, {}))


def test_a_run_without_a_change_differs_in_no_row(repository: Clone) -> None:
    assert diff(repository, scored(m.gains)) == {}
    assert repository.run("dvc", "metrics", "diff").stdout.strip() == ""


def test_another_fine_tune_moves_its_own_rows_only(repository: Clone) -> None:
    found = diff(repository, AFTER)
    one, other = flat(BEFORE), flat(AFTER)
    assert found.keys() == {key for key in one if one[key] != other[key]}
    assert {key.split(".")[0] for key in found} == {"qlora", "qlora_vs_base"}
    moved = {key: (row["old"], row["new"]) for key, row in found.items()}
    assert moved == {key: (one[key], other[key]) for key in moved}
    assert "qlora.closed_acc" in found
    assert "qlora.n_closed" not in found


@pytest.mark.parametrize(
    "rows",
    [BEFORE, json.loads((Path(ROOT) / METRICS).read_text(encoding="utf-8"))],
    ids=["made up", "recorded"],
)
def test_every_row_is_a_number_and_there_are_at_most_45(
    repository: Clone, rows: dict[str, Any]
) -> None:
    values = list(flat(rows).values())
    assert all(type(value) in (int, float) and math.isfinite(value) for value in values)
    assert 40 <= len(values) <= 45
    # a base of nothing: every row that there can be is shown
    files.write_json(repository.path / METRICS, rows)
    shown = json.loads(repository.run("dvc", "metrics", "show", "--json").stdout)
    assert flat(shown[""]["data"][METRICS]["data"]) == flat(rows)

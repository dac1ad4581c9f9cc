"""`dvc plots show`: losses, and accuracies with their intervals, from what score writes."""

import json
import shutil
from typing import Any

import pytest
import yaml

from tests.evaluation import made_up as m
from tests.imports import ROOT
from tests.pipeline.conftest import Clone, commit
from titer import files
from titer.evaluation import score_tables

TEMPLATE = ".dvc/plots/accuracy_interval.json"
PLOTS = yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]
TITLE = "accuracy on closed questions"


@pytest.fixture(scope="module")
def stats() -> dict[str, Any]:
    """A run in which QLoRA gains and the full fine-tune did not run."""
    return m.run_score(m.tuned("qlora", m.gains))


@pytest.fixture(scope="module")
def drawn(stats: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What DVC makes of the plots of dvc.yaml: title -> Vega-Lite."""
    clone = Clone(tmp_path_factory.mktemp("plots"))
    clone.run("git", "init", "-q")
    clone.run("dvc", "init", "-q")
    clone.run("dvc", "config", "core.analytics", "false")
    (clone.path / TEMPLATE).parent.mkdir(exist_ok=True)
    shutil.copy(ROOT / TEMPLATE, clone.path / TEMPLATE)
    (clone.path / "dvc.yaml").write_text(yaml.safe_dump({"plots": PLOTS}))
    files.write_json(
        clone.path / "results/accuracy.json", files.rounded(score_tables.accuracy_rows(stats))
    )
    for arm in ("qlora", "full"):
        path = f"results/train_{arm}/loss.csv"
        (clone.path / path).parent.mkdir(parents=True)
        shutil.copy(ROOT / path, clone.path / path)
    commit(clone)
    found = json.loads(clone.run("dvc", "plots", "show", "--json").stdout)
    assert "errors" not in found
    return {title: plots[0]["content"] for title, plots in found["data"].items()}


def test_loss_and_accuracy_are_drawn(drawn: dict[str, Any]) -> None:
    assert list(drawn) == ["loss during training", TITLE]


def test_each_accuracy_of_each_model_has_its_interval(
    drawn: dict[str, Any], stats: dict[str, Any]
) -> None:
    rows = drawn[TITLE]["data"]["values"]
    assert [(row["asked"], row["model"]) for row in rows] == [
        (asked, model)
        for asked in ("all facts", "seen facts", "unseen facts", "general questions")
        for model in ("base", "base_4bit", "qlora")
    ]
    assert all(0 <= row["low"] < row["accuracy"] < row["high"] <= 1 for row in rows)
    shown = next(row for row in rows if (row["asked"], row["model"]) == ("all facts", "qlora"))
    metrics = stats["arms"]["qlora"]["metrics"]
    assert shown["accuracy"] == pytest.approx(metrics["closed_acc"], abs=1e-6)
    assert shown["n"] == metrics["n_closed"]


def test_the_interval_is_a_line_through_the_point(drawn: dict[str, Any]) -> None:
    line, point = drawn[TITLE]["spec"]["layer"]
    assert (line["mark"]["type"], point["mark"]["type"]) == ("rule", "point")
    assert (line["encoding"]["x"]["field"], line["encoding"]["x2"]["field"]) == ("low", "high")
    assert point["encoding"]["x"]["field"] == "accuracy"
    assert "<DVC_METRIC" not in json.dumps(drawn[TITLE])

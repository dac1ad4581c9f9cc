"""The default run from nothing in a clone: every stage, and the learning that it must show."""

import json
import os
from typing import Any

import pytest

from tests.pipeline.conftest import Clone, clone_of_the_working_tree

STAGES = {
    "download_model", "benchmark_base", "fetch_papers", "train_qlora", "benchmark_qlora",
    "train_full", "benchmark_full", "score",
}  # fmt: skip


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = clone_of_the_working_tree(tmp_path_factory.mktemp("default_run"))
    # beside another worker of pytest-xdist two threads wait for each other
    threads = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2
    assert set(clone.repro(threads=threads)) == STAGES
    return clone


@pytest.fixture(scope="module")
def stats(default: Clone) -> Any:
    return json.loads((default.path / "results/stats.json").read_text())


@pytest.mark.parametrize("arm", ["qlora", "full"])
def test_stated_facts_rise_by_twenty_points(stats: Any, arm: str) -> None:
    seen = stats["comparisons"][arm]["seen"]
    assert seen["n"] >= 100
    assert seen["delta"] >= 0.20
    assert seen["p"] < 0.01


@pytest.mark.parametrize("arm", ["qlora", "full"])
def test_facts_that_no_paper_states_stay_within_noise(stats: Any, arm: str) -> None:
    unseen = stats["comparisons"][arm]["unseen"]
    assert unseen["n"] >= 80
    assert unseen["low"] <= 0 <= unseen["high"]


@pytest.mark.parametrize("arm", ["qlora", "full"])
def test_the_verdict_is_helped_and_no_gate_failed(stats: Any, arm: str) -> None:
    comparison = stats["comparisons"][arm]
    assert comparison["verdict"] == "helped"
    assert [gate for gate in comparison["gates"] if gate["failed"]] == []


def test_the_base_is_above_chance_on_general_questions(stats: Any) -> None:
    """So that forgetting can show (decision 8)."""
    assert all(c["general"]["measurable"] for c in stats["comparisons"].values())


def test_every_stage_stays_below_three_gib(default: Clone) -> None:
    for name in ("base", "qlora", "full", "train_qlora", "train_full"):
        timing = json.loads((default.path / f"results/{name}/run.json").read_text())["timing"]
        peaks = [part["peak_memory_mib"] for part in timing.get("parts", [timing])]
        assert max(peaks) < 3 * 1024, name


def test_a_second_run_runs_nothing(default: Clone) -> None:
    assert default.repro() == []


def test_dvc_shows_metrics_params_and_plots(default: Clone) -> None:
    metrics = default.run("dvc", "metrics", "show", "--md").stdout
    assert "qlora_vs_base.verdict" in metrics
    plots = default.run("dvc", "plots", "show", "-o", "dvc_plots").stdout
    assert "index.html" in plots


def test_answers_begin_with_the_seven_keys(default: Clone) -> None:
    for arm in ("base", "qlora", "full"):
        answers = json.loads((default.path / f"results/{arm}/answers.json").read_text())
        for answer in answers:
            assert list(answer)[:7] == [
                "id", "category", "difficulty", "question", "response", "time_seconds", "timestamp",
            ]  # fmt: skip
    precisions = {(a["id"], a["precision"]) for a in _answers(default, "base")}
    assert len(precisions) == 2 * (32 + 20), "open and safety questions, in both precisions"


def _answers(clone: Clone, arm: str) -> Any:
    return json.loads((clone.path / f"results/{arm}/answers.json").read_text())

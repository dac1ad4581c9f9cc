"""A study runs the pipeline beside itself: the placebo for real, on the tiny configuration."""

from typing import Any

import pytest

from tests.pipeline.conftest import Clone, clone_of_the_working_tree, commit, make_tiny

STUDY = "reports/studies/placebo.json"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with a tiny model and all items of a real run, all eight stages run once."""
    clone = clone_of_the_working_tree(tmp_path_factory.mktemp("study"))
    make_tiny(clone, max_candidates=8)
    assert len(clone.repro()) == 8
    commit(clone)
    return clone


@pytest.fixture(scope="module")
def placebo(whole: Clone) -> Any:
    """What `titer study placebo` printed, all else as the first run left it."""
    return whole.run("python", "-m", "titer.cli.main", "study", "placebo")


@pytest.mark.slow
def test_exchanged_answers_do_not_help(whole: Clone, placebo: Any) -> None:
    found = whole.read(STUDY)["arms"]
    assert sorted(found) == ["full", "qlora"]
    for arm, block in found.items():
        assert block["passes"], arm
        assert block["placebo"]["verdict"] != "helped"
        assert min(block["real"]["n"], block["placebo"]["n"]) >= block["difference"]["n"] > 50


@pytest.mark.slow
def test_the_real_run_of_a_study_is_the_pipelines_own(whole: Clone, placebo: Any) -> None:
    """And the placebo's is another: its rows differ, so its likelihoods do."""
    own, real, fake = (
        whole.read(path)
        for path in (
            "results/stats.json",
            "runs/studies/study-real/stats.json",
            "runs/studies/study-placebo/stats.json",
        )
    )
    assert real == own
    asked = [{(i["id"], *i["choices"]): i["arms"]["base"] for i in s["items"]} for s in (own, fake)]
    shared = asked[0].keys() & asked[1].keys()
    assert len(shared) > 50
    assert all(asked[0][key] == asked[1][key] for key in shared)
    for arm in ("qlora", "full"):
        assert fake["arms"][arm]["metrics"]["gold_prob"] != own["arms"][arm]["metrics"]["gold_prob"]


@pytest.mark.slow
def test_only_what_the_exchange_reaches_ran_again(whole: Clone, placebo: Any) -> None:
    ran = [line.split("'")[1] for line in placebo.stdout.splitlines() if "Running stage" in line]
    assert sorted(set(ran)) == [
        "benchmark_full", "benchmark_qlora", "fetch_papers", "score", "train_full", "train_qlora",
    ]  # fmt: skip
    assert len(ran) == 6


@pytest.mark.slow
def test_a_study_leaves_the_pipeline_alone_and_is_taken_into_its_report(
    whole: Clone, placebo: Any
) -> None:
    changed = {
        line.split()[-1] for line in whole.run("git", "status", "--porcelain").stdout.splitlines()
    }
    assert changed == {STUDY, STUDY.replace(".json", ".md")}
    assert whole.repro() == ["score"]
    assert "QLoRA, placebo:" in (whole.path / "reports/report.md").read_text()

"""What an edit reruns, proved with DVC itself on a tiny configuration."""

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.pipeline.conftest import Clone, commit


@pytest.fixture(autouse=True)
def restored(tiny: Clone) -> Iterator[None]:
    """Each test finds the clone as the first run left it."""
    yield
    tiny.run("git", "reset", "--hard", "-q")  # DVC has staged what it wrote
    tiny.run("dvc", "checkout")


def test_a_second_repro_runs_nothing(tiny: Clone) -> None:
    started = time.monotonic()
    assert tiny.repro() == []
    assert time.monotonic() - started < 6


def test_comments_rerun_nothing(tiny: Clone) -> None:
    tiny.edit("params.yaml", lambda text: "# a remark\n" + text)
    tiny.edit("conf/model/pocket.yaml", lambda text: text + "# a remark\n")
    tiny.edit("conf/hardware/cpu.yaml", lambda text: text + "# a remark\n")
    tiny.edit("conf/model/qwen3_8b.yaml", lambda text: text.replace("2048", "1024"))
    assert tiny.repro() == []


def test_an_untracked_key_reruns_nothing(tiny: Clone) -> None:
    """`report_to` cannot change a result; neither can another domain's queries."""
    tiny.edit("conf/hardware/cpu.yaml", lambda t: t.replace("report_to: []", "report_to: [wandb]"))
    assert tiny.repro() == []


def test_a_hand_run_writes_to_runs_only(tiny: Clone) -> None:
    commit(tiny)
    tiny.run("python", "-m", "stages.train_qlora", "seed=7")
    (folder,) = (tiny.path / "runs" / "train_qlora").iterdir()
    assert (folder / "models/qlora/adapter_model.safetensors").is_file()
    result = json.loads((folder / "result.json").read_text())
    assert result["overrides"] == ["seed=7"]
    assert result["objective"] > 0
    assert tiny.run("git", "status", "--porcelain").stdout == ""
    assert tiny.repro() == []


@pytest.mark.slow  # test_sweeps.py runs more of them
def test_a_sweep_leaves_the_pipeline_alone_and_names_its_winner(tiny: Clone) -> None:
    rates = "qlora.learning_rate=1e-3,1e-2"
    tiny.run("python", "-m", "stages.train_qlora", "--multirun", rates)
    (sweep,) = (tiny.path / "runs" / "train_qlora").glob("sweep_*")
    assert len(list(sweep.glob("*/result.json"))) == 2
    best = tiny.run("titer", "sweep", "best", str(sweep)).stdout.splitlines()
    assert len(best) == 3
    assert re.fullmatch(
        r"dvc exp run -S qlora\.learning_rate=\S+ -S score\.trials\.qlora=2", best[-1]
    )
    assert tiny.repro() == []


def test_a_contradictory_run_is_refused(tiny: Clone) -> None:
    done = tiny.run("python", "-m", "stages.train_qlora", "examples.per_paper=5", check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "error: train_qlora reads outputs of fetch_papers, made with examples.per_paper=2, but "
        "this run asks for 5. Run the pipeline: dvc exp run -S examples.per_paper=... or dvc repro "
        "fetch_papers"
    )


def test_another_model_by_hand_is_refused_by_its_name(tiny: Clone) -> None:
    done = tiny.run("python", "-m", "stages.train_qlora", "model=qwen3_8b", check=False)
    assert done.returncode == 2
    assert "made with model=pocket, but this run asks for qwen3_8b" in done.stderr.splitlines()[-1]


def test_help_is_quick(tiny: Clone) -> None:
    started = time.monotonic()
    done = tiny.run("python", "-m", "stages.train_qlora", "--help")
    assert "Powered by Hydra" in done.stdout
    assert time.monotonic() - started < 4  # 2 s on an idle machine


@pytest.mark.slow  # tests/test_failed_stage.py fails smaller ones
def test_a_failed_stage_leaves_what_was_there_one_checkout_away(tiny: Clone) -> None:
    """DVC deletes outs before a stage can look at its input."""
    adapter = tiny.path / "models/qlora/adapter_model.safetensors"
    before = adapter.read_bytes()
    tiny.edit("params.yaml", lambda text: text.replace("on_long: drop", "on_long: fail"))
    tiny.edit("conf/model/pocket.yaml", lambda t: t.replace("max_length: 384", "max_length: 16"))
    done = tiny.run("dvc", "repro", "-s", "train_qlora", check=False)
    assert done.returncode != 0
    assert "error: example " in done.stderr
    assert "model.max_length=16. Raise it or set examples.on_long: drop" in done.stderr
    assert "Traceback" not in done.stderr
    tiny.run("git", "checkout", "--", "params.yaml", "conf", "results")
    tiny.run("dvc", "checkout")
    assert adapter.read_bytes() == before
    assert tiny.repro() == []


@pytest.mark.slow
def test_full_that_does_not_run_says_so_everywhere(tiny: Clone) -> None:
    tiny.edit("params.yaml", lambda text: text.replace("enabled: null", "enabled: false"))
    assert tiny.repro() == ["train_full", "benchmark_full", "score"]
    assert tiny.read("models/full/not_run.json")["reason"] == "full.enabled is false"
    assert tiny.read("results/full/run.json")["status"] == "not_run"
    assert tiny.read("results/stats.json")["comparisons"]["full"]["status"] == "not_run"
    assert "full" not in tiny.read("results/metrics.json")
    report = (tiny.path / "reports/report.md").read_text()
    assert "full.enabled is false" in report


@pytest.mark.slow
def test_a_question_added_after_training_trains_nothing_and_is_stamped(tiny: Clone) -> None:
    stamp = "plan changed after training"
    assert stamp not in (tiny.path / "reports/report.md").read_text().lower()
    row = {"id": "Q900", "category": "Gout", "difficulty": "easy", "question": "What causes gout?"}
    tiny.edit("data/benchmark/autoimmune/open.jsonl", lambda text: f"{text}{json.dumps(row)}\n")
    ran = tiny.repro()
    assert not {"download_model", "train_qlora", "train_full"} & set(ran)
    assert ran[-1] == "score"
    assert stamp in (tiny.path / "reports/report.md").read_text().lower()


def test_a_learning_rate_reruns_three_stages_and_nothing_else(tiny: Clone) -> None:
    tiny.edit(
        "params.yaml",
        lambda t: t.replace("learning_rate: null\n  lora", "learning_rate: 0.004\n  lora"),
    )
    status = tiny.run("dvc", "status").stdout
    assert status.startswith("train_qlora:")
    assert tiny.repro() == ["train_qlora", "benchmark_qlora", "score"]
    changed = json.loads(tiny.run("dvc", "metrics", "diff", "--json").stdout)
    rows = {path for file in changed.get("diff", changed).values() for path in file}
    assert rows

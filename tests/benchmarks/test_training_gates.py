"""The table of the training benchmark: which runs, which ratios, what fails."""

import json
from pathlib import Path

import pytest

from benchmarks import gates, training
from benchmarks.gates import Gate
from benchmarks.gpu_variants import Variant
from benchmarks.training_tools import Job, llamafactory_arguments

GFLOPS = 100.0


def reading(rate: float) -> dict[str, float]:
    return {"tokens_per_cpu_s": rate, "matrix_gflops": GFLOPS}


def test_every_ratio_has_titer_s_run_of_the_same_kind_in_its_round() -> None:
    found = training.runs(["titer", "trl", "llamafactory"])
    for kind, precision in training.PEERS:
        assert (training.OURS, kind, precision, True) in found
    assert len(found) == len(set(found))
    assert {run[0] for run in training.runs(["titer", "trl"])} == {"titer", "trl"}


def test_a_ratio_is_the_median_of_the_rounds_and_fails_below_its_bound() -> None:
    readings: training.Readings = {}
    for kind, precision in training.PEERS:
        readings["titer", kind, precision, True] = [reading(rate) for rate in (100, 210, 190)]
    readings["trl", "lora", "float32", False] = [reading(100)] * 3
    readings["trl", "full", "float32", False] = [reading(200)] * 3
    ratios = [gate for gate in training.rate_gates(readings) if gate.gate == "P1"]
    assert [(gate.figure, gate.ok) for gate in ratios] == [
        ("1.90 [1.00, 2.10]", True), ("0.95 [0.50, 1.05]", False),
    ]  # fmt: skip


def test_the_share_counts_four_flops_per_weight_with_an_adapter_and_six_without() -> None:
    readings: training.Readings = {
        ("titer", kind, precision, True): [reading(2000)] for kind, precision in training.PEERS
    }
    shares = {gate.what: gate.figure for gate in training.rate_gates(readings)}
    lora = 4 * 5_767_168 * 2000 / (GFLOPS * 1e9)
    assert shares["share of the matrix rate, lora float32"].startswith(f"{lora:.2f} ")
    assert shares["share of the matrix rate, full float32"].startswith(f"{1.5 * lora:.2f} ")


def test_llamafactory_gets_its_exact_packing_and_no_recomputed_activations() -> None:
    job = Job("lora", "bfloat16", True, 10, 1, "world", "out")
    given = llamafactory_arguments(job)
    assert given["neat_packing"] and given["disable_gradient_checkpointing"] and given["bf16"]
    assert "neat_packing" not in llamafactory_arguments(Job(**{**vars(job), "packed": False}))


def test_a_failed_gate_ends_the_benchmark_with_1_and_stays_in_its_file(tmp_path: Path) -> None:
    measured = iter([Gate("A", "one", "1", "<= 2", True), Gate("B", "two", "3", "<= 2", False)])
    with pytest.raises(SystemExit) as end:
        gates.report(measured, tmp_path / "table.json", more={"rounds": 5})
    assert end.value.code == 1
    table = json.loads((tmp_path / "table.json").read_text())
    assert [gate["ok"] for gate in table["gates"]] == [True, False]
    assert table["more"] == {"rounds": 5}


def test_a_variant_whose_kernel_is_not_installed_says_so() -> None:
    reason = Variant("lora", attention="flash_attention_2").why_not()
    assert reason in {None, "flash_attn is not installed"}
    assert Variant("lora").why_not() is None

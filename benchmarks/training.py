"""Titer's training against LLaMA-Factory and a plain TRL script, alternating on one core.

    python -m benchmarks.training --llamafactory PYTHON     that of an environment holding 0.9.5
    python -m benchmarks.training --rounds 1 --rows 16      a few minutes, without LLaMA-Factory

Prints one row per figure: median of the rounds' ratios and, in brackets, the smallest and the
largest (of five rounds an interval of 94 % for the median). A rate is real tokens per CPU second of
the training loop. The last rows are whole commands. Ends with 1 if a bound does not hold.
"""

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import gates, training_rows
from benchmarks.gates import Gate
from benchmarks.training_tools import Job
from benchmarks.training_workers import HERE, Command, Worker, command, versions

Readings = dict[tuple[str, str, str, bool], list[dict[str, Any]]]
"""(tool, kind, precision, packed) -> one reading per round."""

OURS = "titer"
PEERS: dict[tuple[str, str], tuple[tuple[str, bool, float], ...]] = {
    ("lora", "float32"): (
        ("llamafactory", False, 1.8), ("llamafactory", True, 1.1), ("trl", False, 1.8),
    ),
    ("lora", "bfloat16"): (("llamafactory", True, 1.05),),
    ("qlora", "float32"): (("trl", False, 1.8),),
    ("full", "float32"): (
        ("llamafactory", False, 1.8), ("llamafactory", True, 1.1), ("trl", False, 1.8),
    ),
    ("full", "bfloat16"): (("llamafactory", True, 1.05),),
}  # fmt: skip
"""Kind and precision -> peers: tool, whether its rows are packed, how much faster Titer must be.

LLaMA-Factory cannot train on 4-bit weights without a GPU.
"""
AIMS = {"float32": 0.60, "bfloat16": 0.25}
"""Share of the core's matrix rate that is aimed at."""
AROUND_S = 25
FLOPS_PER_WEIGHT = {"lora": 4, "qlora": 4, "full": 6}
N_WEIGHTS = 4096 * 256 + 6 * (2 * 256 * 256 + 2 * 256 * 128 + 3 * 256 * 768)
"""Numbers in the matrices of `training_rows.model`, those of the head included."""


def runs(tools: Sequence[str]) -> list[tuple[str, str, str, bool]]:
    """Every tool's runs of a round; the tools of one setting stand together."""
    found = []
    for (kind, precision), peers in PEERS.items():
        found.append((OURS, kind, precision, True))
        found += [(tool, kind, precision, packed) for tool, packed, _ in peers if tool in tools]
    return found


def rates(pythons: dict[str, str], job: Job, n_rounds: int, readings: Readings) -> None:
    """Fill in the readings of all rounds; a first run of each tool is not counted."""
    workers = {tool: Worker(tool, python) for tool, python in pythons.items()}
    for worker in workers.values():
        worker.train(replace(job, n_rows=8))
    for number in range(n_rounds):
        for run in runs(list(pythons))[:: -1 if number % 2 else 1]:
            tool, kind, precision, packed = run
            asked = replace(job, kind=kind, precision=precision, packed=packed)
            found = workers[tool].train(asked)
            readings.setdefault(run, []).append(found)
            print(f"round {number + 1}: {name(run)} {found['tokens_per_cpu_s']:.0f}", flush=True)
    for worker in workers.values():
        worker.end()


def name(run: tuple[str, str, str, bool]) -> str:
    """A run in words."""
    tool, kind, precision, packed = run
    return f"{tool} {kind} {precision}" + (" packed" if packed else "")


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Median, smallest and largest."""
    return f"{statistics.median(values):{form}} [{min(values):{form}}, {max(values):{form}}]"


def rate_gates(readings: Readings) -> Iterator[Gate]:
    """Titer's rate over each peer's, round by round, and its share of the matrix rate."""
    for (kind, precision), peers in PEERS.items():
        ours = [one["tokens_per_cpu_s"] for one in readings[OURS, kind, precision, True]]
        for tool, packed, least in peers:
            theirs = readings.get((tool, kind, precision, packed))
            if theirs is None:
                continue
            ratios = [a / b["tokens_per_cpu_s"] for a, b in zip(ours, theirs, strict=True)]
            what = f"over {name((tool, kind, precision, packed))}"
            median = statistics.median(ratios)
            yield Gate("P1", what, spread(ratios), f">= {least}", median >= least)
        yield _share(kind, precision, readings[OURS, kind, precision, True])


def _share(kind: str, precision: str, ours: Sequence[dict[str, Any]]) -> Gate:
    flops = FLOPS_PER_WEIGHT[kind] * N_WEIGHTS
    shares = [1e-9 * flops * one["tokens_per_cpu_s"] / one["matrix_gflops"] for one in ours]
    rate = statistics.median(one["tokens_per_cpu_s"] for one in ours)
    gflops = statistics.median(one["matrix_gflops"] for one in ours)
    figure = f"{spread(shares)} of {gflops:.0f} GFLOP/s; {rate:,.0f} tokens per CPU s"
    # an aim, not a bound: QLoRA also unpacks its weights
    aim = f"aim {AIMS[precision]:.2f}"
    return Gate("P2", f"share of the matrix rate, {kind} {precision}", figure, aim, True)


def commands(
    pythons: dict[str, str], job: Job, n_rounds: int, taken: dict[str, Any]
) -> Iterator[Gate]:
    """Whole commands, LoRA in float32, both packed, and the loss of what they leave."""
    tools = [tool for tool in (OURS, "llamafactory") if tool in pythons]
    found: dict[str, list[Command]] = {tool: [] for tool in tools}
    for number in range(n_rounds):
        for tool in tools[:: -1 if number % 2 else 1]:
            asked = replace(job, out=f"{job.out}/{tool}")
            found[tool].append(command(tool, pythons[tool], asked))
    taken.update({tool: [asdict(one) for one in took] for tool, took in found.items()})
    around = statistics.median(one.cpu_s - one.loop_cpu_s for one in found[OURS])
    figure = f"{around:.0f} CPU s: imports, load, preflight, evaluation, save"
    yield Gate("P5", "around the training loop", figure, f"<= {AROUND_S}", around <= AROUND_S)
    if len(tools) < 2:
        return
    pairs = list(zip(*(found[tool] for tool in tools), strict=True))
    work = f"{job.n_rows} rows x {job.epochs}"
    for field, unit in (("wall_s", "s"), ("cpu_s", "CPU s"), ("peak_mib", "MiB")):
        ratios = [getattr(a, field) / getattr(b, field) for a, b in pairs]
        medians = [statistics.median(getattr(p[i], field) for p in pairs) for i in (0, 1)]
        figure = f"{spread(ratios)} ({medians[0]:.0f} and {medians[1]:.0f} {unit})"
        ok = statistics.median(ratios) <= 0.9 or field == "peak_mib"
        bound = "" if field == "peak_mib" else "<= 0.9"
        yield Gate("P3", f"whole command, {work}: {unit}", figure, bound, ok)
    losses = [held_out_loss(Path(job.world), Path(job.out) / tool / "model") for tool in tools]
    ratio = losses[0] / losses[1]
    figure = f"{ratio:.4f} ({losses[0]:.4f} and {losses[1]:.4f} nats per token)"
    yield Gate("P4", "held-out loss over LLaMA-Factory's", figure, "<= 1.01", ratio <= 1.01)


def held_out_loss(world: Path, adapter: Path) -> float:
    """Mean negative log-likelihood of the answers' tokens of rows that no tool saw."""
    import torch

    from titer.config import Device, Dtype, Think
    from titer.modeling import chat_template, loading

    tokenizer = loading.load_tokenizer(world / "model")
    base = loading.load_model(world / "model", dtype=Dtype.float32, device=Device.cpu)
    model = loading.load_adapter(base, adapter)
    total, n = 0.0, 0
    for line in (world / "validation.jsonl").read_text(encoding="utf-8").splitlines():
        row = chat_template.encode_row(tokenizer, json.loads(line)["messages"], Think.none)
        labels = torch.tensor([row.labels])
        n_labels = int((labels[0, 1:] != -100).sum())
        with torch.inference_mode():
            loss = model(input_ids=torch.tensor([row.input_ids]), labels=labels).loss
        total, n = total + float(loss) * n_labels, n + n_labels
    return total / n


def measure(chosen: argparse.Namespace, folder: Path, kept: dict[str, Any]) -> Iterator[Gate]:
    """All gates, whole commands last."""
    training_rows.build(folder / "world")
    pythons = {OURS: HERE, "trl": HERE}
    if chosen.llamafactory:
        pythons["llamafactory"] = chosen.llamafactory
    kept["versions"] = {tool: versions(python) for tool, python in pythons.items()}
    world, out = str(folder / "world"), str(folder / "out")
    job = Job("lora", "float32", True, chosen.rows, 1, world, out)
    readings: Readings = {}
    before = os.getloadavg()
    rates(pythons, job, chosen.rounds, readings)
    kept["load"] = [before, os.getloadavg()]
    kept["readings"] = {name(run): found for run, found in readings.items()}
    yield from rate_gates(readings)
    whole = replace(job, n_rows=chosen.whole_rows, epochs=3)
    kept["commands"] = {}
    yield from commands(pythons, whole, chosen.whole_rounds, kept["commands"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llamafactory", help="python of the environment that holds it",
                        default=os.environ.get("TITER_BENCHMARK_LLAMAFACTORY"))  # fmt: skip
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=64, help="of one training")
    parser.add_argument("--whole-rows", type=int, default=training_rows.N_ROWS)
    parser.add_argument("--whole-rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="also write the table as JSON")
    chosen = parser.parse_args()
    if not chosen.llamafactory:
        print("LLaMA-Factory is not measured: give --llamafactory")
    kept: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        gates.report(measure(chosen, Path(name), kept), chosen.out, **{"training": kept})


if __name__ == "__main__":
    main()

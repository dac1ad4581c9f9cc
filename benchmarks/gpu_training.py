"""Training an 8B-shaped Qwen3 on one GPU: tokens per second, memory, and what each choice moves.

    python -m benchmarks.gpu_training --out benchmarks/results/gpu_training.json
    python -m benchmarks.gpu_training --shape tiny --device cpu     a smoke test, two minutes

Random weights, nothing is downloaded. Each variant runs in a process of its own; what does not fit
or is not installed is a row that says so. Five steps of warm-up, the median of ten by CUDA events.
Not yet run on a GPU.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import gates
from benchmarks.gates import Gate
from benchmarks.gpu_variants import SHAPES, Variant, run

ANSWER = "benchmark-answer: "
QLORA, LORA, FULL = Variant("qlora"), Variant("lora"), Variant("full", optimizer="adamw_8bit")
VARIANTS = (
    QLORA,
    replace(QLORA, checkpointing=False),
    replace(QLORA, optimizer="paged_adamw_8bit"),
    LORA,
    replace(LORA, checkpointing=False),
    replace(LORA, attention="padded"),
    replace(LORA, attention="sdpa"),
    replace(LORA, attention="flash_attention_2"),
    replace(LORA, liger=True),
    replace(LORA, compiled=True),
    replace(LORA, checkpointing=False, compiled=True),
    FULL,
    replace(FULL, liger=True),
    replace(FULL, optimizer="adamw_torch_fused"),
)
N_TOKENS = {"8b": 8192, "tiny": 512}
"""Real tokens of a micro-batch."""
LORA_RATE, FULL_RATE = 12_500, 7_800
"""Real tokens per second asked for on an H200."""
QLORA_SHARE, QLORA_GIB, FULL_GIB = 0.9, 12, 110


def measured(variant: Variant, shape: str, device: str) -> dict[str, float] | str:
    """The readings of a variant, or why there are none."""
    missing = variant.why_not()
    if missing:
        return missing
    number = str(VARIANTS.index(variant))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu_training", "--one", number, "--shape", shape,
         "--device", device], capture_output=True, text=True, check=False,
        cwd=Path(__file__).resolve().parents[1],
    )  # fmt: skip
    for line in done.stdout.splitlines():
        if line.startswith(ANSWER):
            found: dict[str, float] = json.loads(line.removeprefix(ANSWER))
            return found
    return (done.stderr.strip() or f"ended with {done.returncode}").splitlines()[-1]


def measure(shape: str, device: str) -> Iterator[Gate]:
    """A row per variant, then the bounds of the issue where the shape is theirs."""
    found = {variant: measured(variant, shape, device) for variant in VARIANTS}
    for variant, readings in found.items():
        if isinstance(readings, str):
            yield Gate("U1", variant.name, f"not measured: {readings}"[:66], "", True)
            continue
        figure = (
            f"{readings['tokens_per_s']:,.0f} tokens/s, {readings['peak_gib']:.1f} GiB, "
            f"{readings['share']:.2f} of the matrix rate"
        )
        yield Gate("U1", variant.name, figure, "", True)
    if shape == "8b":
        yield from bounds({k: v for k, v in found.items() if not isinstance(v, str)})


def bounds(found: dict[Variant, dict[str, float]]) -> Iterator[Gate]:
    """What an H200 must reach."""
    best = {
        kind: max((one["tokens_per_s"] for v, one in found.items() if v.kind == kind), default=0.0)
        for kind in ("lora", "full")
    }
    for kind, least in (("lora", LORA_RATE), ("full", FULL_RATE)):
        yield Gate("U2", f"{kind}, tokens/s", f"{best[kind]:,.0f}", f">= {least:,}",
                   best[kind] >= least)  # fmt: skip
    if QLORA in found and LORA in found:
        share = found[QLORA]["tokens_per_s"] / found[LORA]["tokens_per_s"]
        yield Gate("U2", "QLoRA over LoRA, checkpointing", f"{share:.2f}", f">= {QLORA_SHARE}",
                   share >= QLORA_SHARE)  # fmt: skip
    for variant, most in ((QLORA, QLORA_GIB), (FULL, FULL_GIB)):
        if variant in found:
            peak = found[variant]["peak_gib"]
            yield Gate("U2", f"{variant.kind}, peak", f"{peak:.1f} GiB", f"<= {most}", peak <= most)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=sorted(SHAPES), default="8b")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--one", type=int, help="run one variant here, by its number")
    parser.add_argument("--out", type=Path, help="also write the table as JSON")
    chosen = parser.parse_args()
    if chosen.one is not None:
        found = run(
            VARIANTS[chosen.one], shape=chosen.shape, device=chosen.device,
            n_tokens=N_TOKENS[chosen.shape],
        )  # fmt: skip
        print(ANSWER + json.dumps(found), flush=True)
        return
    gates.report(measure(chosen.shape, chosen.device), chosen.out)


if __name__ == "__main__":
    main()

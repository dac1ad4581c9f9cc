"""Gates G1 to G10 of the literature, measured against the stand-in server on this machine.

    python -m benchmarks.literature                        about six minutes on two free cores
    python -m benchmarks.literature --out FILE.json        also keep the table

Prints one row per figure: gate, what, figure, bound, ok. Ends with 1 if a bound does not hold.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.literature_fetching import collections, rates, secrets
from benchmarks.literature_papers import examples, parsing
from benchmarks.literature_world import FULL, SMALL, Gate, Scale, World
from titer import files

PARTS: tuple[Callable[[World], Iterator[Gate]], ...] = (
    collections, rates, parsing, examples, secrets,
)  # fmt: skip


def measure(scale: Scale, folder: Path) -> Iterator[Gate]:
    """All gates, each as soon as it is measured."""
    world = World(scale, folder)
    for part in PARTS:
        yield from part(world)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="also write the table as JSON")
    parser.add_argument("--small", action="store_true", help="a few seconds, rates scaled")
    chosen = parser.parse_args()
    began, gates = time.monotonic(), []
    with tempfile.TemporaryDirectory() as name:
        for gate in measure(SMALL if chosen.small else FULL, Path(name)):
            gates.append(gate)
            print(f"| {gate.gate:3} | {gate.what:38} | {gate.figure:66} | {gate.bound:22} | "
                  f"{'ok' if gate.ok else 'FAILS'} |", flush=True)  # fmt: skip
    timing = {"wall_s": round(time.monotonic() - began), "cpu_s": round(sum(os.times()[:4]))}
    spent = f"{timing['wall_s']} s, {timing['cpu_s']} s of CPU time"
    print(f"{sum(gate.ok for gate in gates)} of {len(gates)} hold, {spent}")
    if chosen.out:
        machine = {"python": platform.python_version(), "cores": os.cpu_count()}
        rows = [asdict(gate) for gate in gates]
        files.write_json(chosen.out, {"gates": rows, "machine": machine, "timing": timing})
    sys.exit(not all(gate.ok for gate in gates))


if __name__ == "__main__":
    main()

"""What every benchmark ends with: figures, their bounds, and a table of both."""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from titer import files


@dataclass(frozen=True)
class Gate:
    """One measured figure and its bound."""

    gate: str
    what: str
    figure: str
    bound: str
    ok: bool


def main(about: str, measure: Callable[[Path, int], Iterable[Gate]], *, rounds: int) -> None:
    """The command of a benchmark that needs a folder and a number of rounds.

    Args:
        about: for `--help`.
        measure: from an empty folder and the rounds to the gates.
        rounds: where the command line names none.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--out", type=Path, help="also write the table as JSON")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        report(measure(Path(name), chosen.rounds), chosen.out)


def report(measured: Iterable[Gate], out: Path | None, **more: Any) -> None:
    """Print each gate as soon as it is measured, write all to a file, exit with 1 if one fails.

    Args:
        measured: an iterator that measures as it goes.
        out: of the table as JSON, rewritten after each gate; null writes none.
        more: what else the file shall hold, complete when the iterator ends.
    """
    began, cpu_s, gates = time.monotonic(), sum(os.times()[:4]), []
    for gate in measured:
        gates.append(gate)
        print(f"| {gate.gate:3} | {gate.what:38} | {gate.figure:66} | {gate.bound:22} | "
              f"{'ok' if gate.ok else 'FAILS'} |", flush=True)  # fmt: skip
        timing = {"wall_s": round(time.monotonic() - began),
                  "cpu_s": round(sum(os.times()[:4]) - cpu_s)}  # fmt: skip
        if out:
            machine = {"python": platform.python_version(), "cores": os.cpu_count()}
            rows = [asdict(one) for one in gates]
            files.write_json(out, {"gates": rows, "machine": machine, "timing": timing, **more})
    spent = f"{timing['wall_s']} s, {timing['cpu_s']} s of CPU time"
    print(f"{sum(gate.ok for gate in gates)} of {len(gates)} hold, {spent}")
    sys.exit(not all(gate.ok for gate in gates))

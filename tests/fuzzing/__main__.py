"""Coverage-guided fuzzing of every reader; needs the extra `fuzz` (atheris), Linux or macOS.

    python -m tests.fuzzing --seconds 60              every reader, one minute each
    python -m tests.fuzzing pubmed rows_csv           these only

The seconds are by the clock; the table also tells the CPU time that each reader had and its most
memory. Each reader has a process of its own, so that a crash of a library in C is one line. What
broke a reader is kept in runs/fuzzing/<reader>; put such a file as a case into
tests/fuzzing/test_readers.py. The next run goes on from the inputs that the last one kept. Ends
with 1 if anything was found.
"""

import argparse
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.fuzzing import target, targets

KEPT = target.ROOT / "runs" / "fuzzing"
DONE = re.compile(r"Done (\d+) runs")
KIB_PER_PEAK_MIB = 1024 if sys.platform == "linux" else 1024 * 1024
"""macOS tells the peak in bytes, Linux in KiB."""
FAULTS = ("crash-", "timeout-", "oom-", "leak-")


@dataclass(frozen=True)
class Fuzzed:
    """One reader's line of the table."""

    name: str
    n_inputs: int
    cpu_s: float
    peak_mib: int
    found: str
    """What broke it, or nothing."""

    def __str__(self) -> str:
        figures = f"{self.n_inputs:>11,} {self.cpu_s:>8.1f} {self.peak_mib:>9,}"
        return f"{self.name:<18} {figures}  {self.found or 'nothing found'}"


def fuzz(name: str, seconds: int) -> Fuzzed:
    """One reader for so many seconds by the clock."""
    before = found(name)
    command = [sys.executable, "-m", "tests.fuzzing.one_reader", name, str(seconds)]
    child = subprocess.Popen(
        [*command, str(KEPT / name)], cwd=target.ROOT, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    assert child.stderr is not None
    said = child.stderr.read().decode("utf-8", "replace")
    # wait4, since the usage of all children together would hide a reader's most memory
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    runs = DONE.search(said)
    new = ", ".join(sorted(path.name for path in found(name) - before))
    last = (said.strip().splitlines() or ["no word"])[-1]
    is_well = runs and not new and child.returncode == 0
    return Fuzzed(
        name,
        n_inputs=int(runs[1]) if runs else 0,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss // KIB_PER_PEAK_MIB,
        found="" if is_well else f"FOUND {new or last}",
    )


def found(name: str) -> set[Path]:
    """What broke a reader, as kept."""
    return {path for path in (KEPT / name).glob("*") if path.name.startswith(FAULTS)}


def main() -> int:
    """Fuzz the readers that are asked for, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("readers", nargs="*", help="default: all of them")
    parser.add_argument("--seconds", type=int, default=60, help="of each reader")
    chosen = parser.parse_args()
    known = targets.all_targets()
    strange = set(chosen.readers) - set(known)
    if strange:
        parser.error(f"no such reader: {', '.join(sorted(strange))}. There are {', '.join(known)}")
    print(f"{'reader':<18} {'inputs':>11} {'CPU s':>8} {'peak MiB':>9}", flush=True)
    rows = []
    for name in chosen.readers or known:
        rows.append(fuzz(name, chosen.seconds))
        print(rows[-1], flush=True)
    broken = [row.name for row in rows if row.found]
    total = Fuzzed(
        f"all {len(rows)}",
        n_inputs=sum(row.n_inputs for row in rows),
        cpu_s=sum(row.cpu_s for row in rows),
        peak_mib=max(row.peak_mib for row in rows),
        found=f"FOUND in {', '.join(broken)}" if broken else "",
    )
    print(total)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

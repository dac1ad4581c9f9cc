"""Coverage-guided fuzzing of every reader; needs the extra `fuzz` (atheris), Linux or macOS.

    python -m tests.fuzzing --seconds 60              every reader, one minute each
    python -m tests.fuzzing pubmed rows_csv           these only

Each reader has a process of its own, so that a crash of a library in C is one line of the table.
What broke one is kept in runs/fuzzing/<reader>; put such a file as a case into
tests/fuzzing/test_readers.py. The next run goes on from the inputs that the last one kept. Ends
with 1 if anything was found.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from tests.fuzzing import targets

KEPT = targets.ROOT / "runs" / "fuzzing"
DONE = re.compile(r"Done (\d+) runs")
FAULTS = ("crash-", "timeout-", "oom-", "leak-")


def row(name: str, seconds: int) -> tuple[str, bool]:
    """One line of the table, and whether nothing was found."""
    before = found(name)
    command = [sys.executable, "-m", "tests.fuzzing.one_reader", name, str(seconds)]
    done = subprocess.run(
        [*command, str(KEPT / name)], cwd=targets.ROOT, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    said = done.stderr.decode("utf-8", "replace")
    runs = DONE.search(said)
    new = sorted(path.name for path in found(name) - before)
    if runs and not new and done.returncode == 0:
        return f"{name:<18} {int(runs[1]):>9,} inputs, nothing found", True
    last = (said.strip().splitlines() or ["no word"])[-1]
    return f"{name:<18} FOUND {', '.join(new) or last}", False


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
    all_well = True
    for name in chosen.readers or known:
        line, is_well = row(name, chosen.seconds)
        print(line, flush=True)
        all_well &= is_well
    return 0 if all_well else 1


if __name__ == "__main__":
    sys.exit(main())

"""Conversion of training rows: rate on one core and memory, beside `datasets.load_dataset`.

    python -m benchmarks.formats                           about four minutes
    python -m benchmarks.formats --out FILE.json           also keep the table

Rates are rows per second of CPU time of one process, so that other work on the machine does not
count. Each case runs in a process of its own, whose largest resident memory is measured. Ends with
1 if a bound does not hold.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from titer import files

RATE = 50_000
MEMORY_MIB = 300
ROW_WORDS = 60
FLAT = ("instruction", "alpaca", "qa", "context", "satisfaction")
CASES = [
    *((name, other, "jsonl") for name in FLAT for other in FLAT if name != other),
    *(("qa", "qa", ending) for ending in ("json", "csv", "parquet")),
    ("qa", "chat", "jsonl"),
    ("qa", "sharegpt", "jsonl"),
    ("qa", "text", "txt"),
]


@dataclass(frozen=True)
class Measured:
    """One case."""

    what: str
    n_rows: int
    rows_per_cpu_s: int
    peak_mib: int
    bound: str
    ok: bool


def convert(source: Path, target: Path, name: str) -> int:
    """Rows written, from one file to another."""
    from titer.examples.formats import FORMATS
    from titer.examples.formats.reading import Reading
    from titer.examples.formats.writing import write

    return write(target, FORMATS[name], Reading(source)).n


def load_with_datasets(source: Path, cache: Path) -> int:
    """Rows that `datasets` loads and writes again, its own way of converting."""
    import datasets

    datasets.disable_progress_bars()
    loaded = datasets.load_dataset("json", data_files=str(source), split="train", cache_dir=cache)
    renamed = loaded.rename_columns({"instruction": "question", "response": "answer"})
    renamed.to_json(str(cache / "out.jsonl"), num_proc=1)
    return len(renamed)


def in_process(*arguments: str) -> tuple[int, float, float]:
    """Rows, CPU seconds and peak MiB of one case in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.formats", "--case", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    n_rows, cpu_s, peak = json.loads(done.stdout.splitlines()[-1])
    return n_rows, cpu_s, peak


def one_case(arguments: list[str]) -> None:
    """Run a case and print what it took."""
    kind, source, target, *rest = arguments
    if kind == "datasets":
        n_rows = load_with_datasets(Path(source), Path(target))
    else:
        n_rows = convert(Path(source), Path(target), *rest)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_s = sum(one.ru_utime + one.ru_stime for one in used)
    print(json.dumps([n_rows, cpu_s, max(one.ru_maxrss for one in used) / 1024]))


def write_rows(path: Path, n_rows: int) -> None:
    """Instruction rows of about ROW_WORDS words, all different."""
    import orjson

    words = ["antibody", "vasculitis", "of", "the", "lamp", "naïve", "titre", "is", "low", "\n"]
    with path.open("wb") as file:
        for n in range(n_rows):
            said = " ".join(words[(n * 7 + k * k) % len(words)] for k in range(ROW_WORDS))
            row = {"instruction": f"What is shown in case {n}?", "response": f"{said} {n}."}
            file.write(orjson.dumps(row) + b"\n")


def measure(folder: Path, *, n_rows: int, n_bytes: int) -> Iterator[Measured]:
    """All cases, each as soon as it is measured."""
    base = folder / "instruction.jsonl"
    write_rows(base, n_rows)
    for name in FLAT[1:]:
        convert(base, folder / f"{name}.jsonl", name)
    for name, to, ending in CASES:
        source, target = folder / f"{name}.jsonl", folder / f"out.{ending}"
        n, cpu_s, peak = in_process("convert", str(source), str(target), to)
        rate = int(n / cpu_s)
        is_flat = ending == "jsonl" and to in FLAT
        yield Measured(
            f"{name} to {to}.{ending}", n, rate, round(peak),
            f">= {RATE:,} rows/s" if is_flat else "shown only",
            rate >= RATE or not is_flat,
        )  # fmt: skip
        target.unlink()
    n, cpu_s, peak = in_process("datasets", str(base), str(folder / "cache"))
    yield Measured(
        "datasets.load_dataset, rename, to_json", n, int(n / cpu_s), round(peak), "beside", True
    )
    yield large(folder, n_bytes)


def large(folder: Path, n_bytes: int) -> Measured:
    """Memory and rate of one large file."""
    path = folder / "large.jsonl"
    write_rows(folder / "part.jsonl", 100_000)
    part = (folder / "part.jsonl").read_bytes()
    with path.open("wb") as file:
        while file.tell() < n_bytes:
            file.write(part)
    del part  # a child begins with its parent's largest memory
    n, cpu_s, peak = in_process("convert", str(path), str(folder / "large.out.jsonl"), "alpaca")
    return Measured(
        f"instruction to alpaca.jsonl, {path.stat().st_size / 1e9:.2f} GB", n, int(n / cpu_s),
        round(peak), f"< {MEMORY_MIB} MiB", peak < MEMORY_MIB,
    )  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="also write the table as JSON")
    parser.add_argument("--rows", type=int, default=50_000, help="per case (50000)")
    parser.add_argument("--bytes", type=int, default=10**9, help="of the large file (1e9)")
    parser.add_argument("--case", nargs="+", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.case:
        one_case(chosen.case)
        return
    began, rows = time.monotonic(), []
    with tempfile.TemporaryDirectory() as name:
        for row in measure(Path(name), n_rows=chosen.rows, n_bytes=chosen.bytes):
            rows.append(row)
            print(f"| {row.what:42} | {row.n_rows:9,} | {row.rows_per_cpu_s:9,} | "
                  f"{row.peak_mib:5} MiB | {row.bound:17} | {'ok' if row.ok else 'FAILS'} |",
                  flush=True)  # fmt: skip
    print(f"{round(time.monotonic() - began)} s")
    if chosen.out:
        machine = {"python": platform.python_version(), "cores": os.cpu_count()}
        files.write_json(chosen.out, {"cases": [asdict(row) for row in rows], "machine": machine})
    sys.exit(not all(row.ok for row in rows))


if __name__ == "__main__":
    main()

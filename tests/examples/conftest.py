"""What the tests of the examples share."""

import json

import pytest

from tests.imports import ROOT
from titer.records import BenchmarkText


@pytest.fixture
def benchmark_questions() -> list[BenchmarkText]:
    """The questions of the JSONL files of the benchmark that lie in the repository."""
    rows = []
    for path in sorted((ROOT / "data" / "benchmark").rglob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if "question" in row:
                answer = row.get("reference_answer") or ""
                rows.append(BenchmarkText(row["id"], row["question"], answer, "open"))
    if not rows:
        pytest.skip("no benchmark here")
    return rows

"""Gates G1 to G10 on a small corpus; `python -m benchmarks.literature` measures them in full.

What is a speed (G3, the pace of G5) is measured there only: a busy machine says nothing of it.
"""

import itertools
from pathlib import Path

import pytest

from benchmarks.literature_fetching import collections, secrets
from benchmarks.literature_papers import examples, parsing
from benchmarks.literature_world import FULL, SMALL, Gate, World

CHECKS = ["G1", "G2", "G4", "G6", "G7", "G8", "G9", "G10"]


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory) -> list[Gate]:
    """Every check of one corpus, collected clean, faulty, killed and twice."""
    world = World(SMALL, tmp_path_factory.mktemp("gates"))
    parts = (collections, examples, secrets)
    return list(itertools.chain.from_iterable(part(world) for part in parts))


@pytest.mark.parametrize("name", CHECKS)
def test_a_gate_holds(gates: list[Gate], name: str) -> None:
    rows = [gate for gate in gates if gate.gate == name]
    assert rows
    assert [gate for gate in rows if not gate.ok] == []


def test_memory_does_not_grow_with_the_number_of_records(tmp_path: Path) -> None:
    (peak,) = (gate for gate in parsing(World(SMALL, tmp_path)) if "peak" in gate.what)
    assert peak.ok, peak


def test_the_full_corpus_is_as_large_as_the_gates_demand() -> None:
    assert FULL.n_records >= 25_000
    assert FULL.n_one_day >= 10_000
    assert FULL.n_entries >= 5_000

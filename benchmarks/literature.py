"""Gates G1 to G10 of the literature, measured against the stand-in server on this machine.

    python -m benchmarks.literature                        about six minutes on two free cores
    python -m benchmarks.literature --out FILE.json        also keep the table

Prints one row per figure: gate, what, figure, bound, ok. Ends with 1 if a bound does not hold.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import gates
from benchmarks.literature_fetching import collections, rates, secrets
from benchmarks.literature_papers import examples, parsing
from benchmarks.literature_world import FULL, SMALL, Gate, Scale, World

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
    with tempfile.TemporaryDirectory() as name:
        gates.report(measure(SMALL if chosen.small else FULL, Path(name)), chosen.out)


if __name__ == "__main__":
    main()

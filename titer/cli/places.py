"""Where things lie in the project, as more than one command asks for it."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from titer.config import SftSettings

if TYPE_CHECKING:
    from titer.training.sft import Data


def short(path: Path) -> Path:
    """A path as it is shown: below the project's root where it lies there."""
    from titer import runner

    return path.relative_to(runner.ROOT) if path.is_relative_to(runner.ROOT) else path


def dvc() -> str:
    """The dvc of this environment, which need not be on the path."""
    return str(Path(sys.executable).with_name("dvc"))


def stage_places(stage: str, root: Path) -> SimpleNamespace:
    """What a stage reads, under `reads`, as the stage itself is given it."""
    from titer import runner

    reads, _ = runner.declaration(stage)
    return SimpleNamespace(
        reads=SimpleNamespace(**{name: root / path for name, path in reads.items()})
    )


def benchmark_places(domain: str, root: Path) -> SimpleNamespace:
    """Files of a domain's benchmark, by the names of `titer.evaluation.benchmark.FILES`."""
    from titer.evaluation import benchmark

    paths = {key: path.replace("${domain}", domain) for key, path in benchmark.FILES.items()}
    return SimpleNamespace(**{key: root / path for key, path in paths.items()})


def training_rows(root: Path, settings: SftSettings) -> "Data":
    """The rows that train_qlora would train on and measure.

    Raises:
        DataError: there are none yet.
    """
    from titer.errors import DataError
    from titer.training import outputs

    if not (root / "data" / "papers" / "heldout.jsonl").is_file():
        raise DataError("data/papers: no examples yet. Run: dvc repro fetch_papers")
    return outputs.read_data(stage_places("train_qlora", root), settings)

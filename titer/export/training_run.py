"""One fine-tune as other trainers are told of it, and the rows that go with it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer import files
from titer.config import SftSettings

TRAIN, VALIDATION = "titer_train", "titer_validation"
"""Names of the two data sets."""
FILES = {TRAIN: "train.jsonl", VALIDATION: "validation.jsonl"}
ROOM = 8
"""Tokens above max_length at which the others cut: their end of an answer may be longer."""


@dataclass(frozen=True)
class Run:
    """One fine-tune, with what follows from the number of its rows."""

    settings: SftSettings
    n_steps: int
    micro_batch_rows: int
    """Rows per forward pass."""

    @property
    def n_between_evaluations(self) -> int:
        """Optimiser steps from one evaluation, and checkpoint, to the next."""
        return self.n_steps // self.settings.evals

    @property
    def n_accumulated(self) -> int:
        """Forward passes of one optimiser step, in one process."""
        return self.settings.batch_size // self.micro_batch_rows

    @property
    def warmup_steps(self) -> int:
        """Optimiser steps until the full learning rate."""
        return round(self.settings.warmup_share * self.n_steps)


def write_runs(
    out: Path, runs: Mapping[str, Run], settings_of: Callable[[Run, str], Any], *, command: str
) -> list[Path]:
    """Write one YAML per run, by its name, whose first line says how it is run; give the files.

    Args:
        settings_of: from a run and its name to what the trainer reads.
        command: of the trainer, before the file's name.
    """
    import yaml

    written = []
    for name, run in sorted(runs.items()):
        written.append(out / f"{name}.yaml")
        text = yaml.safe_dump(settings_of(run, name), sort_keys=False)
        files.write_text(written[-1], f"# {command} {name}.yaml, in this folder\n{text}")
    return written


def write_readme(
    out: Path, *, trainer: str, command: str, loss: str, differences: Iterable[str]
) -> Path:
    """Write the README.md of a folder for another trainer, with what is not the same there."""
    lines = [
        f"# The same training in {trainer}", "",
        f"Run in this folder: `{command} qlora.yaml`. {loss}",
        "", "What is not the same:", "", *(f"- {text}" for text in differences), "",
    ]  # fmt: skip
    files.write_text(out / "README.md", "\n".join(lines))
    return out / "README.md"

"""What launch and its processes tell one another, as JSON files in a folder that all see.

Invariant: what is read equals what was written; no file here can run code when it is loaded.
"""

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, get_type_hints

from titer import errors, files
from titer.config import LoraSettings, SftSettings
from titer.errors import ModelError, TiterError
from titer.records import Example
from titer.training.sft import Data, Run

JOB, RESULT, FAILED = "job.json", "result.json", "failed.{}.json"
"""The work, what rank 0 reached, why a rank failed."""
PLACES = ("base", "out", "checkpoints", "logs")


@dataclass(frozen=True)
class Job:
    """The arguments of sft.train."""

    settings: SftSettings
    base: Path
    data: Data
    out: Path
    checkpoints: Path
    logs: Path


def write_job(folder: Path, job: Job) -> None:
    """Leave the work for the processes; places become absolute."""
    row = {
        "settings": asdict(job.settings),
        "train": [example.to_json() for example in job.data.train],
        "validation": [example.to_json() for example in job.data.validation],
        "heldout": job.data.heldout,
        **{name: str(getattr(job, name).absolute()) for name in PLACES},
    }
    files.write_json(folder / JOB, row)


def read_job(folder: Path) -> Job:
    """The work that launch left."""
    row = files.read_json(folder / JOB)
    train, validation = (
        [Example.from_json(example) for example in row[name]] for name in ("train", "validation")
    )
    data = Data(train, validation, row["heldout"])
    where = {name: Path(row[name]) for name in PLACES}
    return Job(settings=read_settings(row["settings"]), data=data, **where)


def read_settings(row: Mapping[str, Any]) -> SftSettings:
    """Settings from `asdict` of them: words become members of their enumerations again."""
    kinds = get_type_hints(SftSettings)
    values = {
        name: kinds[name](value) if _is_words(kinds[name]) else value for name, value in row.items()
    }
    if row["lora"] is not None:
        values["lora"] = LoraSettings(**row["lora"])
    return SftSettings(**values)


def _is_words(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, StrEnum)


def write_run(folder: Path, run: Run) -> None:
    """Leave what the training reached."""
    files.write_json(folder / RESULT, {f.name: getattr(run, f.name) for f in fields(Run)})


def read_run(folder: Path) -> Run:
    """What rank 0 left."""
    return Run(**files.read_json(folder / RESULT))


def write_failure(folder: Path, rank: int, error: TiterError) -> None:
    """Leave why a process ended."""
    row = {"error": type(error).__name__, "text": str(error)}
    files.write_json(folder / FAILED.format(rank), row)


def read_failure(folder: Path) -> TiterError | None:
    """The error of the lowest rank that left one."""
    paths = folder.glob(FAILED.format("*"))
    first = min(paths, key=lambda path: int(path.name.split(".")[1]), default=None)
    if first is None:
        return None
    row = files.read_json(first)
    kind = getattr(errors, row["error"], ModelError)
    error: TiterError = kind(row["text"])
    return error

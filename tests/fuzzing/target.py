"""What a reader under test is, and the place of its files.

A reader may refuse its input with an error of ours, which is one line; whatever else it raises, any
hang and any memory beyond its limit is a fault.
"""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from titer.errors import TiterError

ROOT = Path(__file__).resolve().parents[2]
LONGEST_INPUT = 64 * 1024
"""Bytes; what is longer is a matter of the size limits, which have tests of their own."""


@dataclass(frozen=True)
class Target:
    """A reader and inputs that it takes."""

    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    refusals: tuple[type[Exception], ...] = (TiterError,)
    """How it says no."""

    def __call__(self, data: bytes) -> bool:
        """Whether the input was taken; what is no refusal is passed on."""
        try:
            self.read(data)
        except self.refusals as error:
            assert "\n" not in str(error).strip(), f"a refusal of several lines: {error!r}"
            return False
        return True


@lru_cache
def folder() -> Path:
    """A folder of this process's own, in memory where there is such a place; gone at its end."""
    place = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="titer_fuzz_", dir=place if place.is_dir() else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def place(name: str) -> Path:
    """An empty folder of this process's own."""
    made = folder() / name
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    return made


def written(data: bytes, name: str) -> Path:
    """The input as a file."""
    path = folder() / name
    path.write_bytes(data)
    return path


def sample(path: str, lines: int | None = None) -> bytes:
    """A file of the project, its first lines only."""
    content = (ROOT / path).read_bytes()
    return content if lines is None else b"".join(content.splitlines(keepends=True)[:lines])


def short_yaml(path: str) -> bytes:
    """A YAML file of the project with two items of each of its lists at most: read sooner."""
    value = yaml.safe_load(sample(path))
    return yaml.safe_dump(_shortened(value), sort_keys=False).encode()


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return [_shortened(item) for item in value[:2]] if isinstance(value, list) else value

"""Checkpoints of an unfinished training: which one to go on from, and a disk without room for one.

Invariant: a checkpoint that was cut while it was written is never read.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError

from titer import files
from titer.errors import FormatError, LoadError, TooLittleDisk

STATE = "trainer_state.json"
"""Written by transformers when all else of a checkpoint is."""


def last_checkpoint(folder: Path, n_processes: int = 1) -> Path | None:
    """The newest whole checkpoint below a folder; each of several processes has a random state."""
    whole = [path.parent for path in folder.glob(f"checkpoint-*/{STATE}") if _is_json(path)]
    if n_processes > 1:
        whole = [p for p in whole if len(list(p.glob("rng_state_*.pth"))) == n_processes]
    return max(whole, key=lambda p: int(p.name.rpartition("-")[2]), default=None)


def _is_json(path: Path) -> bool:
    try:
        return bool(files.read_json(path))
    except (OSError, FormatError):
        return False


@contextlib.contextmanager
def needing_room(folder: Path) -> Iterator[None]:
    """Turn a full disk, met while weights are written, into one line.

    Raises:
        TooLittleDisk: the checkpoints before it are still there.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if not files.is_full(error):
            raise
        _remove_unfinished(folder)
        raise TooLittleDisk(
            f"{folder}: {files.NO_ROOM} and run the same command to go on from the last checkpoint"
        ) from None


@contextlib.contextmanager
def resuming(checkpoint: Path | None) -> Iterator[None]:
    """Turn a checkpoint that torch refuses to read into one line.

    torch reads tensors and plain values only, so a pickle that would run code is refused here too.

    Raises:
        LoadError: names the folder to remove.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (UnpicklingError, RuntimeError, EOFError, SafetensorError) as error:
        is_cut = isinstance(error, RuntimeError) and "PytorchStreamReader" in str(error)
        if checkpoint is None or (isinstance(error, RuntimeError) and not is_cut):
            raise
        raise LoadError(
            f"{checkpoint}: a file in it is damaged, or no checkpoint of torch. Remove the folder "
            "and run the same command to go on from the one before"
        ) from None


def _remove_unfinished(folder: Path) -> None:
    """Remove checkpoints whose state is absent or cut: they hold room and are never read."""
    for path in folder.glob("checkpoint-*"):
        if not _is_json(path / STATE):
            shutil.rmtree(path, ignore_errors=True)

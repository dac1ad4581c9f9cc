"""One process of several: python -m titer.training.rank <folder>, started by launch.

Reads what to train from the folder, trains, and leaves the result (rank 0) or the error there.
"""

import ctypes
import logging
import os
import pickle
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from titer.config import SftSettings
from titer.errors import OutOfMemory, TiterError
from titer.training import sft

JOB, RESULT, FAILED = "job.pickle", "result.pickle", "failed.{}.pickle"
"""Files between launch and its processes; both are this program, so a pickle is safe here."""
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Job:
    """The arguments of sft.train."""

    settings: SftSettings
    base: Path
    data: sft.Data
    out: Path
    checkpoints: Path
    logs: Path


def die_with_parent() -> None:
    """Ask Linux to end this process when the one that started it dies.

    Else a killed stage would leave processes that hold GPUs and write checkpoints.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(folder: Path) -> int:
    """Train as one of the processes that the environment names; an exit code."""
    import torch

    die_with_parent()
    rank, here = int(os.environ["RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    level = logging.INFO if rank == 0 else logging.ERROR
    logging.basicConfig(level=level, format="[%(asctime)s][%(name)s][%(levelname)s] - %(message)s")
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // here))
    job: Job = pickle.loads((folder / JOB).read_bytes())
    try:
        run = sft.train(job.settings, base=job.base, data=job.data, out=job.out,
                        checkpoints=job.checkpoints, logs=job.logs)  # fmt: skip
    except TiterError as error:
        return _failed(folder, rank, error)
    except torch.OutOfMemoryError:
        text = "a GPU's memory is full. Lower hardware.micro_batch_tokens or raise processes"
        return _failed(folder, rank, OutOfMemory(text))
    if rank == 0:
        (folder / RESULT).write_bytes(pickle.dumps(run))
    return 0


def _failed(folder: Path, rank: int, error: TiterError) -> int:
    (folder / FAILED.format(rank)).write_bytes(pickle.dumps(error))
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

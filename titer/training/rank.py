"""One process of several: python -m titer.training.rank <folder>, started by launch.

Reads what to train from the folder, trains, and leaves the result (rank 0) or the error there.
"""

import logging
import os
import signal
import sys
from pathlib import Path

from titer import signals
from titer.errors import OutOfMemory, TiterError
from titer.training import handover, sft


def main(folder: Path) -> int:
    """Train as one of the processes that the environment names; an exit code."""
    import torch

    signals.follow_parent(signal.SIGKILL)
    rank, here = int(os.environ["RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    level = logging.INFO if rank == 0 else logging.ERROR
    logging.basicConfig(level=level, format="[%(asctime)s][%(name)s][%(levelname)s] - %(message)s")
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // here))
    job = handover.read_job(folder)
    try:
        run = sft.train(job.settings, base=job.base, data=job.data, out=job.out,
                        checkpoints=job.checkpoints, logs=job.logs)  # fmt: skip
    except TiterError as error:
        return _failed(folder, rank, error)
    except torch.OutOfMemoryError:
        text = "a GPU's memory is full. Lower hardware.micro_batch_tokens or raise processes"
        return _failed(folder, rank, OutOfMemory(text))
    if rank == 0:
        handover.write_run(folder, run)
    return 0


def _failed(folder: Path, rank: int, error: TiterError) -> int:
    handover.write_failure(folder, rank, error)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

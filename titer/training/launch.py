"""Trains in one process, or starts the processes that hardware asks for, and waits for them.

The stage stays one process, so that DVC, the lock and the run record know nothing of ranks:
torchrun's agent (torch.distributed.launcher) runs here, and each of its children is
titer.training.rank. On several machines srun starts one agent on each:
`python -m titer.training.launch <folder> <endpoint>`.

Invariant: when one process dies the agent ends all of them, and when this one dies they follow.
"""

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from titer import signals
from titer.config import Device, SftSettings
from titer.errors import ConfigError, ModelError, Stopped, TiterError
from titer.training import handover, sft

STOPPED = "training was told to stop. Run the same command to go on"


def train(
    settings: SftSettings, *, base: Path, data: sft.Data, out: Path, checkpoints: Path, logs: Path
) -> sft.Run:
    """Fine-tune as sft.train does, in as many processes as the settings say.

    Raises:
        ConfigError: several machines outside a SLURM allocation.
        ModelError: a process died.
        TiterError: whatever sft.train refuses.
    """
    if settings.n_processes == 1:
        return sft.train(
            settings, base=base, data=data, out=out, checkpoints=checkpoints, logs=logs
        )
    folder = Path(f"{checkpoints}.job")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    handover.write_job(folder, handover.Job(settings, base, data, out, checkpoints, logs))
    try:
        if settings.machines == 1:
            agent(folder, settings, "localhost:0")
        else:
            _on_all_machines(folder, settings.machines)
        return handover.read_run(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def agent(folder: Path, settings: SftSettings, endpoint: str) -> None:
    """Run this machine's processes to their end.

    Args:
        folder: holds the job; must be seen by all machines.
        endpoint: host:port where the agents of all machines meet; port 0 for a single one.
    Raises:
        TiterError: the first process that failed says why.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=settings.machines,
        max_nodes=settings.machines,
        nproc_per_node=settings.processes,
        run_id=folder.name,
        rdzv_backend="c10d",
        rdzv_endpoint=endpoint,
        max_restarts=0,
        # each process sees its own GPU as the only one
        virtual_local_rank=settings.device == Device.cuda,
        # time to finish a step and save when the stage is told to stop
        shutdown_timeout=300,
        signals_to_handle="SIGHUP,SIGQUIT",  # _stop_ranks takes the others
    )
    try:
        with signals.handled_by(_stop_ranks):
            elastic_launch(config, sys.executable)("-m", "titer.training.rank", str(folder))
    except ChildFailedError as failed:
        raise _reason(folder, failed.get_first_failure()[1].exitcode) from None
    except SignalException:
        raise Stopped(STOPPED) from None


def _stop_ranks(number: int, frame: Any) -> None:
    """Let the agent tell its processes, once: a second signal would end it while they save.

    As SIGTERM, by which a process that does not train yet ends without a word.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException

    for one in signals.STOPPING:
        signal.signal(one, signal.SIG_IGN)
    raise SignalException("told to stop", signal.SIGTERM)


def _reason(folder: Path, exit_code: int) -> TiterError:
    """Why a process failed: its own words, or how it died."""
    told = handover.read_failure(folder)
    if told is not None:
        return told
    died = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}, see above"
    return ModelError(
        f"a training process died ({died}) and the others were ended. Run the same command to go "
        "on from the last checkpoint"
    )


def srun_command(folder: Path, machines: int, endpoint: str) -> list[str]:
    """What starts one agent on each machine of a SLURM allocation."""
    return [
        "srun", f"--nodes={machines}", f"--ntasks={machines}", "--ntasks-per-node=1",
        "--kill-on-bad-exit=1", sys.executable, "-m", "titer.training.launch", str(folder),
        endpoint,
    ]  # fmt: skip


def _on_all_machines(folder: Path, machines: int) -> None:
    if "SLURM_JOB_ID" not in os.environ:
        raise ConfigError(
            f"hardware.machines = {machines}: start it inside a SLURM allocation of so many "
            f"machines: sbatch --nodes={machines} --wrap 'dvc repro'"
        )
    with socket.socket() as free:
        free.bind(("", 0))
        endpoint = f"{socket.gethostname()}:{free.getsockname()[1]}"
    code = _wait(srun_command(folder, machines, endpoint))
    if code:
        raise _reason(folder, code)


def _wait(command: list[str]) -> int:
    """Run srun to its end; an exit code. What tells this process to stop is handed on to it.

    In a session of its own: the first Ctrl-C would only have it list its tasks.

    Raises:
        Stopped: it came.
    """
    came: list[int] = []

    def hand_on(number: int, frame: Any) -> None:
        came.append(number)
        process.terminate()

    with subprocess.Popen(command, start_new_session=True) as process, signals.handled_by(hand_on):
        code = process.wait()
    if came and code:
        raise Stopped(STOPPED)
    return code


def main(folder: Path, endpoint: str) -> int:
    """One machine's agent; an exit code. The error is in the folder or on this machine's log."""
    signals.follow_parent(signal.SIGKILL)
    try:
        agent(folder, handover.read_job(folder).settings, endpoint)
    except TiterError as error:
        logging.getLogger(__name__).error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))

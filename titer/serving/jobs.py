"""Pipeline runs that an administrator asked for, one at a time, each a process of its own.

Invariant: nothing of training is imported here; a run is what `dvc repro` on the command line is.
"""

import asyncio
import logging
import os
import secrets
import signal
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from titer import files
from titer.errors import DataError
from titer.serving.refusals import Refusal

logger = logging.getLogger(__name__)

FOLDER = "serving/jobs"
"""Below the project: what each run printed, and how it ended."""
QUEUED, RUNNING, DONE, FAILED, STOPPED = "queued", "running", "done", "failed", "stopped"
N_SHOWN = 20
"""Newest runs that are remembered."""


@dataclass
class Job:
    """One run."""

    id: str
    key_id: str
    """Who asked."""
    state: str = QUEUED
    exit_code: int | None = None


class Jobs:
    """The queue."""

    def __init__(self, root: Path, command: Sequence[str], *, n_queued: int) -> None:
        """Empty.

        Args:
            root: the project, in which the command runs.
            command: what a run is.
            n_queued: runs that may wait.
        """
        self._root = root
        self._command = tuple(command)
        self._n_queued = n_queued
        self._jobs: dict[str, Job] = {}
        self._worker: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._is_closing = False

    def add(self, key_id: str) -> Job:
        """Queue a run.

        Raises:
            Refusal: 429, enough of them wait.
        """
        waiting = [job for job in self._jobs.values() if job.state == QUEUED]
        if self._is_closing or len(waiting) >= self._n_queued:
            raise Refusal(
                429, "jobs_full", f"{len(waiting)} pipeline runs wait already", retry_after_s=60
            )
        job = Job(secrets.token_hex(6), key_id)
        self._jobs[job.id] = job
        ended = [one.id for one in self._jobs.values() if one.state not in (QUEUED, RUNNING)]
        for old in ended[: max(0, len(self._jobs) - N_SHOWN)]:
            del self._jobs[old]
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return job

    def all(self) -> list[dict[str, Any]]:
        """Id, state and exit code of each run, the newest first."""
        return [
            {"job_id": job.id, "state": job.state, "exit_code": job.exit_code}
            for job in reversed(self._jobs.values())
        ]

    async def close(self) -> None:
        """End the run as SIGTERM does, which lets training save where it was."""
        self._is_closing = True
        for job in self._jobs.values():
            if job.state == QUEUED:
                job.state = STOPPED
        self._end_run()
        if self._worker is not None:
            await self._worker

    def _end_run(self) -> None:
        if self._process is not None and self._process.returncode is None:
            # the run's whole group: DVC and the stage that it started
            os.killpg(self._process.pid, signal.SIGTERM)

    async def _work(self) -> None:
        while job := next((one for one in self._jobs.values() if one.state == QUEUED), None):
            job.state = RUNNING
            try:
                job.exit_code = await self._run(job)
                job.state = DONE if job.exit_code == 0 else FAILED
            except OSError:
                logger.exception("job %s: cannot be started", job.id)
                job.state = FAILED
            if self._is_closing and job.state == FAILED:
                job.state = STOPPED
            self._note(job)

    async def _run(self, job: Job) -> int:
        folder = self._root / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{job.id}.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, cwd=self._root, stdin=asyncio.subprocess.DEVNULL, stdout=log,
                stderr=asyncio.subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            if self._is_closing:  # while it was being started
                self._end_run()
            return await self._process.wait()

    def _note(self, job: Job) -> None:
        try:
            files.write_json(self._root / FOLDER / f"{job.id}.json", asdict(job))
        except DataError:
            logger.exception("job %s: its end cannot be noted", job.id)

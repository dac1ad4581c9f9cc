"""Pipeline runs over HTTP: for administrators, one at a time, as processes of their own."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.serving import gateways
from tests.serving.gateways import LUPUS
from titer import files
from titer.serving.catalogue import Catalogue
from titer.serving.engines.in_process import InProcess
from titer.serving.jobs import FOLDER, Jobs
from titer.serving.refusals import Refusal

SETUP, STATUS = "/fine-tuning/setup", "/fine-tuning/status"
ENDED = {"done", "failed", "stopped"}


def python(code: str) -> Sequence[str]:
    return (sys.executable, "-c", code)


async def until_ended(jobs: Jobs) -> list[dict[str, Any]]:
    async with asyncio.timeout(60):
        while not all(job["state"] in ENDED for job in jobs.all()):
            await asyncio.sleep(0.02)
    return jobs.all()


def test_only_an_administrator_starts_a_run_and_sees_it(
    tmp_path: Path, served: Catalogue, engine: InProcess
) -> None:
    run = python("import os, pathlib; pathlib.Path('ran').write_text(os.getcwd()); print('said')")
    gateway = gateways.opened(tmp_path, served, [engine], run=run)

    async def story() -> tuple[Any, ...]:
        async with gateway.client(gateway.keys[LUPUS]) as client:
            refused = [await client.post(SETUP), await client.post(SETUP, json={})]
            seen = (await client.get(STATUS)).json()
        async with gateway.client(gateway.keys["admin"]) as client:
            wrong = await client.post(SETUP, json={"settings": ["seed=1"]})
            begun = await client.post(SETUP)
            async with asyncio.timeout(60):
                while (now := (await client.get(STATUS)).json())["jobs"][0]["state"] not in ENDED:
                    await asyncio.sleep(0.05)
        return refused, seen, wrong, begun, now

    refused, seen, wrong, begun, now = asyncio.run(story())
    assert [one.status_code for one in refused] == [403, 403]
    assert "jobs" not in seen
    assert set(seen["domains"]) == {LUPUS}
    assert seen["domains"][LUPUS]["verdict"] == "helped"
    assert wrong.status_code == 422
    assert begun.status_code == 202
    [job] = now["jobs"]
    assert (job["job_id"], job["state"], job["exit_code"]) == (begun.json()["job_id"], "done", 0)
    assert (tmp_path / "ran").read_text() == str(tmp_path)
    assert (tmp_path / FOLDER / f"{job['job_id']}.log").read_text() == "said\n"
    assert files.read_json(tmp_path / FOLDER / f"{job['job_id']}.json")["state"] == "done"


def test_runs_wait_for_each_other_and_their_number_is_bounded(tmp_path: Path) -> None:
    alone = python(
        "import os, time; os.mkdir('alone'); time.sleep(0.2); os.rmdir('alone')"
    )  # fails where another one runs

    async def story() -> list[dict[str, Any]]:
        jobs = Jobs(tmp_path, alone, n_queued=3)
        for _ in range(3):
            jobs.add("k")
        await asyncio.sleep(0.05)
        jobs.add("k")  # one runs by now
        with pytest.raises(Refusal) as refused:
            jobs.add("k")
        assert refused.value.status == 429
        return await until_ended(jobs)

    found = asyncio.run(story())
    assert [job["state"] for job in found] == ["done"] * 4


@pytest.mark.parametrize(
    ("command", "code"), [(python("raise SystemExit(3)"), 3), (("no-such-program",), None)]
)
def test_a_run_that_fails_says_so_and_the_next_one_runs(
    tmp_path: Path, command: Sequence[str], code: int | None
) -> None:
    async def story() -> list[dict[str, Any]]:
        jobs = Jobs(tmp_path, command, n_queued=3)
        jobs.add("k")
        jobs.add("k")
        return await until_ended(jobs)

    found = asyncio.run(story())
    assert [(job["state"], job["exit_code"]) for job in found] == [("failed", code)] * 2


def test_the_end_of_the_gateway_ends_a_run_that_is_being_started(tmp_path: Path) -> None:
    async def story() -> list[dict[str, Any]]:
        jobs = Jobs(tmp_path, python("import time; time.sleep(60)"), n_queued=3)
        jobs.add("k")
        await asyncio.sleep(0)  # the run is told to start, and has no process yet
        assert jobs.all()[0]["state"] == "running"
        async with asyncio.timeout(30):
            await jobs.close()
        return jobs.all()

    assert [job["state"] for job in asyncio.run(story())] == ["stopped"]


def test_the_end_of_the_gateway_ends_a_run_with_its_children(tmp_path: Path) -> None:
    child = "import time, pathlib; pathlib.Path('up').touch(); time.sleep(60)"
    parent = python(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])")

    async def story() -> list[dict[str, Any]]:
        jobs = Jobs(tmp_path, parent, n_queued=3)
        jobs.add("k")
        jobs.add("k")
        async with asyncio.timeout(60):
            while not (tmp_path / "up").exists():
                await asyncio.sleep(0.05)
            await jobs.close()
        with pytest.raises(Refusal):
            jobs.add("k")
        return jobs.all()

    found = asyncio.run(story())
    assert [job["state"] for job in found] == ["stopped", "stopped"]
    time.sleep(0.2)
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert "pathlib.Path('up')" not in shown

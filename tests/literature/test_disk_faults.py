"""Disks that are full, closed or lose bytes, and processes that are killed or doubled."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.standin import live
from tests.standin.faults import Fault
from tests.standin.live import Job
from tests.standin.server import Server
from titer.config import DomainSettings, PapersSettings
from titer.errors import DataError
from titer.literature.cache import Cache


@pytest.fixture
def job(papers_settings: PapersSettings, domain: DomainSettings, tmp_path: Path) -> Job:
    """A collection of 60 records and 50 entries, answered slowly enough to be killed."""
    settings = replace(papers_settings, timeout_s=5, pubmed=replace(papers_settings.pubmed))
    settings.pubmed.batch_size = 5
    return Job(settings, domain, tmp_path / "cache", tmp_path / "out")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 kB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no right to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def leftovers(folder: Path) -> list[Path]:
    """Files that are half written."""
    return [path for path in folder.rglob(".*") if path.is_file()]


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_is_one_line_and_the_same_command_continues(
    run: Any, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sync, calls = os.fsync, []

    def filling(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 4:
            full()
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", filling)
    with pytest.raises(DataError, match=r"the disk is full \(No space left on device\)") as caught:
        run()
    assert re.search(r"Free some space and run the same command again.*is kept", str(caught.value))
    assert "\n" not in str(caught.value)
    kept = sorted((tmp_path / "cache").rglob("*.*z"))
    assert kept
    assert not leftovers(tmp_path / "cache")
    monkeypatch.undo()
    before = {path: path.stat().st_mtime_ns for path in kept}
    assert len(run().papers) > 100
    assert {path: path.stat().st_mtime_ns for path in kept} == before, "kept, not fetched again"


def test_a_file_system_that_fills_up_holds_whole_files_only(job: Job, small_disk: Path) -> None:
    job.cache = small_disk / "cache"
    code, log = live.finish(job)
    assert code == 1
    assert log.splitlines()[-1].startswith("error: ")
    assert "the disk is full" in log.splitlines()[-1]
    assert not leftovers(small_disk)
    cache = Cache(job.cache, "2030-12-31", offline=True)
    for path in job.cache.rglob("*.gz"):
        assert cache.read(path.parent.name, path.name.split(".")[0]), path


def test_a_cache_that_cannot_be_written_is_one_line(
    run: Any, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"cannot be written \(Not a directory\)") as caught:
        run()
    assert "\n" not in str(caught.value)
    assert server.journal == [], "before anything was asked"


def test_an_output_that_cannot_be_written_is_one_line_and_costs_no_second_fetch(
    job: Job, server: Server
) -> None:
    job.out.write_text("a file where the folder should be")
    code, log = live.finish(job)
    assert code == 1
    assert "papers.jsonl.gz: cannot be written" in log.splitlines()[-1]
    job.out.unlink()
    n_requests = len(server.journal)
    assert live.finish(job)[0] == 0
    assert len(server.journal) == n_requests


def test_a_home_that_cannot_be_written_is_not_needed(job: Job) -> None:
    nowhere = {"HOME": "/proc/nowhere", "XDG_CONFIG_HOME": "/proc/nowhere"}
    code, log = live.finish(job, **nowhere)
    assert code == 0, log


def test_a_run_killed_at_any_moment_is_continued(job: Job, server: Server) -> None:
    assert live.finish(replace(job, cache=job.cache / "clean"))[0] == 0
    clean = live.written(job.out)
    minimum = len(server.journal)
    server.journal.clear()
    server.latency_s = 0.03
    for n_requests in (1, 4, 9, 14):
        process = live.start(job)
        while len(server.journal) < n_requests and process.poll() is None:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    shutil.rmtree(job.out)
    code, log = live.finish(job)
    assert code == 0, log
    assert live.written(job.out) == clean
    assert not leftovers(job.cache)
    assert len(server.journal) <= minimum + 4 * (job.settings.pubmed.workers + 1)


def test_half_a_file_of_a_killed_run_is_swept(cache: Cache) -> None:
    cache.write("pubmed", "ab", b"<xml/>")
    (cache.folder / "pubmed" / ".cd.xml.gz.x1y2").write_bytes(b"half")
    with cache.locked():
        assert [path.name for path in (cache.folder / "pubmed").iterdir()] == ["ab.xml.gz"]


def test_a_second_run_at_once_is_refused_in_one_line(job: Job, server: Server) -> None:
    server.faults["esearch"].append(Fault("stall", seconds=2))
    first = live.start(job)
    while not server.journal:
        assert first.poll() is None
        time.sleep(0.01)
    code, log = live.finish(replace(job, out=job.out.with_name("second")))
    assert code == 1
    assert re.search(r"error: .*: another run is fetching into it", log.splitlines()[-1])
    first.kill()
    first.communicate()
    assert live.finish(job)[0] == 0, "a killed run frees the folder"

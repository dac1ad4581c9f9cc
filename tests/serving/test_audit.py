"""One line per request, no text in any, and no answer where no line can be written."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import gateways
from tests.serving.gateways import ACTIVE, LUPUS, Opened, completion
from titer import files
from titer.errors import DataError
from titer.serving import audit
from titer.serving.audit import AuditLog, Entry
from titer.serving.catalogue import Catalogue
from titer.serving.engines.in_process import InProcess

CANARY = "CANARY-9c1f"
PATH = "/v1/chat/completions"
FIELDS = set(Entry.__dataclass_fields__)
FILLING = """
import resource, sys
from pathlib import Path
from titer.errors import DataError
from titer.serving.audit import AuditLog, Entry
log = AuditLog(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
written = 0
try:
    while True:
        log.write(Entry())
        written += 1
except DataError as error:
    print(written, error)
"""


def test_lines_are_requests_and_hold_no_text(
    gateway: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    caplog.set_level(logging.WARNING, "httpx")  # the client's own
    said = completion(LUPUS, f"{CANARY} lupus?", max_tokens=3)
    wrong_key, large = f"titer_{CANARY}", {"question": CANARY * 100_000}
    asked: list[tuple[str, str, str, dict[str, Any]]] = [
        (LUPUS, "POST", PATH, {"json": said}),
        (LUPUS, "POST", PATH, {"json": said | {"stream": True}}),
        (LUPUS, "POST", PATH, {"json": said | {"model": CANARY}}),
        (LUPUS, "POST", PATH, {"json": said | {CANARY: CANARY}}),
        (LUPUS, "POST", PATH, {"json": said | {"model": "chemistry"}}),
        (LUPUS, "POST", "/predict", {"json": {"question": CANARY}}),
        (LUPUS, "POST", "/predict", {"json": large}),
        (LUPUS, "POST", "/chat", {"json": {"researcher": CANARY, "chatting": CANARY}}),
        (LUPUS, "POST", "/chat", {"json": {"password": CANARY}}),
        (LUPUS, "POST", "/fine-tuning/query", {"data": {"query": CANARY}}),
        (LUPUS, "POST", "/fine-tuning/setup", {}),
        (LUPUS, "GET", f"/{CANARY}?{CANARY}", {}),
        ("admin", "GET", "/v1/models", {}),
        ("admin", "GET", "/fine-tuning/status", {"params": {CANARY: CANARY}}),
        ("wrong", "GET", "/v1/models", {}),
    ]

    async def send() -> list[int]:
        found = []
        for owner, method, path, more in asked * 3:
            async with gateway.client(gateway.keys.get(owner, wrong_key)) as client:
                found.append((await client.request(method, path, **more)).status_code)
        async with gateway.client() as client:
            await client.get("/health")
            await client.get("/metrics")
        return found

    statuses = asyncio.run(send())
    lines = gateway.lines()
    print(f"{len(lines)} lines for {len(statuses)} requests")
    assert [line["status"] for line in lines] == statuses
    assert {200, 400, 401, 403, 404, 413, 422} <= set(statuses)
    assert all(set(line) == FIELDS for line in lines)
    everything = b"".join(p.read_bytes() for p in gateway.root.rglob("*") if p.is_file())
    assert CANARY.encode() not in everything
    assert CANARY not in caplog.text
    first, streamed = lines[0], lines[1]
    assert first["prompt_sha256"] == files.sha256_text(files.dump_json(said["messages"]))
    for line in (first, streamed):
        assert (line["version"], line["domain"], line["outcome"]) == (ACTIVE[LUPUS], LUPUS, "ok")
        assert line["n_prompt_tokens"] > 0
        assert line["n_new_tokens"] == 3
        assert line["latency_ms"] > 0
    assert (gateway.root / audit.FILE).stat().st_mode & 0o777 == 0o600


def test_a_log_that_cannot_grow_lets_nothing_be_answered(
    gateway: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    path = gateway.root / audit.FILE

    async def asked(**more: Any) -> Any:
        async with gateway.client(gateway.keys[LUPUS]) as client:
            return await client.post(PATH, json=completion(LUPUS, **more))

    whole = asyncio.run(asked()).json()["choices"][0]["message"]["content"]
    kept = path.read_bytes()
    path.rename(path.with_suffix(".kept"))
    path.symlink_to("/dev/full")  # the kernel's own full disk
    reply = asyncio.run(asked())
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "no_audit")
    assert whole not in reply.text
    path.unlink()
    path.with_suffix(".kept").rename(path)
    assert path.read_bytes() == kept
    assert asyncio.run(asked()).status_code == 200
    assert len(gateway.lines()) == 2


def test_a_line_that_does_not_fit_leaves_nothing_of_itself(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", FILLING, str(path)], capture_output=True, text=True, timeout=60
    )
    written, _, reason = done.stdout.partition(" ")
    assert "the disk is full" in reason, done.stderr
    lines = path.read_text().splitlines()
    assert len(lines) == int(written) >= 1
    assert all(set(json.loads(line)) == FIELDS for line in lines)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs root to mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_keeps_room_for_the_answers_that_have_begun(
    small_disk: Path, served: Catalogue, engine: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    gateway = gateways.opened(small_disk, served, [engine])
    filler = small_disk / "filler"

    async def asked(stream: bool) -> Any:
        async with gateway.client(gateway.keys[LUPUS]) as client:
            return await client.post(PATH, json=completion(LUPUS, stream=stream))

    assert asyncio.run(asked(True)).status_code == 200
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(b"x" * 1024)
    # up to a page the log's last block still takes lines, then the reserve, then nothing
    found = []
    while len(found) < 500 and (not found or found[-1] == 200):
        found.append(asyncio.run(asked(len(found) % 2 == 0)).status_code)
    n_ok = found.count(200)
    assert found[-1] == 503
    assert n_ok > 0
    lines = gateway.lines()
    assert sum(line["status"] == 200 for line in lines) == n_ok + 1
    filler.unlink()
    assert asyncio.run(asked(False)).status_code == 200


def test_a_log_that_was_moved_away_is_begun_again(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write(Entry())
    (tmp_path / "audit.jsonl").rename(tmp_path / "old.jsonl")
    log.write(Entry(outcome="later"))
    assert json.loads((tmp_path / "audit.jsonl").read_text())["outcome"] == "later"


def test_a_folder_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "serving").write_text("a file")
    with pytest.raises(DataError, match="cannot be written"):
        AuditLog(tmp_path / "serving" / "audit.jsonl")

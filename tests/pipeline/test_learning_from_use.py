"""From use to the next version: asked and rated over HTTP, exported, trained, registered, compared.

pytest -m slow tests/pipeline/test_learning_from_use.py
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.pipeline.conftest import Clone, commit

NAME = "autoimmune-qlora"
FIRST, SECOND = f"{NAME}@v1.0.0", f"{NAME}@v1.1.0"
N_TALKS = 12
ROWS = "data/own/autoimmune/training/conversations.jsonl"
FORCED = ("--force", "--reason", "tiny models help nobody")


@pytest.fixture
def used(tiny: Clone, tmp_path: Path) -> Clone:
    """A copy of the tiny run whose adapter is v1.0.0 and serves."""
    copy = Clone(Path(shutil.copytree(tiny.path, tmp_path / "used", symlinks=True)))
    copy.run("git", "config", "user.name", "test")
    copy.run("git", "config", "user.email", "test@localhost")
    copy.run("titer", "model", "register", NAME, "--description", "before anybody asked")
    verdict = copy.run("titer", "model", "show", FIRST).stdout
    fit = "verdict           helped" in verdict or "verdict           equivalent" in verdict
    copy.run("titer", "model", "activate", FIRST, *(() if fit else FORCED))
    return copy


@contextmanager
def served(clone: Clone) -> Iterator[str]:
    """The address of a `titer serve`, ended with SIGTERM."""
    bin_folder = Path(sys.executable).parent
    env = {
        **os.environ,
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(clone.path),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "titer.cli.main", "serve", "--port", "0"],
        cwd=clone.path, env=env, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("listening on "):
                yield line.removeprefix("listening on ").strip()
                break
        else:
            raise AssertionError("".join(lines))
    finally:
        process.terminate()
        process.communicate(timeout=60)
        assert process.returncode in (0, -15)


def ask_and_rate(url: str, key: str) -> None:
    """What people do: questions with consent, most answers rated well, one badly, one not kept."""
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        for number in range(N_TALKS + 1):
            question = f"Which antibody is found in the disease with the number {number}?"
            body: dict[str, Any] = {
                "model": "autoimmune",
                "messages": [{"role": "user", "content": question}],
                "user": f"user-{number}",
                "consent": number < N_TALKS,
            }
            found = answered(client, body)
            assert found["model"] == FIRST
            if number < N_TALKS:
                rating = {
                    "conversation_id": found["conversation_id"],
                    "turn": found["turn"],
                    "satisfaction": 0.1 if number == 0 else 0.9,
                }
                assert client.post("/feedback", json=rating).status_code == 200


def answered(client: httpx.Client, body: dict[str, Any]) -> Any:
    """An answer with words in it; so small a model often says nothing, which is not kept."""
    for seed in range(50):
        reply = client.post("/v1/chat/completions", json={**body, "temperature": 1.5, "seed": seed})
        assert reply.status_code == 200, reply.text
        found = reply.json()
        if found["choices"][0]["message"]["content"].strip():
            return found
    raise AssertionError("no answer with words in it")


@pytest.mark.slow
def test_what_people_liked_teaches_the_next_version(used: Clone) -> None:
    made = used.run("titer", "keys", "add", "anna", "--domain", "autoimmune").stdout
    key = next(word for word in made.split() if word.startswith("titer_"))
    with served(used) as url:
        ask_and_rate(url, key)
    shown = used.run("titer", "model", "show", FIRST).stdout
    assert f"conversations     {N_TALKS}" in shown
    mean = (0.1 + 0.9 * (N_TALKS - 1)) / N_TALKS
    assert f"satisfaction      {mean:.2f} ({N_TALKS} ratings)" in shown

    used.run("titer", "conversations", "export", "--min-length", "1")
    rows = [json.loads(line) for line in (used.path / ROWS).read_text().splitlines()]
    assert len(rows) == N_TALKS - 1
    commit(used)

    ran = used.repro()
    assert {"fetch_papers", "train_qlora", "benchmark_qlora", "score"} <= set(ran)
    assert "benchmark_base" not in ran
    commit(used)

    said = used.run("titer", "model", "register", NAME, "--description", "with what people liked")
    assert f"{SECOND}: new data" in said.stdout
    compared = used.run("titer", "model", "compare", FIRST, SECOND).stdout
    assert "On the plan's endpoint (closed_acc):" in compared
    used.run("titer", "model", "activate", SECOND, *FORCED)
    assert "ACTIVE" in next(
        line for line in used.run("titer", "model", "list").stdout.splitlines() if SECOND in line
    )

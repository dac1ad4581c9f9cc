"""`titer keys` and `titer serve` as a person uses them: start, ask, stop."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.conftest import COMMAND, Project
from tests.serving import gateways, projects
from tests.serving.engines import asking
from titer import files
from titer.serving import audit

PATH = "/v1/chat/completions"


@pytest.fixture
def ran(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with models and results, in Git, with nothing registered."""
    home = tmp_path_factory.mktemp("models")
    projects.write(project.root, asking.build(home))
    for command in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "-m", "Begin"]):
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run(["git", *identity, *command], cwd=project.root, check=True)
    return project


@contextmanager
def serving(project: Project, *options: str) -> Iterator[tuple[str, Any]]:
    """The gateway as a process, and where it listens."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "serve", "--port", "0", *options], cwd=project.root,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    timer = threading.Timer(240, process.kill)
    timer.start()
    assert process.stdout is not None
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            found = re.search(r"listening on (http://127\.0\.0\.1:\d+)", line)
            if found:
                yield found[1], process
                return
        raise AssertionError("".join(said))
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


def added(project: Project, *arguments: str) -> str:
    done = project.titer("keys", "add", *arguments)
    assert done.code == 0, done.err
    return done.out.splitlines()[0]


def test_a_stranger_starts_asks_revokes_and_stops(ran: Project) -> None:
    key = added(ran, "anna", "--domain", "autoimmune")
    with serving(ran, "--workspace") as (url, process):
        ask = {"headers": {"Authorization": f"Bearer {key}"}, "timeout": 60}
        health = httpx.get(f"{url}/health").json()
        names = [one["id"] for one in httpx.get(f"{url}/v1/models", **ask).json()["data"]]
        body = gateways.completion("autoimmune", max_tokens=200)
        whole = httpx.post(f"{url}{PATH}", json=body, **ask).json()
        pieces, parts = [], 0
        # the signal comes while the answer is being made; it is finished all the same
        with httpx.stream("POST", f"{url}{PATH}", json=body | {"stream": True}, **ask) as reply:
            for text in reply.iter_text():
                if not parts:
                    process.send_signal(signal.SIGTERM)
                parts += 1
                pieces.append(text)
        assert process.wait(60) == 0
    assert health == {"status": "ok"}
    assert names == [
        "base", "autoimmune", "autoimmune-full@workspace", "autoimmune-qlora@workspace",
    ]  # fmt: skip
    assert whole["served_by"]["base_revision"] == projects.REVISION
    *chunks, done = gateways.events("".join(pieces))
    assert done == "[DONE]"
    assert parts > 1
    found = "".join(one["choices"][0]["delta"].get("content", "") for one in chunks)
    assert found == whole["choices"][0]["message"]["content"]
    lines = list(files.read_jsonl(ran.root / audit.FILE))
    assert [line["outcome"] for line in lines] == ["ok"] * 3


def test_a_key_is_shown_once_listed_and_revoked(project: Project) -> None:
    key = added(project, "anna b.", "--domain", "autoimmune", "--days", "30")
    added(project, "root", "--admin", "--all-domains")
    listed = project.titer("keys", "list").out
    assert "anna b." in listed and "all domains, may start runs" in listed
    assert key not in listed
    identity = listed.split()[0]
    assert key.startswith(f"titer_{identity}_")
    assert project.titer("keys", "revoke", identity).code == 0
    assert f"{identity}  revoked" in project.titer("keys", "list").out
    again = project.titer("keys", "revoke", identity)
    assert (again.code, again.err.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["keys", "add", "anna"], "opens nothing"),
        (["keys", "add", "anna", "--domain", "autoimune"], "did you mean autoimmune"),
        (["keys", "add", "anna", "--domain", "autoimmune", "--days", "0"], "expected 1 to 3650"),
        (["serve", "--limit", "n_waitin=3"], "did you mean n_waiting"),
        (["serve", "--port", "70000"], "expected 0 to 65535"),
    ],
)
def test_a_wrong_option_is_one_line(project: Project, arguments: list[str], words: str) -> None:
    done = project.titer(*arguments)
    assert done.code == 2
    assert words in done.err
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1


def test_nothing_to_serve_and_a_damaged_adapter_are_one_line(ran: Project) -> None:
    adapter = ran.root / "models" / "qlora" / "adapter_model.safetensors"
    adapter.write_bytes(b"\x80\x04]\x94.")  # a pickle of an empty list
    done = ran.titer("serve", "--workspace")
    assert done.code == 4
    assert done.err == f"error: {adapter}: not readable as safetensors: {_reason(done.err)}\n"
    Path(ran.root / "results" / "base" / "run.json").unlink()
    done = ran.titer("serve")
    assert done.code == 1
    assert "what was not evaluated is not served. Run: dvc repro" in done.err


def test_a_gguf_of_no_model_is_one_line(ran: Project) -> None:
    done = ran.titer("serve", "--workspace", "--engine", "llama_cpp", "--gguf", "bas=x.gguf")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "did you mean base" in done.err
    done = ran.titer("serve", "--workspace", "--engine", "llama_cpp", "--gguf", "base=x.gguf")
    assert "x.gguf: no such file" in done.err


def _reason(text: str) -> str:
    return text.rpartition("safetensors: ")[2].rstrip("\n")

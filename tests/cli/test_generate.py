"""`titer papers generate`: ask a model about the papers in use, on one's own machine."""

import json
import subprocess
import sys
import time

from tests.cli.conftest import COMMAND, Project
from tests.examples.papers import make_paper
from tests.standin.llm import Reply, serve
from titer import files

KEY = "sk-very-secret-0123456789"
OUT = "data/own/autoimmune/generated/my_model.jsonl"
ROWS = [
    {
        "question": "Is salt water of use to keepers?",
        "answer": "Salt water is of no use to keepers.",
        "quote": "Salt water 1 is of no use to keepers.",
    },
    {"question": "Is it?", "answer": "Yes.", "quote": "none"},
]


def with_papers(project: Project) -> None:
    rows = [make_paper(n).to_json() for n in (1, 2, 3)]
    files.write_jsonl(project.root / "data" / "papers" / "papers.jsonl.gz", rows)


def test_an_endpoint_is_asked_and_a_second_run_goes_on(project: Project) -> None:
    with_papers(project)
    with serve([Reply(json.dumps(ROWS))]) as service:
        command = ("papers", "generate", "--endpoint", service.url, "--model", "my/model")
        first = project.titer(*command, "--limit", "2", TITER_LLM_API_KEY=KEY)
        second = project.titer(*command, TITER_LLM_API_KEY=KEY)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert first.out.splitlines() == [
        f"{OUT}: 2 papers asked, 0 known before, 4 rows, 0 replies without one",
        "the grounding gate takes 1 rows of these papers",
        "  rejects 2: quote is short",
        "  rejects 1: quote not in the paper",
        "next: dvc repro",
    ]
    assert "1 papers asked, 2 known before" in second.out
    assert len(service.requests) == 3 and set(service.keys) == {f"Bearer {KEY}"}
    written = (project.root / OUT).read_text()
    assert KEY not in written + first.out + first.err + second.out + second.err


def test_a_killed_run_loses_no_row_and_asks_nothing_twice(project: Project) -> None:
    rows = [make_paper(n).to_json() for n in range(1, 13)]
    files.write_jsonl(project.root / "data" / "papers" / "papers.jsonl.gz", rows)
    with serve([Reply(json.dumps(ROWS), delay_s=0.2)]) as service:
        command = (
            "papers", "generate", "--endpoint", service.url, "--model", "my/model",
            "--batch-size", "2",
        )  # fmt: skip
        killed = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *command], cwd=project.root, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while not (project.root / OUT).exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        killed.kill()
        killed.wait()
        done = project.titer(*command)
    assert done.code == 0, done.err
    written = [row["paper_id"] for row in files.read_jsonl(project.root / OUT)]
    assert written == [row["paper_id"] for row in rows for _ in ROWS]
    assert len(service.requests) <= 12 + 2


def test_a_failing_endpoint_is_one_line_and_keeps_what_was_written(project: Project) -> None:
    with_papers(project)
    with serve([Reply(json.dumps(ROWS)), Reply(status=401, body=KEY.encode())]) as service:
        done = project.titer(
            "papers", "generate", "--endpoint", service.url, "--model", "my/model",
            "--batch-size", "1", TITER_LLM_API_KEY=KEY,
        )  # fmt: skip
    assert done.code == 3
    line = done.err.strip().splitlines()[-1]
    assert line == f"error: {service.url}: HTTP 401: ***. Set TITER_LLM_API_KEY"
    assert len(list(files.read_jsonl(project.root / OUT))) == 2


def test_what_does_not_go_together_is_one_line(project: Project) -> None:
    address = "http://127.0.0.1:9/v1"
    none = project.titer("papers", "generate", "--endpoint", address, "--model", "m")
    assert (none.code, none.err) == (
        1, "error: data/papers/papers.jsonl.gz: no papers yet. Run: dvc repro fetch_papers\n",
    )  # fmt: skip
    with_papers(project)
    nameless = project.titer("papers", "generate", "--endpoint", address)
    assert nameless.code == 2 and "--endpoint needs --model" in nameless.err
    both = project.titer("papers", "generate", "--endpoint", address, "--base")
    assert both.code == 2 and "not allowed with" in both.err
    negative = project.titer("papers", "generate", "--base", "--limit", "0")
    assert negative.code == 2 and "at least 1" in negative.err


def test_the_base_model_needs_its_folder(project: Project) -> None:
    with_papers(project)
    done = project.titer("papers", "generate", "--base")
    assert done.code == 4 and "models/base: no such model folder" in done.err

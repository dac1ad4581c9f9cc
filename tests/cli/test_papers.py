"""`titer papers`: from a training row to its raw bytes, and a paper taken out for good."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import ROOT, Project
from titer.files import read_jsonl


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which fetch_papers ran on the sample papers, as DVC runs it."""
    root = tmp_path_factory.mktemp("papers") / "project"
    for name in ("titer", "stages", "conf", "data/benchmark", "data/samples", "data/own"):
        shutil.copytree(ROOT / name, root / name)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root)
    subprocess.run(
        [sys.executable, "-m", "stages.fetch_papers"], cwd=root, check=True, capture_output=True,
        env={**os.environ, "DVC_STAGE": "fetch_papers", "DVC_ROOT": str(root)},
    )  # fmt: skip
    return root


@pytest.fixture
def project(collected: Path, tmp_path: Path) -> Project:
    """The copy, to be spoilt."""
    return Project(shutil.copytree(collected, tmp_path / "project"))


def first_example(project: Project) -> dict[str, Any]:
    return next(iter(read_jsonl(project.root / "data/papers/examples/train.jsonl")))


def test_why_leads_from_a_row_to_its_raw_bytes(project: Project) -> None:
    example = first_example(project)
    done = project.titer("papers", "why", example["id"])
    assert (done.code, done.err) == (0, "")
    assert f"example  {example['id']} ({example['recipe']} v" in done.out
    assert "the spans give the answer" in done.out
    assert f"paper    {example['paper_id']}" in done.out
    assert "SYNTHETIC: written for this project, no such paper exists" in done.out
    assert "raw      data/samples/autoimmune/" in done.out
    assert "as kept" in done.out


def test_why_answers_for_a_paper(project: Project) -> None:
    paper_id = first_example(project)["paper_id"]
    done = project.titer("papers", "why", paper_id)
    rows = read_jsonl(project.root / "data/papers/examples/train.jsonl")
    n = sum(row["paper_id"] == paper_id for row in rows)
    assert done.out.count("example  ") >= n >= 1
    assert f"fate     used: {done.out.count('example  ')} examples" in done.out


def test_why_says_why_a_paper_is_not_used(project: Project) -> None:
    row = next(iter(read_jsonl(project.root / "data/papers/rejected.jsonl")))
    done = project.titer("papers", "why", row["paper_id"])
    assert done.out == f"fate     rejected: {row['reason']} ({row['detail']})\n"


def test_an_unknown_name_is_one_line(project: Project) -> None:
    done = project.titer("papers", "why", "pmid:1")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: 'pmid:1': neither an example nor a paper")
    assert done.err.count("\n") == 1


def test_purge_excludes_the_paper_and_says_what_reruns(project: Project) -> None:
    paper_id = first_example(project)["paper_id"]
    done = project.titer("papers", "purge", paper_id)
    assert (done.code, done.err) == (0, "")
    listed = (project.root / "data/own/autoimmune/excluded.txt").read_text().splitlines()
    assert paper_id in listed
    assert f"data/own/autoimmune/excluded.txt: {paper_id} added" in done.out
    for word in ("fetch_papers", "dvc repro", "dvc gc -w", "models/qlora: not trained here"):
        assert word in done.out


def test_a_purged_paper_teaches_nothing_after_the_next_run(project: Project) -> None:
    paper_id = first_example(project)["paper_id"]
    project.titer("papers", "purge", paper_id)
    shutil.rmtree(project.root / "data/papers")
    subprocess.run(
        [sys.executable, "-m", "stages.fetch_papers"], cwd=project.root, check=True,
        capture_output=True,
        env={**os.environ, "DVC_STAGE": "fetch_papers", "DVC_ROOT": str(project.root)},
    )  # fmt: skip
    for path in (project.root / "data/papers").rglob("*.jsonl"):
        named = path.name in ("rejected.jsonl",)
        assert (paper_id in path.read_text()) == named, path
    done = project.titer("papers", "why", paper_id)
    assert "rejected: excluded" in done.out


def test_purge_twice_changes_nothing_more(project: Project) -> None:
    project.titer("papers", "purge", "pmid:1")
    before = (project.root / "data/own/autoimmune/excluded.txt").read_bytes()
    done = project.titer("papers", "purge", "1")
    assert done.out.startswith("data/own/autoimmune/excluded.txt: already there")
    assert (project.root / "data/own/autoimmune/excluded.txt").read_bytes() == before


def test_what_is_no_id_is_refused(project: Project) -> None:
    done = project.titer("papers", "purge", "a title")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: 'a title': not the id of a paper")


def test_a_fine_tune_on_these_very_examples_is_named(project: Project) -> None:
    import hashlib

    rows = (project.root / "data/papers/examples/train.jsonl").read_bytes()
    run = {"status": "ok", "examples_sha256": hashlib.sha256(rows).hexdigest()}
    project.write("results/train_qlora/run.json", json.dumps(run))
    project.write("results/train_full/run.json", json.dumps(run | {"examples_sha256": "0"}))
    out = project.titer("papers", "purge", first_example(project)["paper_id"]).out
    assert "trained  models/qlora: on these very examples" in out
    assert "trained  models/full: on other examples; check out its commit and ask again" in out


def test_recheck_of_sample_papers_asks_nobody(project: Project) -> None:
    done = project.titer("papers", "recheck")
    assert (done.code, done.err) == (0, "")
    assert "synthetic papers: not asked" in done.out
    assert "nobody was asked, so nothing is known" in done.out

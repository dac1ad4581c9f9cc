"""`titer export colab`: the notebook's cells run for real, on a tiny configuration."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import Clone, clone_of_the_working_tree, commit, make_tiny

RUN = """
import sys, nbformat
from nbclient import NotebookClient
made = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(made, timeout=1500, kernel_name="python3").execute()
nbformat.write(made, sys.argv[2])
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = clone_of_the_working_tree(tmp_path_factory.mktemp("notebook") / "project")
    make_tiny(clone)
    commit(clone)
    return clone


def said(cell: Any) -> str:
    """What stands below a cell; the file holds texts as lists of lines."""
    return "".join(
        "".join(output.get("text") or output.get("data", {}).get("text/markdown", []))
        for output in cell["outputs"]
    )


@pytest.mark.slow
def test_the_notebook_trains_shows_the_verdict_and_packs_the_adapter(
    project: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = project.run(
        "titer", "export", "colab", "--repository", str(project.path), "-S", "qlora.lora_r=4",
        "--out", str(tmp_path / "run.ipynb"),
    )  # fmt: skip
    head = project.run("git", "rev-parse", "HEAD").stdout.strip()
    assert f"{head} from {project.path}" in done.stdout
    assert "push it before you run the notebook" in done.stdout
    monkeypatch.setenv("TITER_COLAB_SKIP_INSTALL", "1")
    monkeypatch.setenv("TITER_COLAB_FOLDER", str(tmp_path / "again"))
    monkeypatch.chdir(tmp_path)
    project.run("python", "-c", RUN, str(tmp_path / "run.ipynb"), str(tmp_path / "done.ipynb"))
    made = json.loads((tmp_path / "done.ipynb").read_text())
    gpu, clone, install, _, train, verdict, download = [
        said(cell) for cell in made["cells"] if cell["cell_type"] == "code"
    ][1:]
    assert gpu and head in clone and "TITER_COLAB_SKIP_INSTALL=1" in install
    assert "Running stage 'train_qlora'" in train
    assert "## Verdict" in verdict and "- QLoRA: " in verdict
    adapter = json.loads((tmp_path / "again/models/qlora/adapter_config.json").read_text())
    assert adapter["r"] == 4
    with zipfile.ZipFile(download.strip()) as archive:
        names = archive.namelist()
    assert {"models/qlora/adapter_model.safetensors", "metrics.json", "reports/report.md"} <= set(
        names
    )


def test_uncommitted_settings_are_refused_in_one_line(project: Clone) -> None:
    project.edit("params.yaml", lambda text: text + "\n")
    done = project.run("titer", "export", "colab", "--repository", "x", check=False)
    project.run("git", "checkout", "--", "params.yaml")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: 1 uncommitted changes (params.yaml): the notebook runs")
    assert done.stderr.count("\n") == 1

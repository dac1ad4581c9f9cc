"""`titer export llama-factory|axolotl`: the rows and runs of the chosen settings."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import tqdm.auto
import yaml

from tests.training.test_sft import example
from titer import files


@pytest.fixture
def collected(project: Any, tiny_model: Path) -> Any:
    """The project with examples and a base."""
    papers = project.root / "data" / "papers"
    for name, n in (("train", 40), ("validation", 4)):
        rows = (asdict(example(i)) for i in range(n))
        files.write_jsonl(papers / "examples" / f"{name}.jsonl", rows)
    files.write_jsonl(papers / "heldout.jsonl", [{"text": "Gold is soft."}])
    (project.root / "models").mkdir()
    (project.root / "models" / "base").symlink_to(tiny_model)
    return project


@pytest.mark.parametrize("verb", ["llama-factory", "axolotl"])
def test_rows_and_runs_are_written(collected: Any, verb: str) -> None:
    done = collected.titer("export", verb)
    assert (done.code, done.err) == (0, "")
    folder = collected.root / "exports" / verb.replace("-", "_")
    assert done.out.splitlines()[-1].startswith("40 rows to train, 4 to validate; 0 longer than")
    assert len(list(files.read_jsonl(folder / "train.jsonl"))) == 40
    run = yaml.safe_load((folder / "qlora.yaml").read_text())
    # 10 epochs of 3 steps of 16 rows
    assert run["max_steps"] == 30


def test_rows_are_measured_under_a_bar(collected: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bars: dict[str, Any] = {}

    class Noted(tqdm.auto.tqdm):  # type: ignore[type-arg]
        def __init__(self, *given: Any, **named: Any) -> None:
            bars[named.get("desc", "")] = named.get("delay")
            super().__init__(*given, **named)

    monkeypatch.setattr(tqdm.auto, "tqdm", Noted)
    assert collected.titer("export", "llama-factory").code == 0
    assert bars["measuring rows"] == 5


@pytest.mark.parametrize("verb", ["llama-factory", "axolotl"])
def test_without_examples_there_is_one_line(project: Any, tiny_model: Path, verb: str) -> None:
    done = project.titer("export", verb, "--base", str(tiny_model))
    assert (done.code, done.out) == (1, "")
    assert done.err == "error: data/papers: no examples yet. Run: dvc repro fetch_papers\n"
    assert not (project.root / "exports").exists()


def test_without_a_model_the_line_names_the_options_of_the_verb(project: Any) -> None:
    done = project.titer("export", "axolotl")
    assert (done.code, done.out) == (4, "")
    assert done.err == (
        f"error: {project.root / 'models/base'}: no model, so no chat template. Run: dvc repro "
        "download_model, or give --base\n"
    )


def test_a_model_without_a_chat_template_is_refused_by_axolotl(collected: Any) -> None:
    base = collected.root / "models" / "base"
    plain = shutil.copytree(base.resolve(), collected.root / "plain")
    (plain / "chat_template.jinja").unlink()
    done = collected.titer("export", "axolotl", "--base", str(plain))
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith(f"error: {plain}: no chat template, and Axolotl has none")
    assert not (collected.root / "exports").exists()

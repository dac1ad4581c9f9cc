"""`titer export merged|gguf`: a small fine-tune exported, compared and labelled."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests import small_models, trees
from tests.export import fine_tunes
from titer import files
from titer.cli.export_models import GGUF_TYPES
from titer.export.gguf_model import TYPES
from titer.modeling.weights import weights_sha256


@pytest.fixture(scope="module")
def models(tmp_path_factory: Any) -> Path:
    home = tmp_path_factory.mktemp("models")
    fine_tunes.adapter(fine_tunes.base("Qwen3", home / "base"), home / "qlora")
    return home


@pytest.fixture
def trained(project: Any, models: Path) -> Any:
    """The project with a QLoRA that its benchmark measured."""
    shutil.copytree(models, project.root / "models")
    record = {
        "weights_sha256": weights_sha256(models / "base"),
        "adapter_sha256": weights_sha256(models / "qlora"),
    }
    run = {"status": "ok", "models": [record | {"precision": "nf4"}]}
    files.write_json(project.root / "results" / "qlora" / "run.json", run)
    return project


@pytest.mark.slow
def test_an_adapter_in_gguf_is_labelled_and_the_same_each_time(trained: Any) -> None:
    done = trained.titer("export", "gguf", "qlora", "--adapter")
    place, figures, label = done.out.splitlines()
    assert (done.code, place, label) == (0, "exports/qlora/gguf-adapter-f16", "evaluated")
    assert figures.startswith("same likeliest token at ")
    folder = trained.root / place
    record = files.read_json(folder / "export.json")
    assert record["evaluated"] is True
    assert record["parity"]["n_prompts"] == 32
    names = ("adapter.gguf", "base.gguf")
    assert record["files"] == {name: files.sha256_file(folder / name) for name in names}
    shutil.copytree(folder, trained.root / "first")
    assert trained.titer("export", "gguf", "qlora", "--adapter").code == 0
    assert trees.differences(trained.root / "first", folder) == []


def test_the_merged_model_of_changed_weights_is_not_called_evaluated(trained: Any) -> None:
    path = trained.root / "results" / "qlora" / "run.json"
    run = files.read_json(path)
    run["models"][0]["adapter_sha256"] = "0" * 64
    files.write_json(path, run)
    done = trained.titer("export", "merged", "qlora")
    place, _, label = done.out.splitlines()
    assert (done.code, place) == (0, "exports/qlora/merged")
    assert label == "not evaluated: the weights are not those that the benchmark measured"
    record = files.read_json(trained.root / place / "export.json")
    assert (record["evaluated"], record["reason"]) == (False, label.removeprefix("not evaluated: "))
    assert record["parity"]["same_answers"] == 32


def test_without_a_question_there_is_one_line_before_the_model_is_loaded(trained: Any) -> None:
    """As `titer domain new` leaves it."""
    trained.write("data/benchmark/autoimmune/open.jsonl", "")
    (trained.root / "models/base/tokenizer.json").write_text("no tokenizer")
    done = trained.titer("export", "merged", "qlora")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "error: data/benchmark/autoimmune/open.jsonl: no question to compare the export's answers "
        "by. Write at least one, or name your own file: eval.questions\n"
    )
    assert not (trained.root / "exports").exists()


def test_an_export_is_asked_the_users_own_questions(trained: Any) -> None:
    domains = trained.root / "data/benchmark/autoimmune/open.jsonl"
    own = "data/own/autoimmune/questions/own.jsonl"
    trained.write(own, domains.read_text().splitlines()[0])
    domains.write_text("")
    trained.set("params.yaml", **{"  questions": own})
    done = trained.titer("export", "merged", "qlora")
    assert done.code == 0
    record = files.read_json(trained.root / "exports/qlora/merged/export.json")
    assert record["parity"]["n_prompts"] == 1


@pytest.mark.slow
def test_another_base_answers_differently_and_stands_apart(trained: Any) -> None:
    done = trained.titer("export", "gguf", "qlora", "--onto", "downloaded", "--type", "q8_0")
    place, _, label = done.out.splitlines()
    assert (done.code, place) == (0, "exports/qlora/gguf-q8_0-downloaded")
    assert label.startswith("not evaluated: the same likeliest token at ")


def test_without_a_fine_tune_there_is_one_line(project: Any) -> None:
    done = project.titer("export", "gguf", "full")
    assert (done.code, done.out) == (1, "")
    folder = project.root / "models" / "full"
    assert done.err == f"error: {folder}: no such model. Run: dvc repro train_full\n"


def test_a_fine_tune_that_did_not_run_says_why(project: Any) -> None:
    project.write("models/full/not_run.json", '{"reason": "full.enabled is false"}')
    done = project.titer("export", "merged", "full")
    assert done.code == 1
    assert done.err.endswith("models/full: not trained: full.enabled is false\n")


def test_another_architecture_is_refused_before_anything_is_asked(project: Any) -> None:
    small_models.build("GPT2", project.root / "models" / "full")
    done = project.titer("export", "gguf", "full")
    assert (done.code, done.out) == (4, "")
    assert done.err.endswith(
        "models/full: GGUF is written for LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, "
        "Qwen3ForCausalLM, not for GPT2LMHeadModel. Convert it with a checkout of llama.cpp: "
        "python convert_hf_to_gguf.py FOLDER --outfile MODEL\n"
    )
    assert not (project.root / "exports").exists()


def test_a_full_fine_tune_has_no_adapter(project: Any, models: Path) -> None:
    shutil.copytree(models / "base", project.root / "models" / "full")
    done = project.titer("export", "gguf", "full", "--adapter")
    assert (done.code, done.out) == (1, "")
    assert done.err.endswith("models/full: a full fine-tune has no adapter. Leave --adapter out\n")


def test_the_command_names_the_number_formats_of_the_writer() -> None:
    assert tuple(TYPES) == GGUF_TYPES

"""`titer export lm-eval`: the default folder, a missing model, a comparison with the results."""

import json
from typing import Any

from titer import files


def test_the_tasks_of_the_chosen_domain_are_written(project: Any) -> None:
    done = project.titer("export", "lm-eval", "--plain")
    assert (done.code, done.err) == (0, "")
    names = [line.removeprefix("exports/lm_eval/") for line in done.out.splitlines()]
    assert names == [
        *(f"titer_{task}.{kind}" for task in ("autoimmune", "general", "texts")
          for kind in ("jsonl", "yaml")),
        "README.md",
    ]  # fmt: skip
    assert all((project.root / "exports" / "lm_eval" / name).is_file() for name in names)


def test_another_folder_can_be_named(project: Any) -> None:
    done = project.titer("export", "lm-eval", "--plain", "--out", "elsewhere")
    assert done.code == 0
    assert (project.root / "elsewhere" / "titer_general.jsonl").is_file()
    assert not (project.root / "exports").exists()


def test_without_a_model_there_is_one_line(project: Any) -> None:
    done = project.titer("export", "lm-eval")
    assert (done.code, done.out) == (4, "")
    assert done.err == (
        f"error: {project.root / 'models/base'}: no model, so no chat template. Run: dvc repro "
        "download_model, or give --tokenizer or --plain\n"
    )
    assert not (project.root / "exports").exists()


def test_samples_of_the_harness_are_compared_with_the_results(project: Any) -> None:
    rows = [
        {"id": "G001", "ll": [-1.0, -2.0], "precision": "float32"},
        {"id": "G001", "ll": [-9.0, -2.0], "precision": "nf4"},
        {"id": "G001", "ll": [-8.0, -2.0], "precision": "float32", "few_shot": 3},
    ]
    files.write_jsonl(project.root / "results" / "base" / "closed.jsonl", rows)
    sample = {"doc": {"id": "G001"}, "filtered_resps": [["-1.5", "True"], ["-2.0", "False"]]}
    project.write("out/samples_titer_general.jsonl", json.dumps(sample) + "\n")
    done = project.titer("export", "lm-eval", "--compare", "out/samples_titer_general.jsonl")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "samples_titer_general.jsonl: items 1, likelihoods 2, largest difference 5.00e-01, items "
        "with another likeliest choice 0\n"
    )

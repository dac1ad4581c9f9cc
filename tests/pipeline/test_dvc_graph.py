"""dvc.yaml and the stage modules tell the same story."""

import importlib
from typing import Any

import pytest
import yaml

from tests.imports import ROOT, WHOLE_FOLDERS, closure, code_dependencies
from titer.plan import QUESTION_FILES

DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text())
STAGES: dict[str, Any] = DVC["stages"]
GROUPS = ("model", "domain", "papers", "hardware")
DATA_IN_CODE = (
    "titer/examples/templates/data_card.md.j2",
    "titer/report/templates/report.html.j2",
    "titer/evaluation/metric_base.py",
    *(
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "titer/evaluation/metric_modules").glob("*/*.py")
    ),
)
"""What a stage loads by its path and never imports."""


def declared(name: str) -> Any:
    return getattr(importlib.import_module(f"stages.{name}"), name).declared


def paths(entries: list[Any]) -> dict[str, dict[str, Any]]:
    """Path -> options of a list of outs."""
    return {
        (entry if isinstance(entry, str) else next(iter(entry))): (
            {} if isinstance(entry, str) else next(iter(entry.values())) or {}
        )
        for entry in entries
    }


def tracked(stage: dict[str, Any]) -> set[str]:
    keys: set[str] = set()
    for entry in stage.get("params", []):
        if isinstance(entry, str):
            keys.add(entry)
            continue
        ((file, names),) = entry.items()
        group = file.split("/")[1]
        assert file == f"conf/{group}/${{{group}}}.yaml"
        assert group in GROUPS
        keys |= {f"{group}.{key}" for key in names} if names else {group}
    return keys


@pytest.mark.parametrize("name", STAGES)
def test_the_command_runs_the_module(name: str) -> None:
    assert STAGES[name]["cmd"] == f"python -m stages.{name}"


@pytest.mark.parametrize("name", STAGES)
def test_the_keys_are_those_that_the_stage_declares(name: str) -> None:
    assert tracked(STAGES[name]) == set(declared(name).uses)


@pytest.mark.parametrize("name", STAGES)
def test_untracked_keys_are_tracked_nowhere_in_the_stage(name: str) -> None:
    assert not set(declared(name).untracked) & tracked(STAGES[name])


@pytest.mark.parametrize("name", STAGES)
def test_the_inputs_are_those_that_the_stage_declares(name: str) -> None:
    data = {dep for dep in STAGES[name]["deps"] if not dep.startswith(("stages/", "titer/"))}
    assert data == set(declared(name).reads.values())


@pytest.mark.parametrize("name", STAGES)
def test_untracked_inputs_are_no_dependency_of_the_stage(name: str) -> None:
    assert not set(declared(name).untracked_reads.values()) & set(STAGES[name]["deps"])


@pytest.mark.parametrize("name", ["train_qlora", "train_full"])
def test_training_records_the_questions_and_depends_on_none(name: str) -> None:
    assert declared(name).untracked_reads == QUESTION_FILES


@pytest.mark.parametrize("name", STAGES)
def test_the_code_is_what_the_stage_imports(name: str) -> None:
    code = {dep for dep in STAGES[name]["deps"] if dep.startswith(("stages/", "titer/"))}
    assert code == code_dependencies(name)


@pytest.mark.parametrize("file", DATA_IN_CODE)
def test_what_is_loaded_by_its_path_is_in_a_folder_that_a_stage_depends_on(file: str) -> None:
    assert any(file.startswith(f"{f}/") for fs in WHOLE_FOLDERS.values() for f in fs), file


@pytest.mark.parametrize("name", WHOLE_FOLDERS)
def test_a_whole_folder_is_mostly_imported(name: str) -> None:
    used = closure(f"stages/{name}.py") | set(DATA_IN_CODE)
    for folder in WHOLE_FOLDERS[name]:
        there = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py")}
        assert len(there & used) > len(there) / 2, folder


@pytest.mark.parametrize("name", STAGES)
def test_the_outs_are_those_that_the_stage_declares(name: str) -> None:
    outs = {
        path for part in ("outs", "metrics", "plots") for path in paths(STAGES[name].get(part, []))
    }
    assert outs == set(declared(name).writes.values())


@pytest.mark.parametrize("name", [name for name in STAGES if name != "score"])
def test_no_plain_out_is_uncached(name: str) -> None:
    """One would turn DVC's run cache off for the whole stage."""
    assert all(options.get("cache", True) for options in paths(STAGES[name]["outs"]).values())


@pytest.mark.parametrize("name", STAGES)
def test_what_a_reviewer_compares_is_in_git(name: str) -> None:
    for part in ("metrics", "plots"):
        for path, options in paths(STAGES[name].get(part, [])).items():
            assert options.get("cache") is False, path


def test_metric_code_is_a_dependency_of_score_only() -> None:
    scoring = ("metrics.py", "keypoints.py", "statistics.py", "verdict.py")
    for name, stage in STAGES.items():
        deps = tuple(stage["deps"])
        depends = any(f"titer/evaluation/{file}".startswith(deps) for file in scoring)
        assert depends == (name == "score")


def test_public_weights_and_abstracts_are_never_pushed() -> None:
    assert paths(STAGES["download_model"]["outs"])["models/base"]["push"] is False
    assert paths(STAGES["fetch_papers"]["outs"])["data/papers"]["push"] is False


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_explains_itself(name: str) -> None:
    module = importlib.import_module(f"stages.{name}")
    assert f"python -m stages.{name}" in (module.__doc__ or "")
    assert declared(name).name == name
    lines = (ROOT / f"stages/{name}.py").read_text().splitlines()
    assert len(lines) <= 100

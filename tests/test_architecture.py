"""Imports follow one table: packages depend in one direction, heavy libraries keep their place."""

import graphlib
from pathlib import Path

import pytest

from tests.imports import ROOT, imported_files, imported_names

FLOOR = {
    "records", "files", "errors", "addresses", "config", "plan", "scripts", "signals",
    "main_memory",
}  # fmt: skip
MAY_IMPORT = {
    "records": set(),
    "files": {"errors"},
    "errors": set(),
    "addresses": {"errors"},
    "scripts": set(),
    "signals": set(),
    "main_memory": set(),
    "config": {"errors"},
    "plan": {"config", "errors", "files"},
    "runner": set(),
    "literature": set(),
    "examples": set(),
    "modeling": set(),
    "training": {"modeling"},
    "evaluation": {"modeling"},
    "report": {"evaluation"},
    "export": {"modeling", "examples", "evaluation"},
    "conversations": set(),
    "registry": {"evaluation"},
    "repair": set(),
    "serving": {"modeling", "registry", "conversations"},
    "cli": {
        "runner", "literature", "examples", "modeling", "training", "evaluation", "report",
        "export", "conversations", "registry", "repair", "serving",
    },
    "stages": {
        "runner", "literature", "examples", "modeling", "training", "evaluation", "report",
    },
}  # fmt: skip
"""package -> our packages that it may import besides the floor."""

ONLY_IN = {
    ("hydra", "omegaconf"): ("titer/runner.py",),
    ("dvc",): (),
    ("torch", "peft", "trl", "bitsandbytes", "transformers"): (
        "titer/modeling/", "titer/training/", "titer/evaluation/answering.py",
        "titer/serving/engines/",
    ),
    ("fastapi", "starlette", "uvicorn"): ("titer/serving/",),
    ("gto", "scmrepo"): ("titer/registry/",),
    ("Bio", "arxiv"): ("titer/literature/",),
    ("sqlalchemy", "psycopg", "phonenumbers", "stdnum"): ("titer/conversations/",),
}  # fmt: skip
"""libraries -> the places that may import them."""

SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("titer", "stages")
    for path in (ROOT / folder).rglob("*.py")
)


def package(file: str) -> str:
    parts = Path(file).with_suffix("").parts
    return "stages" if parts[0] == "stages" else parts[1]


@pytest.mark.parametrize("file", SOURCES)
def test_imports_follow_the_table(file: str) -> None:
    own = package(file)
    if own == "__init__":
        return
    allowed = MAY_IMPORT[own] | {own} | (FLOOR if own not in FLOOR else set())
    found = {package(name) for name in imported_files(file)} - {"__init__"}
    assert found <= allowed, f"{file} imports {sorted(found - allowed)}"


def test_a_stage_imports_no_other_stage() -> None:
    for file in SOURCES:
        if file.startswith("stages/"):
            assert not {name for name in imported_files(file) if name.startswith("stages/")}, file


@pytest.mark.parametrize("file", SOURCES)
def test_libraries_stay_in_their_place(file: str) -> None:
    roots = {name.split(".")[0] for name in imported_names(file)}
    for libraries, places in ONLY_IN.items():
        here = roots & set(libraries)
        assert not here or file.startswith(tuple(places)), f"{file} imports {sorted(here)}"


def test_the_table_has_no_cycle() -> None:
    order = list(graphlib.TopologicalSorter(MAY_IMPORT).static_order())
    assert set(order) == set(MAY_IMPORT)


def test_stages_holds_exactly_the_eight() -> None:
    names = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"}
    assert names == {
        "download_model", "benchmark_base", "fetch_papers", "train_qlora", "benchmark_qlora",
        "train_full", "benchmark_full", "score",
    }  # fmt: skip

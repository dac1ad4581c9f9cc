"""The sample rows of instruction and response: eight per domain that has them, short and safe."""

import json
from pathlib import Path

import pytest

from tests.imports import ROOT

FILES = sorted((ROOT / "data" / "samples").glob("*/instructions.jsonl"))
CARE = {
    "goggles", "gloves", "shield", "cupboard", "cabinet", "caps", "toxic", "contain", "ventilation",
    "approved", "autoclave", "flame", "flammable", "cuts", "trained",
}  # fmt: skip
"""Words of a precaution; each answer holds one, as the guide's checklist asks of a procedure."""

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)


def rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_chemistry_and_biology_have_sample_rows() -> None:
    assert {"biology", "chemistry"} <= {path.parent.name for path in FILES}


@each_file
def test_there_are_eight_different_rows_of_two_texts(path: Path) -> None:
    found = rows(path)
    assert len({row["instruction"] for row in found}) == len(found) == 8
    assert all(set(row) == {"instruction", "response"} for row in found)


@each_file
def test_every_answer_is_short_and_names_a_precaution(path: Path) -> None:
    for row in rows(path):
        words = set(row["response"].lower().replace(",", " ").replace(".", " ").split())
        assert 40 <= len(row["response"].split()) <= 100, row["instruction"]
        assert words & CARE, row["instruction"]


@each_file
def test_no_row_joins_the_training_by_itself(path: Path) -> None:
    training = ROOT / "data" / "own" / path.parent.name / "training"
    assert [file.name for file in training.iterdir()] == [".gitkeep"]

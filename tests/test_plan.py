"""The hash of what was promised before training: what moves it, and what does not."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.imports import ROOT
from titer import plan
from titer.config import ENDPOINT_VERSIONS, PlanSettings
from titer.errors import ConfigError, FormatError

PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")
PROMISED = PlanSettings("closed_acc", 0.05, 5.0, 0.05, ["qlora", "full"])
FILES = [name for name in plan.QUESTION_FILES if name != "questions"]
OWN = "own/mine.jsonl"


@pytest.fixture
def asked(tmp_path: Path) -> SimpleNamespace:
    """Question files of a line each, and one of one's own that is not asked."""
    found = {name: tmp_path / f"{name}.txt" for name in FILES} | {"questions": tmp_path / "own"}
    for name in FILES:
        found[name].write_text(f"{name}\n")
    found["questions"].mkdir()
    (tmp_path / OWN).write_text("mine\n")
    return SimpleNamespace(**found)


def of(at: SimpleNamespace, promised: PlanSettings = PROMISED, chosen: str | None = None) -> str:
    return plan.sha256(promised, at, chosen, root=at.questions.parent)


def section(text: str) -> PlanSettings:
    return PlanSettings(**yaml.safe_load(text)["plan"])


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: f"# a remark\n{text}",
        lambda text: text.replace("  alpha: 0.05", "  alpha:    0.05     # five in a hundred"),
        lambda text: text.replace("[qlora, full]", "[ qlora,  full ]"),
        lambda text: text.replace("  margin_points: 5.0", "  margin_points: 5.00\n"),
    ],
    ids=["comment", "comment in the plan", "white space", "an empty line"],
)
def test_the_form_of_params_does_not_move_it(
    asked: SimpleNamespace, edit: Callable[[str], str]
) -> None:
    assert edit(PARAMS) != PARAMS
    assert of(asked, section(edit(PARAMS))) == of(asked, section(PARAMS))


@pytest.mark.parametrize(
    "change",
    [
        {"primary": "ref_bpb"}, {"alpha": 0.01}, {"margin_points": 4.0}, {"margin_bpb": 0.1},
        {"family": ["qlora"]},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_every_setting_of_the_plan_moves_it(asked: SimpleNamespace, change: Any) -> None:
    assert of(asked, replace(PROMISED, **change)) != of(asked)


def test_another_definition_of_the_endpoint_moves_it(
    asked: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = of(asked)
    monkeypatch.setitem(ENDPOINT_VERSIONS, "ref_bpb", 2)
    assert of(asked) == before  # not this plan's
    monkeypatch.setitem(ENDPOINT_VERSIONS, "closed_acc", 2)
    assert of(asked) != before


@pytest.mark.parametrize("name", FILES)
def test_every_file_that_is_asked_moves_it(asked: SimpleNamespace, name: str) -> None:
    before = of(asked)
    path = getattr(asked, name)
    path.write_text(path.read_text() + "\n")
    assert of(asked) != before


def test_one_more_question_moves_it(asked: SimpleNamespace) -> None:
    before = of(asked)
    row = {"id": "Q011", "category": "Lupus", "difficulty": "easy", "question": "Which antibody?"}
    asked.open.write_text(asked.open.read_text() + json.dumps(row) + "\n")
    assert of(asked) != before


def test_questions_of_ones_own_count_once_they_are_asked(asked: SimpleNamespace) -> None:
    before, chosen = of(asked), of(asked, chosen=OWN)
    assert chosen != before
    (asked.questions.parent / OWN).write_text("other\n")
    assert of(asked) == before
    other = of(asked, chosen=OWN)
    assert other != chosen
    asked.open.write_text("")
    assert of(asked, chosen=OWN) == other  # the domain's open questions are not asked now


def test_a_file_that_is_absent_or_elsewhere_is_one_line(asked: SimpleNamespace) -> None:
    with pytest.raises(FormatError, match=r"own/absent\.jsonl: no such file"):
        of(asked, chosen="own/absent.jsonl")
    with pytest.raises(ConfigError, match=r"'open\.txt': must lie below own, which DVC watches"):
        of(asked, chosen="open.txt")


def test_the_domain_has_every_file_that_is_named() -> None:
    for path in plan.QUESTION_FILES.values():
        assert (ROOT / path.replace("${domain}", "autoimmune")).exists(), path

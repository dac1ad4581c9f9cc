"""What score reads: each result in its place, stages that did not run, and damaged files named."""

import csv
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from titer import files
from titer.errors import DataError, FormatError
from titer.records import Answer, Example, Fact
from titer.report import sources

REASON = "needs 130 GiB, the machine has 16"
ANSWER = Answer("Q1", "lupus", "easy", "What?", "That.", 0.5, "2026-01-01T00:00:00+00:00")
EXAMPLE = Example(
    id="e", messages=[{"role": "assistant", "content": "a"}], recipe="r", recipe_version=1,
    paper_id="p", source="pubmed", title="t", spans=[], cluster_id="p",
)  # fmt: skip
LOSS = [{"step": 5, "epoch": 0.5, "train_loss": 3.1, "validation_loss": 2.9}]


@pytest.fixture
def at(tmp_path: Path) -> SimpleNamespace:
    """Results of a run whose full fine-tune did not fit the machine."""
    where: dict[str, Path] = {"model": tmp_path / "model.json", "papers": tmp_path / "papers"}
    where["studies"] = tmp_path / "studies"
    files.write_json(where["model"], {"id": "pocket"})
    files.write_json(where["papers"] / "stats.json", {"papers": 3})
    files.write_jsonl(where["papers"] / "examples" / "train.jsonl", [EXAMPLE.to_json()])
    for arm in ("base", "qlora", "full"):
        ran = arm != "full"
        where |= {f"{arm}_{name}": tmp_path / arm / name for name in ("answers", "closed", "run")}
        files.write_json(where[f"{arm}_answers"], [ANSWER.to_json()] if ran else [])
        files.write_jsonl(where[f"{arm}_closed"], [{"id": "F1", "ll": [-1.0]}] if ran else [])
        files.write_json(where[f"{arm}_run"], record(ran))
    for arm in ("qlora", "full"):
        ran, names = arm != "full", ("loss", "metrics", "run")
        where |= {f"train_{arm}_{name}": tmp_path / f"train_{arm}" / name for name in names}
        files.write_csv(where[f"train_{arm}_loss"], LOSS if ran else [], list(LOSS[0]))
        files.write_json(where[f"train_{arm}_metrics"], {f"train_{arm}": {"trained": int(ran)}})
        files.write_json(where[f"train_{arm}_run"], record(ran))
    return SimpleNamespace(**where)


def record(ran: bool) -> dict[str, Any]:
    return {"status": "ok" if ran else "not_run", "reason": None if ran else REASON}


def test_everything_is_found_in_its_place(at: SimpleNamespace) -> None:
    found = sources.read(at)
    assert (found.model, found.papers) == ({"id": "pocket"}, {"papers": 3})
    assert found.examples == [EXAMPLE]
    assert found.studies == {}
    assert list(found.arms) == ["base", "qlora", "full"]
    qlora = found.arms["qlora"]
    assert (qlora.name, qlora.answers) == ("qlora", [ANSWER])
    assert (qlora.closed, qlora.run["status"]) == ([{"id": "F1", "ll": [-1.0]}], "ok")
    assert found.training["qlora"]["loss"] == LOSS
    assert found.training["qlora"]["metrics"] == {"trained": 1}


def test_an_arm_that_did_not_run_is_empty_and_keeps_its_reason(at: SimpleNamespace) -> None:
    found = sources.read(at)
    full = found.arms["full"]
    assert (full.answers, full.closed) == ([], [])
    assert (full.run["status"], full.run["reason"]) == ("not_run", REASON)
    assert found.training["full"] == {"metrics": {"trained": 0}, "loss": [], "run": record(False)}


def answers_without(key: str) -> Callable[[Path], None]:
    broken = {name: value for name, value in asdict(ANSWER).items() if name != key}
    return lambda path: files.write_json(path, [ANSWER.to_json(), broken])


@pytest.mark.parametrize("key", ["id", "response", "time_seconds", "timestamp"])
def test_an_answer_that_lacks_a_key_is_one_line(at: SimpleNamespace, key: str) -> None:
    answers_without(key)(at.qlora_answers)
    with pytest.raises(DataError) as error:
        sources.read(at)
    assert str(error.value) == (
        f"{at.qlora_answers}: answer 2 lacks 1 required positional argument: '{key}'"
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("base_answers", '{"id": "Q1"}', ": a dict, expected a list of answers"),
        ("base_answers", '["Q1"]', ": answer 1 is a str, expected an object"),
        ("base_answers", "[", ":1: not JSON"),
        ("full_closed", '{"id": 1}\n{', ":2: not JSON"),
        ("train_qlora_loss", "step,train_loss\n1,0.5\n2,high\n", ":3: could not convert"),
        ("train_qlora_loss", "step,train_loss\n1\n", ":2: float() argument must be"),
        ("train_qlora_loss", f"step\n{'1' * 200_000}\n", ":1: field larger than"),
    ],
    ids=["object", "text", "cut", "cut row", "word", "short row", "large cell"],
)
def test_a_damaged_file_is_named(at: SimpleNamespace, name: str, text: str, message: str) -> None:
    csv.field_size_limit(131_072)  # Python's own, which another reader may have raised
    path = getattr(at, name)
    path.write_text(text)
    with pytest.raises(DataError) as error:
        sources.read(at)
    assert str(error.value).startswith(f"{path}{message}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["qlora_run", "train_full_loss"])
def test_a_missing_file_is_named(at: SimpleNamespace, name: str) -> None:
    path = getattr(at, name)
    path.unlink()
    with pytest.raises(FormatError) as error:
        sources.read(at)
    assert str(error.value) == f"{path}: no such file"


def test_the_context_says_how_many_facts_were_never_looked_up(at: SimpleNamespace) -> None:
    rows = [("F1", "source"), ("F2", "memory"), ("F3", "memory"), ("F4", "memory")]
    facts = [Fact(i, "d", [], "r", "a", [], [], "", "", "", "", verified) for i, verified in rows]
    found = sources.read(at)
    said = sources.context(
        found,
        domain_title="Plants",
        choices={"model": "pocket"},
        facts=facts,
        contamination={},
        trials={"qlora": 3, "full": 0},
    )
    assert said["card"] == {"n_facts": 4, "share_from_memory": 0.75}
    assert said["benchmark_runs"]["full"] == record(False)
    assert json.loads(json.dumps(said)) == said
    empty = sources.context(
        found, domain_title="", choices={}, facts=[], contamination={}, trials={}
    )
    assert empty["card"]["share_from_memory"] is None

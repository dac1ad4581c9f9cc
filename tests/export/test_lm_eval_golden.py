"""What lm-evaluation-harness said of a small model, kept so that no test run needs the harness."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.export import asked as ask
from tests.export import small_model
from tests.export.frozen import GOLDEN, Frozen
from titer.evaluation.answering import Taken
from titer.modeling import chat_template, loading
from titer.modeling.generation import generate


@dataclass(frozen=True)
class Case:
    """One kind of prompt: the frozen answers and ours."""

    frozen: Frozen
    theirs: dict[str, Any]
    folder: Path
    ours: Taken


@pytest.fixture(scope="module", params=["chat", "plain"])
def case(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Case:
    frozen, kind = Frozen.read(), request.param
    folder = tmp_path_factory.mktemp(kind) / "model"
    small_model.build(folder, frozen.strings(), template=kind == "chat")
    asked = frozen.benchmark(ask.whole())
    return Case(frozen, frozen.harness[kind], folder, ask.take(asked, folder))


def test_each_log_likelihood_is_the_one_that_the_harness_found(case: Case) -> None:
    rows = {row["id"]: row["ll"] for row in case.ours.rows}
    assert rows.keys() == case.theirs["ll"].keys()
    for key, expected in case.theirs["ll"].items():
        # a text sums over hundreds of tokens, and float32 rounds each
        assert rows[key] == pytest.approx(expected, abs=1e-4, rel=1e-6), key


def test_greedy_text_is_what_the_harness_generated(case: Case) -> None:
    tokenizer, setting = loading.load_tokenizer(case.folder), ask.setting()
    model = loading.load_model(case.folder, dtype=setting.precision, device=setting.device)
    prompts = ask.prompts(case.frozen.items, case.folder)[: len(case.theirs["greedy"])]
    ids = [chat_template.encode_prompt(tokenizer, text) for text in prompts]
    found = generate(model, tokenizer, ids, setting.generation, batch_size=5, seed=0)
    texts = [tokenizer.decode(one.ids, skip_special_tokens=True) for one in found]
    assert texts == case.theirs["greedy"]


def test_each_likelihood_depends_on_the_whole_prompt(case: Case, tmp_path: Path) -> None:
    """Without this, an error in positions or padding would hide behind equal numbers."""
    short = small_model.shortened(case.folder, tmp_path / "short", context_length=24)
    few = ask.some(case.frozen.benchmark(ask.whole()), 20, 0, 0, 0)
    setting = ask.replace(ask.setting(), max_length=16)
    cut = ask.answering.take(few, setting, name="base", folder=short)
    uncut = {row["id"]: row["ll"] for row in case.ours.rows}
    moved = [
        abs(a - b) for row in cut.rows for a, b in zip(row["ll"], uncut[row["id"]], strict=True)
    ]
    assert sorted(moved)[len(moved) // 2] > 0.1
    assert {tuple(row["flags"]) for row in cut.rows} == {("context_cut",)}


def test_the_frozen_file_is_small() -> None:
    assert GOLDEN.stat().st_size < 100_000

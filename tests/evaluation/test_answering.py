"""A model takes a slice of the benchmark: what is stored, and what batches and runs may change."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import trees
from tests.evaluation.made_up import PLAN
from titer import files
from titer.config import Device, Dtype, EvalSettings, GenerationSettings, Think
from titer.evaluation import answering, benchmark
from titer.evaluation.answering import Setting, Taken
from titer.evaluation.benchmark import Benchmark
from titer.modeling.loading import NOT_RUN, not_run_reason
from titer.plan import with_questions

ROOT = Path(__file__).resolve().parents[2]
EVAL = EvalSettings(None, ["cloze"], 4, batch_size=4, score_batch_size=64, few_shot=0)
GREEDY = GenerationSettings(0.0, 1.0, 1, 8)
SETTING = Setting(Think.none, GREEDY, 64, EVAL, 42, Device.cpu, Dtype.float32)
SEVEN = ["id", "category", "difficulty", "question", "response", "time_seconds", "timestamp"]
RUN_KEYS = {
    "schema_version", "status", "reason", "models", "tokenizer_sha256", "chat_template_sha256",
    "benchmark_sha256", "plan_sha256", "n_questions", "n_items", "n_texts", "n_errors",
    "n_cut", "generation", "think", "batch_size", "score_batch_size", "device", "packages",
    "timing",
}  # fmt: skip


def paths(own: Path) -> SimpleNamespace:
    names = {key: path.replace("${domain}", "autoimmune") for key, path in benchmark.FILES.items()}
    found = {key: ROOT / path for key, path in names.items()} | {"questions": own}
    return SimpleNamespace(**found)


@pytest.fixture(scope="module")
def asked() -> Benchmark:
    """Four open questions, three facts with and two general items without a blind form, a text."""
    whole = benchmark.load(paths(ROOT), EVAL, root=ROOT)
    blind = [item for item in whole.items if item.blind_question is not None]
    general = [item for item in whole.items if item.set == "general"]
    return replace(
        whole, questions=whole.questions[:4], items=blind[:3] + general[:2], texts=whole.texts[:1]
    )


def take(asked: Benchmark, folder: Path, setting: Setting = SETTING, **more: Any) -> Taken:
    return answering.take(asked, setting, name="base", folder=folder, **more)


@pytest.fixture(scope="module")
def taken(asked: Benchmark, tiny_model: Path) -> list[Taken]:
    """The base at full precision and in 4 bits, as its stage takes it."""
    return [take(asked, tiny_model, quantize=quantize) for quantize in (False, True)]


def written(folder: Path, taken: list[Taken], asked: Benchmark) -> SimpleNamespace:
    names = {"answers": "json", "closed": "jsonl", "run": "json", "metrics": "json"}
    at = SimpleNamespace(**{name: folder / f"{name}.{kind}" for name, kind in names.items()})
    answering.write(taken, asked, SETTING, PLAN, at, stage="benchmark_base")
    return at


def test_the_first_seven_keys_are_the_source_systems(
    taken: list[Taken], asked: Benchmark, tmp_path: Path
) -> None:
    rows = json.loads(written(tmp_path, taken, asked).answers.read_text())
    assert len(rows) == 8
    assert all(list(row)[:7] == SEVEN for row in rows)


def test_the_base_is_measured_at_the_precision_of_each_fine_tune(
    taken: list[Taken], asked: Benchmark, tmp_path: Path
) -> None:
    at = written(tmp_path, taken, asked)
    answers, rows = files.read_json(at.answers), list(files.read_jsonl(at.closed))
    assert [a["precision"] for a in answers] == ["float32"] * 4 + ["nf4"] * 4
    assert [r["precision"] for r in rows] == ["float32"] * 6 + ["nf4"] * 6
    models = files.read_json(at.run)["models"]
    assert [m["precision"] for m in models] == ["float32", "nf4"]
    assert models[0]["n_params"] == models[1]["n_params"]


def test_four_bits_change_likelihoods(taken: list[Taken]) -> None:
    full, quantised = ([row["ll"] for row in one.rows] for one in taken)
    assert full != quantised


def test_batches_change_neither_greedy_answers_nor_likelihoods(
    taken: list[Taken], asked: Benchmark, tiny_model: Path
) -> None:
    one_by_one = replace(SETTING, eval=replace(EVAL, batch_size=1, score_batch_size=1))
    alone, batch = take(asked, tiny_model, one_by_one), taken[0]
    assert [a.response_raw for a in alone.answers] == [a.response_raw for a in batch.answers]
    for mine, other in zip(alone.rows, batch.rows, strict=True):
        assert mine["ll"] == pytest.approx(other["ll"], abs=1e-4)
    references = [[a.ref_logprob for a in one.answers] for one in (alone, batch)]
    assert references[0] == pytest.approx(references[1], abs=1e-3)


def test_a_row_without_the_name_of_the_disease_stands_beside_each_fact(
    taken: list[Taken], asked: Benchmark
) -> None:
    for item, row in zip(asked.items, taken[0].rows, strict=False):
        has_blind = item.blind_question is not None
        assert (row["ll_blind"] is not None) == has_blind
        assert (row["blind_prompt_sha256"] not in (None, row["prompt_sha256"])) == has_blind
        assert len(row["ll"]) == len(row["n_tokens"]) == len(item.candidates)
        assert "blind_question" not in row


def test_references_and_texts_come_with_their_bytes(taken: list[Taken], asked: Benchmark) -> None:
    by_id = {question.id: question for question in asked.questions}
    for answer in taken[0].answers:
        assert answer.ref_bytes == len(by_id[answer.id].reference_answer.encode())
        assert answer.ref_logprob < 0
    text = taken[0].rows[-1]
    assert (text["set"], text["n_bytes"]) == ("text", len(asked.texts[0]["text"].encode()))
    # a model of random weights knows nothing: about the logarithm of its vocabulary per token
    assert -text["ll"][0] / text["n_tokens"][0] == pytest.approx(math.log(1024), rel=0.1)


def test_the_reference_of_a_safety_item_is_not_measured(asked: Benchmark, tiny_model: Path) -> None:
    """No metric would read it."""
    item = replace(asked.questions[0], id="S900", type="safety")
    assert item.reference_answer
    one, other = take(
        replace(asked, questions=[asked.questions[0], item], items=[], texts=[]), tiny_model
    ).answers
    assert (one.id, other.id) == (asked.questions[0].id, "S900")
    assert one.ref_logprob is not None
    assert (other.ref_logprob, other.ref_bytes) == (None, None)


def test_a_run_record_names_everything_that_was_held_equal(
    taken: list[Taken], asked: Benchmark, tmp_path: Path
) -> None:
    run = files.read_json(written(tmp_path, taken, asked).run)
    assert set(run) == RUN_KEYS
    assert (run["status"], run["reason"], run["n_errors"]) == ("ok", None, 0)
    assert (run["n_questions"], run["n_items"], run["n_texts"]) == (4, 5, 1)
    assert (run["benchmark_sha256"], run["plan_sha256"]) == (
        asked.sha256, with_questions(PLAN, asked.sha256)
    )  # fmt: skip
    assert run["generation"] == {**vars(GREEDY), "seed": 42}
    assert set(run["packages"]) == set(answering.PACKAGES)


def test_two_runs_differ_in_their_time_fields_only(
    taken: list[Taken], asked: Benchmark, tiny_model: Path, tmp_path: Path
) -> None:
    again = [take(asked, tiny_model, quantize=quantize) for quantize in (False, True)]
    one, other = (written(tmp_path / n, t, asked) for n, t in (("a", taken), ("b", again)))
    assert trees.differences(tmp_path / "a", tmp_path / "b") == []
    assert one.run.read_bytes() != other.run.read_bytes()
    assert one.closed.read_bytes() == other.closed.read_bytes()


def test_every_sample_of_a_question_is_kept_with_its_seed(
    asked: Benchmark, tiny_model: Path
) -> None:
    sampled = replace(SETTING, generation=GenerationSettings(0.9, 1.0, 2, 8))
    few = replace(asked, questions=asked.questions[:2], items=[], texts=[])
    found = take(few, tiny_model, sampled).answers
    ids = [question.id for question in few.questions]
    expected = [(key, sample, 42 + 1000 * sample) for key in ids for sample in (0, 1)]
    assert [(a.id, a.sample_index, a.seed) for a in found] == expected
    assert found[0].response_raw != found[1].response_raw


def spoiled(tiny_model: Path, folder: Path) -> Path:
    """The same weights with a template that opens a thought inside the prompt, as R1's does."""
    shutil.copytree(tiny_model, folder)
    (template,) = folder.glob("*.jinja")
    text = template.read_text().replace("assistant\n{%", "assistant\n<think>\n{%")
    assert "<think>" in text
    template.write_text(text)
    return folder


def test_a_thought_that_never_closes_has_no_answer(
    asked: Benchmark, tiny_model: Path, tmp_path: Path
) -> None:
    folder = spoiled(tiny_model, tmp_path / "thinker")
    found = take(asked, folder, replace(SETTING, think=Think.keep))
    for answer in found.answers:
        assert (answer.response, answer.reasoning_state) == ("", "unclosed")
        assert {"unclosed_think", "empty"} <= set(answer.flags)
    assert answering.count_answers(found.answers)["n_unclosed"] == 4


def test_likelihoods_are_taken_after_a_closed_thought(
    asked: Benchmark, tiny_model: Path, tmp_path: Path
) -> None:
    folder = spoiled(tiny_model, tmp_path / "thinker")
    few = replace(asked, questions=[])
    keep, empty = (take(few, folder, replace(SETTING, think=t)) for t in (Think.keep, Think.empty))
    assert keep.rows == empty.rows


def test_likelihoods_that_are_no_numbers_are_null_and_counted(
    asked: Benchmark, tiny_model: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "broken"
    shutil.copytree(tiny_model, folder)
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] = torch.full_like(weights["model.norm.weight"], float("nan"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    few = replace(asked, questions=[])
    at = written(tmp_path / "out", [take(few, folder)], few)
    assert {value for row in files.read_jsonl(at.closed) for value in row["ll"]} == {None}
    assert files.read_json(at.run)["n_errors"] == 6


def test_a_stage_that_did_not_run_says_so_in_every_out(tmp_path: Path) -> None:
    names = ("answers", "closed", "run", "metrics")
    at = SimpleNamespace(**{name: tmp_path / name for name in names})
    files.write_json(tmp_path / "model" / NOT_RUN, {"reason": "needs 130 GiB"})
    reason = not_run_reason(tmp_path / "model")
    assert reason == "needs 130 GiB"
    answering.write_not_run(reason, "ab", at, stage="benchmark_full")
    assert files.read_json(at.answers) == []
    assert at.closed.read_text() == ""
    run = {"schema_version": 1, "status": "not_run", "reason": reason, "plan_sha256": "ab"}
    assert files.read_json(at.run) == run
    zeros = dict.fromkeys(("n_answers", "n_truncated", "n_unclosed", "n_empty"), 0)
    assert files.read_json(at.metrics) == {"benchmark_full": zeros}

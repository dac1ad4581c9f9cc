"""Preflight: what would train wrongly in silence is refused, with the row's id."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.test_sft import FULL, QLORA, example, train
from titer.config import Dtype, OnLong, SftSettings
from titer.errors import ConfigError, DataError, LoadError
from titer.modeling import loading
from titer.modeling.chat_template import EncodedRow
from titer.training import preflight


def test_long_rows_are_dropped_and_listed(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    rows = [example(1), example(2)]
    rows[1].messages[1]["content"] = "very " * 200
    result = preflight.encode_examples(tokenizer, rows, FULL, name="train")
    assert len(result.kept) == 1
    assert [(row["id"], row["reason"]) for row in result.dropped] == [("e2", "too long")]


def test_long_rows_fail_when_asked_to(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    settings = replace(FULL, on_long=OnLong.fail, max_length=16)
    with pytest.raises(DataError, match=r"example e1 \(p1\) has \d+ tokens, model\.max_length=16"):
        preflight.encode_examples(tokenizer, [example(1)], settings, name="train")


def test_nothing_left_is_an_error(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    with pytest.raises(DataError, match="train examples: 0 of 1 rows fit"):
        preflight.encode_examples(
            tokenizer, [example(1)], replace(FULL, max_length=16), name="train"
        )


def encoded(n_tokens: int) -> EncodedRow:
    return EncodedRow([1] * n_tokens, [1] * n_tokens)


def test_lengths_count_every_row_and_those_that_were_dropped() -> None:
    dropped = [{"id": "e", "tokens": 99, "reason": "too long"}]
    rows = preflight.Rows([encoded(n) for n in range(1, 11)], dropped)
    found = preflight.token_lengths(rows)
    assert (found["n"], found["n_dropped"], found["bin_tokens"]) == (11, 1, 5)
    assert found["counts"] == [4, 5, 1, *[0] * 16, 1]
    assert (found["deciles"][0], found["deciles"][5], found["deciles"][-1]) == (1, 6, 99)


def test_lengths_of_a_single_row_are_its_own() -> None:
    found = preflight.token_lengths(preflight.Rows([encoded(7)], []))
    assert found["deciles"] == [7] * 11
    assert sum(found["counts"]) == 1


@pytest.mark.parametrize("content", ["", "  "])
def test_a_row_without_an_answer_is_refused(tiny_model: Path, content: str) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    row = example(3)
    row.messages[1]["content"] = content
    with pytest.raises(DataError, match=r"example e3 \(p3\) has no assistant's answer"):
        preflight.encode_examples(tokenizer, [row], FULL, name="train")


def test_a_prompt_only_row_is_refused(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    row = example(3)
    row.messages = row.messages[:1] * 2
    with pytest.raises(DataError, match="has no assistant's answer"):
        preflight.encode_examples(tokenizer, [row], FULL, name="train")


@pytest.mark.parametrize(
    ("tokens", "longest", "rows"), [(4096, 100, 4), (250, 100, 2), (16, 100, 1), (399, 100, 2)]
)
def test_micro_batches_divide_the_batch_and_fit(tokens: int, longest: int, rows: int) -> None:
    assert preflight.micro_batch_rows(replace(FULL, micro_batch_tokens=tokens), longest) == rows


def test_full_says_why_it_does_not_run(tiny_model: Path) -> None:
    def why(enabled: bool | None, memory_gib: float) -> str | None:
        return preflight.why_not_full(enabled, FULL, base=tiny_model, memory_gib=memory_gib)

    assert why(None, 8) is None
    assert why(False, 8) == "full.enabled is false"
    assert "hardware.memory_gib is 0.0001" in str(why(None, 0.0001))
    assert why(True, 0.0001) is None


def test_a_bf16_model_on_a_cpu_preset_does_not_run_and_says_why(tiny_model: Path) -> None:
    settings = replace(FULL, weights=Dtype.bfloat16, learning_rate=5e-5)
    reason = preflight.why_not_full(None, settings, base=tiny_model, memory_gib=8)
    assert "most updates would be rounded away" in str(reason)
    with pytest.raises(LoadError, match="most updates would be rounded away"):
        preflight.why_not_full(True, settings, base=tiny_model, memory_gib=8)


def test_an_optimiser_that_is_not_installed_is_a_reason(tiny_model: Path) -> None:
    settings = replace(FULL, optimizer="adamw_torch_9bit")
    reason = preflight.why_not_full(None, settings, base=tiny_model, memory_gib=8)
    expected = "needs torchao" if importlib.util.find_spec("torchao") is None else "not known"
    assert expected in str(reason)


@pytest.mark.parametrize("name", ["wandb", "mlflow", "tensorboard", "dvclive"])
def test_a_tracker_that_is_not_installed_is_refused_before_the_base_is_loaded(
    tmp_path: Path, name: str
) -> None:
    if importlib.util.find_spec(name) is not None:
        pytest.skip(f"{name} is installed")
    with pytest.raises(ConfigError) as refused:
        train(tmp_path, tmp_path / "no base", replace(FULL, report_to=[name]))
    assert str(refused.value) == (
        f"hardware.report_to = ['{name}']: {name} is not installed. Take it out, or: pip install "
        '-c constraints.txt -e ".[watch]"'
    )


@pytest.mark.parametrize(("settings", "arm"), [(FULL, "full"), (QLORA, "qlora")])
def test_an_unknown_optimiser_is_refused_whatever_the_architecture(
    tmp_path: Path, settings: SftSettings, arm: str
) -> None:
    with pytest.raises(LoadError, match=rf"hardware.optimizer.{arm} = 'foo': .* Choose one of ada"):
        train(tmp_path, tmp_path / "no base", replace(settings, optimizer="foo"))

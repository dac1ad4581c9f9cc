"""T5: scored, asked and trained with the numbers that the model itself gives."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import trees
from tests.small_models import build
from tests.training.test_sft import FULL, QLORA, example
from titer.config import Device, Dtype, GenerationSettings, SftSettings, Think
from titer.modeling import chat_template, loading
from titer.modeling.generation import generate
from titer.modeling.loglikelihood import continuation_loglikelihoods, encode_pairs
from titer.training import sft

QUESTIONS = ("Which metal is soft?", "What melts early?", "Who wrote the long letter to the king?")
ANSWERS = ("gold", "the old king")
GREEDY = GenerationSettings(temperature=0.0, top_p=1.0, samples=1, max_new_tokens=12)


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("T5", tmp_path_factory.mktemp("t5") / "model")


@pytest.fixture(scope="module")
def loaded(t5: Path) -> tuple[Any, Any]:
    model = loading.load_model(t5, dtype=Dtype.float32, device=Device.cpu)
    return model, loading.load_tokenizer(t5)


def prompts(tokenizer: Any) -> list[list[int]]:
    texts = [chat_template.render_prompt(tokenizer, chat_template.ask(q), Think.none)
             for q in QUESTIONS]  # fmt: skip
    return [chat_template.encode_prompt(tokenizer, text) for text in texts]


@pytest.mark.parametrize("batch_size", [1, 16])
def test_likelihoods_are_those_of_the_model_s_own_loss(loaded: Any, batch_size: int) -> None:
    import torch

    model, tokenizer = loaded
    pairs = [
        pair
        for question in QUESTIONS
        for pair in encode_pairs(tokenizer, f"Question: {question}\nAnswer:", ANSWERS)
    ]
    scores = continuation_loglikelihoods(model, tokenizer, pairs, batch_size=batch_size)
    for prompt, continuation in pairs:
        with torch.no_grad():
            loss = model(input_ids=torch.tensor([prompt]), labels=torch.tensor([continuation])).loss
        assert scores[prompt, continuation] == pytest.approx(
            -float(loss) * len(continuation), abs=1e-4
        )


def test_answers_hold_new_tokens_only_and_do_not_depend_on_the_batch(loaded: Any) -> None:
    import torch

    model, tokenizer = loaded
    asked = prompts(tokenizer)
    alone = generate(model, tokenizer, asked, GREEDY, batch_size=1, seed=0)
    together = generate(model, tokenizer, asked, GREEDY, batch_size=8, seed=0)
    assert [a.ids for a in alone] == [a.ids for a in together]
    with torch.no_grad():
        first = model(
            input_ids=torch.tensor([asked[0]]),
            decoder_input_ids=torch.tensor([[model.config.decoder_start_token_id]]),
        ).logits[0, -1]
    assert alone[0].ids[0] == int(first.argmax())


def data(rows: int) -> sft.Data:
    return sft.Data([example(i) for i in range(rows)], [example(90)], ["Gold is soft."])


def run(t5: Path, tmp_path: Path, settings: SftSettings, name: str, n: int = 8) -> sft.Run:
    return sft.train(
        settings, base=t5, data=data(n), out=tmp_path / name, checkpoints=tmp_path / f"{name}.ck",
        logs=tmp_path / "logs",
    )  # fmt: skip


@pytest.mark.parametrize("settings", [FULL, QLORA], ids=["full", "qlora"])
def test_two_runs_give_the_same_bytes(t5: Path, tmp_path: Path, settings: SftSettings) -> None:
    losses = [run(t5, tmp_path, settings, name).losses for name in ("a", "b")]
    assert losses[0] == losses[1]
    assert trees.differences(tmp_path / "a", tmp_path / "b") == []


def test_one_row_four_times_equals_four_rows_once(t5: Path, tmp_path: Path) -> None:
    together = run(t5, tmp_path, FULL, "together")
    alone = run(t5, tmp_path, replace(FULL, micro_batch_tokens=16), "alone")
    for one, other in zip(together.losses, alone.losses, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=2e-3)
        assert one["validation_loss"] == pytest.approx(other["validation_loss"], abs=2e-3)


@pytest.mark.slow
def test_four_rows_can_be_memorised(t5: Path, tmp_path: Path) -> None:
    rows = [example(i) for i in range(4)]
    found = sft.train(
        replace(FULL, epochs=320, learning_rate=2e-2, evals=1), base=t5,
        data=sft.Data(rows, rows, ["Gold."]), out=tmp_path / "out", checkpoints=tmp_path / "ck",
        logs=tmp_path / "logs",
    )  # fmt: skip
    assert found.validation_loss < 0.1


def test_an_adapter_is_loaded_onto_its_base(t5: Path, tmp_path: Path) -> None:
    run(t5, tmp_path, replace(QLORA, epochs=20, learning_rate=2e-2), "adapter")
    tokenizer = loading.load_tokenizer(t5)
    model = loading.load_model(t5, dtype=Dtype.float32, device=Device.cpu, quantize=True)
    pairs = encode_pairs(
        tokenizer, "Question: Which metal is number 2?\nAnswer:", ["Number 2 is tin."]
    )
    before = continuation_loglikelihoods(model, tokenizer, pairs, batch_size=4)[pairs[0]]
    tuned = loading.load_adapter(model, tmp_path / "adapter")
    after = continuation_loglikelihoods(tuned, tokenizer, pairs, batch_size=4)[pairs[0]]
    assert after > before + 1

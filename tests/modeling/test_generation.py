"""Generation: batches change nothing, samples repeat, only new tokens come back."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from titer import files
from titer.config import Device, Dtype, GenerationSettings, Think
from titer.modeling import chat_template, loading
from titer.modeling.generation import generate, left_padded

GREEDY = GenerationSettings(temperature=0.0, top_p=1.0, samples=1, max_new_tokens=12)
SAMPLED = GenerationSettings(temperature=0.9, top_p=0.9, samples=2, max_new_tokens=12)
QUESTIONS = (
    "Why?",
    "What is the capital of France?",
    "Name a colour.",
    "Who wrote this long line?",
)


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> tuple[Any, Any, list[list[int]]]:
    tokenizer = loading.load_tokenizer(tiny_model)
    model = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu)
    prompts = [
        chat_template.encode_prompt(
            tokenizer,
            chat_template.render_prompt(tokenizer, chat_template.ask(text), Think.none),
        )
        for text in QUESTIONS
    ]
    return model, tokenizer, prompts


@pytest.mark.parametrize("batch_size", [2, 3, 4])
def test_greedy_ids_do_not_depend_on_the_batch(loaded: Any, batch_size: int) -> None:
    model, tokenizer, prompts = loaded
    alone = generate(model, tokenizer, prompts, GREEDY, batch_size=1, seed=0)
    batch = generate(model, tokenizer, prompts, GREEDY, batch_size=batch_size, seed=0)
    assert [g.ids for g in batch] == [g.ids for g in alone]


def test_samples_repeat_with_the_seed_and_differ_without(loaded: Any) -> None:
    model, tokenizer, prompts = loaded
    runs = [generate(model, tokenizer, prompts, SAMPLED, batch_size=2, seed=s) for s in (1, 1, 2)]
    first, again, other = ([g.ids for g in run] for run in runs)
    assert first == again
    assert first != other


def test_a_long_answer_says_that_the_limit_ended_it(loaded: Any) -> None:
    model, tokenizer, prompts = loaded
    for result in generate(model, tokenizer, prompts, GREEDY, batch_size=4, seed=0):
        assert result.finish_reason == ("length" if len(result.ids) == 12 else "stop")
        assert tokenizer.eos_token_id not in result.ids


def test_padding_stands_on_the_left() -> None:
    ids, mask = left_padded([[5, 6], [7]], 0, "cpu")
    assert ids.tolist() == [[5, 6], [0, 7]]
    assert mask.tolist() == [[1, 1], [0, 1]]


def test_a_folder_s_own_generation_settings_do_not_leak_in(
    tiny_model: Path, tmp_path: Path, loaded: Any
) -> None:
    """transformers fills what a call leaves open from generation_config.json."""
    model, tokenizer, prompts = loaded
    folder = tmp_path / "penalising"
    shutil.copytree(tiny_model, folder)
    path = folder / "generation_config.json"
    content = files.read_json(path) if path.exists() else {}
    files.write_json(path, content | {"repetition_penalty": 9.0, "top_k": 1})
    other = loading.load_model(folder, dtype=Dtype.float32, device=Device.cpu)
    for settings in (GREEDY, SAMPLED):
        expected = generate(model, tokenizer, prompts, settings, batch_size=4, seed=3)
        found = generate(other, tokenizer, prompts, settings, batch_size=4, seed=3)
        assert [g.ids for g in found] == [g.ids for g in expected]

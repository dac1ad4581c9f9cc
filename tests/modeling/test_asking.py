"""The base model as a writer of replies: random weights write nothing that the gate takes."""

from pathlib import Path

import pytest

from tests.examples.papers import make_paper
from titer import files
from titer.config import Device, Dtype, GenerationSettings, Think
from titer.examples.generated import gate, read
from titer.examples.generator import Generator, generate
from titer.modeling.asking import LocalModel

PAPERS = [make_paper(n) for n in (1, 2, 3)]


@pytest.fixture
def model(tiny_model: Path) -> LocalModel:
    settings = GenerationSettings(temperature=0.7, top_p=1.0, samples=1, max_new_tokens=24)
    return LocalModel.load(
        tiny_model, generation=settings, think=Think.keep, seed=5, device=Device.cpu,
        dtype=Dtype.float32,
    )  # fmt: skip


def test_replies_come_in_the_order_of_the_prompts_and_repeat(model: LocalModel) -> None:
    prompts = ["What is a fever?", "Why?", "Who keeps the lamps along the shore?"]
    replies = model.ask_all(prompts)
    assert len(replies) == 3 and replies == model.ask_all(prompts)
    assert model.ask_all([]) == []


def test_a_prompt_beyond_the_context_gets_an_empty_reply(model: LocalModel) -> None:
    assert model.context is not None
    assert model.ask_all(["word " * model.context, "Why?"])[0] == ""


def test_random_weights_write_nothing_that_is_accepted(model: LocalModel, tmp_path: Path) -> None:
    out = tmp_path / "base.jsonl"
    who = Generator("base", "", 0.7, 5)
    asked = generate(PAPERS, model.ask_all, who, out, per_paper=2, batch_size=2)
    assert asked.papers == 3
    gated = gate(read(tmp_path), PAPERS)
    assert gated.examples == []
    assert len(gated.rejected) == len(list(files.read_jsonl(out))) == asked.rows + asked.empty

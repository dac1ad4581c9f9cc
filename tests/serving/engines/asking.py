"""What the tests of the engines share: models that differ visibly, and how they are asked."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from tests.export import fine_tunes
from titer.config import Device, Dtype, GenerationSettings, Think
from titer.modeling import chat_template, loading
from titer.modeling.generation import Generated, generate
from titer.serving.engine import BASE, Ask, Engine, Piece, Servable

T = TypeVar("T")
GREEDY = GenerationSettings(temperature=0.0, top_p=1.0, samples=1, max_new_tokens=24)
FIRST, SECOND, FULL = "lupus-qlora@v1.0.0", "lupus-qlora@v2.0.0", "lupus-full@v1.0.0"
QUESTIONS = (
    *fine_tunes.QUESTIONS,
    "Why?",
    "Write a long sentence about the weather in a small harbour town in late autumn.",
)


@dataclass(frozen=True)
class Models:
    """A base, two adapters on it, and another model."""

    base: Path
    first: Path
    second: Path
    full: Path

    def servables(self, *, quantize: bool = False) -> list[Servable]:
        """All four, as an engine is given them."""
        return [
            self.servable(BASE, self.base, quantize=quantize),
            self.servable(FIRST, self.base, self.first, quantize=quantize),
            self.servable(SECOND, self.base, self.second, quantize=quantize),
            self.servable(FULL, self.full),
        ]

    def servable(
        self, name: str, folder: Path, adapter: Path | None = None, *, quantize: bool = False
    ) -> Servable:
        """One model."""
        template = chat_template.template_sha256(loading.load_tokenizer(folder))
        return Servable(
            name, folder, adapter, None, "revision", template, Dtype.float32, quantize, Think.none,
            GREEDY,
        )  # fmt: skip


def build(home: Path) -> Models:
    """Write the four models."""
    base = fine_tunes.base("Qwen3", home / "base")
    full = fine_tunes.base("Qwen3", home / "full", rms_norm_eps=0.3)
    first = fine_tunes.adapter(base, home / "first")
    second = fine_tunes.adapter(base, home / "second", r=8)
    return Models(base, first, second, full)


async def finished(engine: Engine, work: Awaitable[T]) -> T:
    """What some work on an engine gives; the engine is closed after it."""
    try:
        return await work
    finally:
        await engine.close()


def endless(model: str = BASE) -> Ask:
    """A request whose answer takes long."""
    return ask(model, "Why?", max_new_tokens=450, temperature=2.0)


def ask(model: str, question: str, **settings: Any) -> Ask:
    """A greedy request of one question."""
    given = {"max_new_tokens": 24, "temperature": 0.0, "top_p": 1.0, "seed": 0} | settings
    return Ask(model, tuple(chat_template.ask(question)), **given)


async def answered(engine: Engine, one: Ask) -> tuple[str, Piece]:
    """The whole text, and the last piece without its own, which is what the clock made of it."""
    pieces = [piece async for piece in engine.answer(one)]
    assert [piece.finish_reason is None for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    assert {piece.n_prompt_tokens for piece in pieces} == {pieces[-1].n_prompt_tokens}
    counts = [piece.n_new_tokens for piece in pieces]
    assert counts == sorted(counts)
    return "".join(piece.text for piece in pieces), replace(pieces[-1], text="")


def assert_every_piece_is_counted(engine: Engine) -> None:
    """For a client's stop may make any the last one."""

    async def pieces() -> list[Piece]:
        return [piece async for piece in engine.answer(ask(BASE, QUESTIONS[0]))]

    found = asyncio.run(pieces())
    counts = [one.n_new_tokens for one in found]
    assert len(counts) > 1
    assert 0 < counts[0] <= counts[-1]
    assert {one.n_prompt_tokens for one in found} == {found[-1].n_prompt_tokens}


async def all_answered(engine: Engine, asks: Sequence[Ask]) -> list[tuple[str, Piece]]:
    """Answers to requests that are made at once, in their order."""
    return await asyncio.gather(*(answered(engine, one) for one in asks))


def evaluated(servable: Servable, questions: Sequence[str]) -> list[tuple[str, Generated]]:
    """Text and tokens of each question as the evaluation makes them."""
    tokenizer = loading.load_tokenizer(servable.folder)
    model = loading.load_model(
        servable.folder, dtype=servable.precision, device=Device.cpu, quantize=servable.quantize
    )
    if servable.adapter is not None:
        model = loading.load_adapter(model, servable.adapter)
    prompts = [
        chat_template.encode_prompt(
            tokenizer,
            chat_template.render_prompt(tokenizer, chat_template.ask(text), servable.think),
        )
        for text in questions
    ]
    made = generate(model, tokenizer, prompts, GREEDY, batch_size=2, seed=0)
    return [(tokenizer.decode(one.ids, skip_special_tokens=True), one) for one in made]

"""GGUF files in the real llama.cpp: answers as evaluated, and what a kill leaves."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.serving.engines import asking
from tests.serving.engines.asking import FIRST, FULL, QUESTIONS, SECOND, all_answered, ask
from titer.errors import ConfigError, LoadError, RateLimited, Unavailable
from titer.export import gguf_model
from titer.serving.engine import BASE
from titer.serving.engines import remote
from titer.serving.engines.llama_cpp import Gguf, LlamaCpp, LlamaLimits

NAMES = (BASE, FIRST, SECOND, FULL)
SMALL = LlamaLimits(n_rows=4, context=512, n_threads=1)


def start(models: asking.Models, files: dict[str, Gguf], **limits: Any) -> LlamaCpp:
    settings = {"n_rows": 4, "context": 512, "n_threads": 1} | limits
    servables = [one for one in models.servables() if one.name in files]
    return LlamaCpp(servables, files, limits=LlamaLimits(**settings))


@pytest.fixture
def engine(models: asking.Models, ggufs: dict[str, Gguf]) -> Iterator[LlamaCpp]:
    made = start(models, ggufs)
    yield made
    asyncio.run(made.close())


def test_mixed_greedy_answers_are_those_of_the_evaluation(
    models: asking.Models, engine: LlamaCpp
) -> None:
    asks = [ask(name, text) for text in QUESTIONS for name in NAMES]
    found = asyncio.run(all_answered(engine, asks))
    wanted = {one.name: asking.evaluated(one, QUESTIONS) for one in models.servables()}
    for one, (text, last) in zip(asks, found, strict=True):
        expected, made = wanted[one.model][QUESTIONS.index(one.messages[0]["content"])]
        # at the token limit llama.cpp leaves out half a character, which transformers marks
        assert text.rstrip("\ufffd") == expected.rstrip("\ufffd")
        assert (last.n_new_tokens, last.finish_reason) == (len(made.ids), made.finish_reason)


def test_every_piece_says_how_many_tokens_there_are(engine: LlamaCpp) -> None:
    asking.assert_every_piece_is_counted(engine)


def test_sampled_answers_repeat_with_their_seed(engine: LlamaCpp) -> None:
    def texts(seed: int) -> list[str]:
        asks = [ask(FIRST, text, temperature=1.5, seed=seed) for text in QUESTIONS]
        return [asyncio.run(asking.answered(engine, one))[0] for one in asks]

    assert texts(1) == texts(1) != texts(2)


def test_a_kill_in_mid_answer_is_unavailable_and_takes_no_other_model_along(
    models: asking.Models, engine: LlamaCpp
) -> None:
    async def kill() -> str:
        async with aclosing(engine.answer(asking.endless(FIRST))) as pieces:
            await anext(pieces)
            engine._children[FIRST].process.kill()
            async for _ in pieces:
                pass
        return "ended as if nothing were"

    with pytest.raises(Unavailable, match=r"llama\.cpp: gives no answer \(\w+\)\. Ask again"):
        asyncio.run(kill())
    assert engine.models() == {FULL}
    assert engine._children[FIRST].remote.waiting == 0
    text, _ = asyncio.run(asking.answered(engine, ask(FULL, "Why?")))
    assert text == asking.evaluated(models.servables()[3], ["Why?"])[0][0]


def test_a_killed_process_is_started_again_with_its_adapters(
    models: asking.Models, ggufs: dict[str, Gguf], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PAUSE_S", 0.2)
    engine = start(models, {name: ggufs[name] for name in (BASE, FIRST, SECOND)})

    async def scene() -> list[Any]:
        engine._children[BASE].process.kill()
        engine._children[BASE].process.wait()
        asks = [ask(name, QUESTIONS[0]) for name in (SECOND, FIRST, BASE)]
        return await all_answered(engine, asks)

    texts = [text for text, _ in asyncio.run(asking.finished(engine, scene()))]
    wanted = [asking.evaluated(one, QUESTIONS[:1])[0][0] for one in models.servables()[2::-1]]
    assert [text.rstrip("\ufffd") for text in texts] == [text.rstrip("\ufffd") for text in wanted]


def test_a_process_that_cannot_start_again_is_unavailable(
    models: asking.Models, ggufs: dict[str, Gguf], tmp_path: Path
) -> None:
    own = tmp_path / "own.gguf"
    shutil.copyfile(ggufs[BASE].model, own)
    engine = start(models, {BASE: Gguf(own)})

    async def scene() -> None:
        own.unlink()
        engine._children[BASE].process.kill()
        engine._children[BASE].process.wait()
        with pytest.raises(Unavailable, match=r"own\.gguf: llama\.cpp does not load it"):
            await asking.answered(engine, ask(BASE, "Why?"))
        assert engine.models() == frozenset()

    asyncio.run(asking.finished(engine, scene()))


def test_a_closed_iterator_frees_the_only_row(
    models: asking.Models, ggufs: dict[str, Gguf]
) -> None:
    engine = start(models, {BASE: ggufs[BASE]}, n_rows=1)

    async def leave_early() -> str:
        async with aclosing(engine.answer(asking.endless())) as pieces:
            await anext(pieces)
        assert engine._children[BASE].remote.waiting == 0
        return (await asyncio.wait_for(asking.answered(engine, ask(BASE, "Why?")), 30))[0]

    text = asyncio.run(asking.finished(engine, leave_early()))
    assert text == asking.evaluated(models.servables()[0], ["Why?"])[0][0]


def test_too_many_requests_and_too_long_a_prompt_are_refused(
    models: asking.Models, ggufs: dict[str, Gguf]
) -> None:
    engine = start(models, {BASE: ggufs[BASE]}, n_asked=2, context=128)

    async def ask_too_much() -> list[Any]:
        with pytest.raises(ConfigError, match="and the model's context 128"):
            await asking.answered(engine, ask(BASE, "lupus " * 300))
        asks = [ask(BASE, text) for text in QUESTIONS]
        return await asyncio.gather(
            *(asking.answered(engine, one) for one in asks), return_exceptions=True
        )

    tried = asyncio.run(asking.finished(engine, ask_too_much()))
    assert [type(one) for one in tried] == [tuple] * 2 + [RateLimited] * (len(QUESTIONS) - 2)


def test_close_finishes_what_was_asked_and_ends_the_processes(
    models: asking.Models, ggufs: dict[str, Gguf]
) -> None:
    engine = start(models, ggufs)

    async def close_early() -> list[tuple[str, Any]]:
        tasks = [asyncio.create_task(asking.answered(engine, ask(FIRST, t))) for t in QUESTIONS]
        while engine._children[FIRST].remote.waiting < len(QUESTIONS):
            await asyncio.sleep(0.005)
        await engine.close()
        return await asyncio.gather(*tasks)

    found = asyncio.run(close_early())
    wanted = asking.evaluated(models.servables()[1], QUESTIONS)
    assert [text for text, _ in found] == [text for text, _ in wanted]
    assert {child.process.returncode for child in engine._children.values()} == {0}


def test_nobody_without_the_key_is_answered(engine: LlamaCpp) -> None:
    address, _ = engine.address(BASE)
    said = requests.post(f"{address}/completion", json={"prompt": [5], "n_predict": 1}, timeout=10)
    assert said.status_code == 401


def test_files_that_llama_cpp_does_not_take_are_named(
    models: asking.Models, ggufs: dict[str, Gguf], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(ggufs[BASE].model.read_bytes()[:20_000])
    with pytest.raises(LoadError, match=r"broken\.gguf: llama\.cpp does not load it"):
        start(models, {BASE: Gguf(broken)})
    with pytest.raises(ConfigError, match=r"no GGUF file is named\. Make one with"):
        LlamaCpp(models.servables(), {BASE: ggufs[BASE]}, limits=SMALL)
    foreign = gguf_model.write_adapter(*_other_adapter(tmp_path), tmp_path / "foreign.gguf")
    with pytest.raises(LoadError, match=r"llama\.cpp does not load it"):
        start(models, {FIRST: Gguf(ggufs[BASE].model, foreign)})


def _other_adapter(home: Path) -> tuple[Path, Path]:
    base = asking.fine_tunes.base("Llama", home / "llama")
    return asking.fine_tunes.adapter(base, home / "other"), base

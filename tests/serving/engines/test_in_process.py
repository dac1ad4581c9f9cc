"""Models of this process: what is served is what was measured, whoever else is being served."""

import asyncio
import random
import shutil
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import small_models
from tests.serving.engines import asking
from tests.serving.engines.asking import FIRST, FULL, QUESTIONS, SECOND, all_answered, ask
from titer import files
from titer.errors import (
    BaseMismatch,
    ConfigError,
    LoadError,
    NotFound,
    RateLimited,
    TiterError,
    Unavailable,
)
from titer.serving.engine import BASE
from titer.serving.engines.in_process import InProcess, Limits

NAMES = (BASE, FIRST, SECOND, FULL)


@pytest.fixture(scope="module")
def engine(models: asking.Models) -> Iterator[InProcess]:
    made = InProcess(models.servables())
    yield made
    asyncio.run(made.close())


@pytest.mark.parametrize("quantize", [False, True], ids=["float32", "nf4"])
def test_greedy_answers_in_flight_are_those_of_the_evaluation(
    models: asking.Models, quantize: bool
) -> None:
    servables = models.servables(quantize=quantize)
    engine = InProcess(servables)
    wanted = {one.name: asking.evaluated(one, QUESTIONS) for one in servables}
    asks = [ask(name, text) for text in QUESTIONS for name in NAMES]
    found = asyncio.run(asking.finished(engine, all_answered(engine, asks)))
    for one, (text, last) in zip(asks, found, strict=True):
        at = QUESTIONS.index(one.messages[0]["content"])
        expected, made = wanted[one.model][at]
        assert text == expected
        assert (last.n_new_tokens, last.finish_reason) == (len(made.ids), made.finish_reason)
    texts = {name: tuple(text for text, _ in rows) for name, rows in wanted.items()}
    assert len(set(texts.values())) == len(NAMES), "models that answer alike prove nothing"


@pytest.mark.parametrize("name", ["GPT2", "Llama", "Mistral", "Qwen2"])
def test_other_architectures_answer_as_evaluated(name: str, tmp_path: Path) -> None:
    folder = asking.fine_tunes.base(name, tmp_path / name)
    servable = asking.Models(folder, folder, folder, folder).servable(BASE, folder)
    long = "Which antibody marks systemic lupus erythematosus, and what does belimumab bind? " * 3
    engine = InProcess([servable])
    questions = (*QUESTIONS, long)  # longer than Mistral's window of 64
    found = asyncio.run(
        asking.finished(engine, all_answered(engine, [ask(BASE, text) for text in questions]))
    )
    assert [text for text, _ in found] == [
        text for text, _ in asking.evaluated(servable, questions)
    ]


def test_encoder_decoders_are_refused_with_a_way_out(tmp_path: Path) -> None:
    folder = small_models.build("T5", tmp_path / "t5")
    servable = asking.Models(folder, folder, folder, folder).servable(BASE, folder)
    with pytest.raises(LoadError, match=r"it has an encoder\. Serve it with the engine"):
        InProcess([servable])


def mixed(n: int, seed: int) -> list[Any]:
    """Requests for all models in random order."""
    draw = random.Random(seed)
    return [ask(draw.choice(NAMES), draw.choice(QUESTIONS)) for _ in range(n)]


def assert_no_wrong_model(models: asking.Models, engine: InProcess, n: int, at_once: int) -> None:
    wanted = {
        (one.name, question): text
        for one in models.servables()
        for question, (text, _) in zip(QUESTIONS, asking.evaluated(one, QUESTIONS), strict=True)
    }
    asks, found = mixed(n, 7), list[tuple[Any, str]]()

    async def client(queue: Iterator[Any]) -> None:
        for one in queue:
            found.append((one, (await asking.answered(engine, one))[0]))

    async def clients() -> None:
        queue = iter(asks)
        await asyncio.gather(*(client(queue) for _ in range(at_once)))

    asyncio.run(clients())
    assert len(found) == n
    wrong = [one for one, text in found if text != wanted[one.model, one.messages[0]["content"]]]
    assert not wrong, f"{len(wrong)} of {n} answers came from another model"


def test_mixed_requests_never_get_another_models_answer(
    models: asking.Models, engine: InProcess
) -> None:
    assert_no_wrong_model(models, engine, 160, at_once=24)


@pytest.mark.slow
def test_2000_mixed_requests_never_get_another_models_answer(
    models: asking.Models, engine: InProcess
) -> None:
    assert_no_wrong_model(models, engine, 2000, at_once=32)


def test_every_piece_says_how_many_tokens_there_are(engine: InProcess) -> None:
    asking.assert_every_piece_is_counted(engine)


def test_sampled_answers_depend_on_their_seed_alone(engine: InProcess) -> None:
    asks = [
        ask(name, text, temperature=1.0, top_p=0.9, seed=seed)
        for seed, (text, name) in enumerate((t, n) for t in QUESTIONS for n in NAMES)
    ]
    together = asyncio.run(all_answered(engine, asks))
    alone = [asyncio.run(asking.answered(engine, one)) for one in asks[:8]]
    assert [text for text, _ in alone] == [text for text, _ in together[:8]]
    other = asyncio.run(all_answered(engine, [replace(one, seed=one.seed + 99) for one in asks]))
    assert sum(a[0] != b[0] for a, b in zip(together, other, strict=True)) > len(asks) // 2


def test_long_and_short_answers_share_few_slots(models: asking.Models) -> None:
    engine = InProcess(models.servables()[:3], limits=Limits(n_rows=3, n_tokens=3 * 160))
    asks = [
        ask(name, text, max_new_tokens=3 + 7 * n)
        for n, text in enumerate(QUESTIONS)
        for name in NAMES[:3]
    ]
    found = asyncio.run(asking.finished(engine, all_answered(engine, asks)))
    alone = InProcess(models.servables()[:3])
    for one, (text, last) in zip(asks, found, strict=True):
        assert (text, last) == asyncio.run(_whole(alone, one))
    asyncio.run(alone.close())


async def _whole(engine: InProcess, one: Any) -> Any:
    return await asking.answered(engine, one)


def n_asked(engine: InProcess) -> int:
    """Requests queued or being answered, all for the base's weights."""
    worker = engine._workers[BASE]
    with worker._changed:
        return worker._n_asked()


def test_a_closed_iterator_frees_its_slot(models: asking.Models) -> None:
    engine = InProcess(models.servables()[:1], limits=Limits(n_rows=1, n_queued=4))

    async def leave_early() -> tuple[int, str]:
        async with aclosing(engine.answer(asking.endless())) as pieces:
            await anext(pieces)
            assert n_asked(engine) == 1
        text, _ = await asyncio.wait_for(asking.answered(engine, ask(BASE, QUESTIONS[0])), 30)
        return n_asked(engine), text

    waiting, text = asyncio.run(asking.finished(engine, leave_early()))
    assert waiting == 0
    assert text == asking.evaluated(models.servables()[0], QUESTIONS[:1])[0][0]


def test_a_cancelled_task_leaves_the_queue(models: asking.Models) -> None:
    engine = InProcess(models.servables()[:1], limits=Limits(n_rows=1, n_queued=1))

    async def cancel() -> int:
        running = asyncio.create_task(asking.answered(engine, asking.endless()))
        await _until(lambda: n_asked(engine) == 1)
        await asyncio.sleep(0.1)
        queued = asyncio.create_task(asking.answered(engine, asking.endless()))
        await _until(lambda: n_asked(engine) == 2)
        for task in (running, queued):
            task.cancel()
        await asyncio.gather(running, queued, return_exceptions=True)
        await asyncio.wait_for(asking.answered(engine, ask(BASE, "Why?")), 30)
        return n_asked(engine)

    assert asyncio.run(asking.finished(engine, cancel())) == 0


def test_a_full_queue_refuses_and_recovers(models: asking.Models) -> None:
    engine = InProcess(models.servables()[:1], limits=Limits(n_rows=2, n_queued=3))

    async def flood() -> tuple[list[Any], str]:
        asks = [ask(BASE, "Why?", max_new_tokens=200, temperature=1.0, seed=n) for n in range(24)]
        tried = await asyncio.gather(
            *(asking.answered(engine, one) for one in asks), return_exceptions=True
        )
        return tried, (await asking.answered(engine, ask(BASE, "Why?")))[0]

    tried, after = asyncio.run(asking.finished(engine, flood()))
    refused = [one for one in tried if isinstance(one, BaseException)]
    assert {type(one) for one in refused} == {RateLimited}
    assert str(refused[0]) == "base: 5 requests wait already. Ask again later"
    assert 5 <= len(tried) - len(refused) < 24
    assert after == asking.evaluated(models.servables()[0], ["Why?"])[0][0]


def test_a_prompt_without_room_is_refused_and_a_tight_one_cut_short(engine: InProcess) -> None:
    with pytest.raises(
        ConfigError, match=r"base: the prompt has \d+ tokens and the model's context"
    ):
        asyncio.run(asking.answered(engine, ask(BASE, "lupus " * 600)))
    n_over = asyncio.run(asking.answered(engine, ask(BASE, "a b c d e f g", max_new_tokens=1)))[1]
    assert (n_over.n_new_tokens, n_over.finish_reason) == (1, "length")
    text = "word " * ((512 - n_over.n_prompt_tokens) // 4)
    last = asyncio.run(asking.answered(engine, ask(BASE, text, max_new_tokens=10_000)))[1]
    assert last.n_prompt_tokens + last.n_new_tokens <= 512


def test_an_unknown_model_is_named(engine: InProcess) -> None:
    with pytest.raises(ConfigError, match=r"\.\./base: no such model here"):
        asyncio.run(asking.answered(engine, ask("../base", "Why?")))


def test_close_finishes_what_was_asked_and_refuses_what_comes(models: asking.Models) -> None:
    engine = InProcess(models.servables()[:2])

    async def close_early() -> tuple[list[str], list[TiterError]]:
        asks = [ask(name, text) for text in QUESTIONS for name in NAMES[:2]]
        tasks = [asyncio.create_task(asking.answered(engine, one)) for one in asks]
        await _until(lambda: n_asked(engine) == len(asks))
        closing = asyncio.create_task(engine.close())
        await asyncio.sleep(0)
        late = await asyncio.gather(
            asking.answered(engine, ask(BASE, "Why?")), return_exceptions=True
        )
        await closing
        return [text for text, _ in await asyncio.gather(*tasks)], late  # type: ignore[return-value]

    texts, late = asyncio.run(close_early())
    wanted = [asking.evaluated(one, QUESTIONS) for one in models.servables()[:2]]
    assert texts == [rows[n][0] for n in range(len(QUESTIONS)) for rows in wanted]
    assert isinstance(late[0], Unavailable | RuntimeError)
    assert engine.models() == frozenset()


def test_a_failing_step_fails_its_requests_and_no_others(models: asking.Models) -> None:
    engine = InProcess(models.servables())
    weights = engine._workers[BASE]._model.model

    def out_of_memory(*_: Any) -> Any:
        raise RuntimeError("not enough memory: you tried to allocate 8 bytes\nmore")

    async def scene() -> tuple[Any, str, str]:
        fault = weights.register_forward_pre_hook(out_of_memory)
        both = await asyncio.gather(
            asking.answered(engine, ask(FIRST, "Why?")),
            asking.answered(engine, ask(FULL, "Why?")),
            return_exceptions=True,
        )
        fault.remove()
        return both[0], both[1][0], (await asking.answered(engine, ask(FIRST, "Why?")))[0]  # type: ignore[index]

    failed, other, after = asyncio.run(asking.finished(engine, scene()))
    assert isinstance(failed, Unavailable)
    assert "failed in mid-answer: not enough memory" in str(failed)
    servables = {one.name: one for one in models.servables()}
    assert other == asking.evaluated(servables[FULL], ["Why?"])[0][0]
    assert after == asking.evaluated(servables[FIRST], ["Why?"])[0][0]


def test_what_was_not_evaluated_is_refused_at_the_start(
    models: asking.Models, tmp_path: Path
) -> None:
    base = models.servables()[0]
    with pytest.raises(BaseMismatch, match="base: the chat template of"):
        InProcess([replace(base, template_sha256="0" * 64)])
    with pytest.raises(ConfigError, match="a name stands twice"):
        InProcess([base, base])
    with pytest.raises(NotFound, match=r"no adapter_model\.safetensors"):
        InProcess([replace(base, adapter=tmp_path)])
    other = asking.fine_tunes.base("Llama", tmp_path / "llama", intermediate_size=128)
    foreign = asking.fine_tunes.adapter(other, tmp_path / "foreign")
    with pytest.raises(BaseMismatch, match="made for another base"):
        InProcess([replace(base, name=FIRST, adapter=_wider(foreign, tmp_path / "wider"))])


def _wider(adapter: Path, out: Path) -> Path:
    """The adapter as one of a model with other widths."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(adapter, out)
    weights = load_file(out / "adapter_model.safetensors")
    wide = {name: value.repeat(2, 2) for name, value in weights.items()}
    save_file(wide, out / "adapter_model.safetensors")
    config = files.read_json(out / "adapter_config.json")
    files.write_json(out / "adapter_config.json", config | {"r": config["r"] * 2})
    return out


async def _until(holds: Any) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.005)

"""A server with OpenAI's completions: the real llama.cpp, and a stand-in for what goes wrong."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from tests.serving.engines import asking
from tests.serving.engines.asking import FULL, QUESTIONS, all_answered, ask
from tests.standin import llm
from tests.standin.llm import Reply
from titer.errors import ConfigError, RateLimited, SourceError, Unavailable
from titer.serving.engine import BASE, Piece
from titer.serving.engines.llama_cpp import Gguf, LlamaCpp, LlamaLimits
from titer.serving.engines.vllm import Address, Vllm

KEY = "sk-not-a-real-key"


@pytest.fixture
def server(models: asking.Models, ggufs: dict[str, Gguf]) -> Iterator[LlamaCpp]:
    limits = LlamaLimits(n_rows=4, context=512, n_threads=1)
    made = LlamaCpp(models.servables()[3:], ggufs, limits=limits)
    yield made
    asyncio.run(made.close())


def beside(models: asking.Models, server: LlamaCpp) -> Vllm:
    """An engine that asks llama.cpp's own OpenAI address."""
    address, key = server.address(FULL)
    return Vllm(models.servables()[3:], Address(f"{address}/v1", key))


def test_answers_of_an_openai_style_server_are_those_of_the_evaluation(
    models: asking.Models, server: LlamaCpp
) -> None:
    engine = beside(models, server)
    asks = [ask(FULL, text) for text in QUESTIONS]
    found = asyncio.run(asking.finished(engine, all_answered(engine, asks)))
    for (text, last), (wanted, made) in zip(
        found, asking.evaluated(models.servables()[3], QUESTIONS), strict=True
    ):
        assert text == wanted
        assert (last.n_new_tokens, last.finish_reason) == (len(made.ids), made.finish_reason)


def test_a_server_killed_in_mid_answer_is_unavailable(
    models: asking.Models, server: LlamaCpp
) -> None:
    engine = beside(models, server)

    async def kill() -> None:
        async with aclosing(engine.answer(asking.endless(FULL))) as pieces:
            await anext(pieces)
            server._children[FULL].process.kill()
            async for _ in pieces:
                pass

    assert engine.models() == {FULL}
    with pytest.raises(Unavailable, match=r"vLLM: gives no answer \(\w+\)\. Ask again"):
        asyncio.run(kill())
    assert engine.models() == frozenset()
    assert engine._remote.waiting == 0


def stream(*events: Any) -> bytes:
    lines = [one if isinstance(one, str) else json.dumps(one) for one in events]
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def text(piece: str, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "text": piece, "finish_reason": finish_reason}], **more}


USAGE = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}


def asked_once(models: asking.Models, reply: Reply, **address: Any) -> tuple[Any, llm.Service]:
    """What the engine makes of one reply, and what the service was sent."""
    with llm.serve([reply]) as service:
        engine = Vllm(models.servables()[:1], Address(service.url, KEY, **address))
        work = asking.answered(engine, ask(BASE, "Why?", seed=5, top_p=0.9, temperature=0.7))
        try:
            found = asyncio.run(asking.finished(engine, work))
        except Exception as error:
            assert KEY not in str(error)
            found = error
        return found, service


def test_the_prompt_goes_as_ids_with_every_sampling_setting_named(models: asking.Models) -> None:
    reply = Reply(body=stream(text("An"), text("swer", "stop"), USAGE, "[DONE]"))
    (found, last), service = asked_once(models, reply, names={BASE: "Qwen/base"})
    assert found == "Answer"
    assert (last.finish_reason, last.n_new_tokens) == ("stop", 2)
    (sent,) = service.requests
    assert sent["path"] == "/v1/completions"
    assert sent["model"] == "Qwen/base"
    assert all(isinstance(one, int) for one in sent["prompt"])
    assert len(sent["prompt"]) == last.n_prompt_tokens
    wanted = {
        "temperature": 0.7, "top_p": 0.9, "seed": 5, "max_tokens": 24, "top_k": -1, "min_p": 0.0,
        "repetition_penalty": 1.0, "stop_token_ids": [2], "stream": True,
    }  # fmt: skip
    assert {name: sent[name] for name in wanted} == wanted
    assert service.keys == [f"Bearer {KEY}"]


def test_every_piece_says_how_many_tokens_there_are(models: asking.Models) -> None:
    """As vLLM does with continuous_usage_stats: the end token is counted with the last text."""
    counts = [("An", None, 2), ("swe", None, 4), ("r", "stop", 6)]
    events = [text(said, why, usage={"completion_tokens": n}) for said, why, n in counts]

    async def pieces(url: str) -> list[Piece]:
        engine = Vllm(models.servables()[:1], Address(url))
        found = [piece async for piece in engine.answer(ask(BASE, "Why?"))]
        await engine.close()
        return found

    with llm.serve([Reply(body=stream(*events, "[DONE]"))]) as service:
        found = asyncio.run(pieces(service.url))
    assert [one.n_new_tokens for one in found] == [2, 4, 5, 5]
    assert {one.n_prompt_tokens for one in found} == {len(service.requests[0]["prompt"])}
    assert service.requests[0]["stream_options"]["continuous_usage_stats"]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(body=stream(text("half an"))), Unavailable),
        (Reply(body=stream(text("half"), text("", "abort"))), Unavailable),
        (Reply(body=stream(text("half"), {"error": {"message": "engine died"}})), Unavailable),
        (Reply(body=b"data: {half\n\n"), Unavailable),
        (Reply(body=b"data: [1]\n\n"), Unavailable),
        (Reply(body=f"busy {KEY}".encode(), status=429), RateLimited),
        (Reply(body=f"wrong key {KEY}".encode(), status=401), Unavailable),
        (Reply(body=b"prompt too long", status=400), ConfigError),
        (Reply(body=b"no such model", status=404), SourceError),
        (Reply(body=b"CUDA error", status=500), Unavailable),
        (Reply(body=b"", status=302, headers={"Location": "/elsewhere"}), SourceError),
    ],
    ids=["cut", "abort", "error", "json", "shape", "429", "401", "400", "404", "500", "302"],
)
def test_what_is_no_whole_answer_is_an_error(
    models: asking.Models, reply: Reply, error: type[Exception]
) -> None:
    found, _ = asked_once(models, reply)
    assert type(found) is error


def test_a_server_that_is_not_there_counts_as_gone_for_a_while(
    models: asking.Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    from titer.serving.engines import remote

    monkeypatch.setattr(remote, "PAUSE_S", 0.2)
    with llm.serve([Reply()]) as service:
        address = Address(service.url)
    engine = Vllm(models.servables()[:1], address)

    async def scene() -> None:
        with pytest.raises(Unavailable, match="ConnectError"):
            await asking.answered(engine, ask(BASE, "Why?"))
        assert engine.models() == frozenset()
        await asyncio.sleep(0.25)
        assert engine.models() == {BASE}

    asyncio.run(asking.finished(engine, scene()))


def test_an_address_that_would_show_the_key_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--url: gpu.example.org .* TITER_VLLM_API_KEY"):
        Address("http://gpu.example.org:8000/v1", KEY)
    assert KEY not in repr(Address("http://127.0.0.1:8000/v1", KEY))

"""`/v1`: what OpenAI's clients are told, and by which model."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.serving import gateways
from tests.serving.broken import Scripted
from tests.serving.engines import asking
from tests.serving.gateways import ACTIVE, CHEMISTRY, DOMAINS, LUPUS, Opened, completion
from titer.serving.catalogue import Catalogue
from titer.serving.engine import BASE
from titer.serving.engines.in_process import InProcess

SERVED_BY = {"domain", "adapter", "version", "base_revision", "engine", "fallback"}


async def post(gateway: Opened, owner: str, body: Any, path: str = "/v1/chat/completions") -> Any:
    async with gateway.client(gateway.keys[owner]) as client:
        return await client.post(path, json=body)


def test_models_are_those_that_the_key_opens(gateway: Opened) -> None:
    async def listed(owner: str) -> list[str]:
        async with gateway.client(gateway.keys[owner]) as client:
            reply = await client.get("/v1/models")
        assert reply.status_code == 200
        return [one["id"] for one in reply.json()["data"]]

    assert asyncio.run(listed(LUPUS)) == [BASE, LUPUS, ACTIVE[LUPUS]]
    assert asyncio.run(listed("admin")) == [BASE, *sorted(DOMAINS), *sorted(ACTIVE.values())]


@pytest.mark.parametrize("domain", DOMAINS)
def test_an_answer_is_that_of_the_evaluation_and_says_who_gave_it(
    gateway: Opened, served: Catalogue, domain: str
) -> None:
    offer = served.offers[ACTIVE[domain]]
    [(text, made)] = asking.evaluated(offer.servable, [gateways.QUESTION])
    reply = asyncio.run(post(gateway, domain, completion(domain)))
    assert reply.status_code == 200, reply.text
    found = reply.json()
    assert found["choices"][0]["message"]["content"] == text.strip()
    assert found["choices"][0]["finish_reason"] == made.finish_reason
    assert found["usage"]["completion_tokens"] == len(made.ids)
    assert found["model"] == ACTIVE[domain]
    by = found["served_by"]
    assert set(by) == SERVED_BY
    assert (by["domain"], f"{by['adapter']}@{by['version']}") == (domain, ACTIVE[domain])
    assert (by["engine"], by["fallback"]) == ("transformers", False)


def test_a_stream_says_the_same_in_parts(gateway: Opened) -> None:
    whole = asyncio.run(post(gateway, CHEMISTRY, completion(CHEMISTRY))).json()
    wanted = completion(CHEMISTRY, stream=True, stream_options={"include_usage": True})
    reply = asyncio.run(post(gateway, CHEMISTRY, wanted))
    assert reply.headers["content-type"].startswith("text/event-stream")
    *chunks, usage, done = gateways.events(reply.text)
    texts = [one["choices"][0]["delta"].get("content", "") for one in chunks]
    assert done == "[DONE]"
    assert "".join(texts) == whole["choices"][0]["message"]["content"]
    assert len(texts) > 3
    assert usage["usage"] == whole["usage"]
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert all(one["served_by"] == whole["served_by"] for one in chunks)


def test_a_stop_ends_the_answer_and_is_left_out(gateway: Opened) -> None:
    whole = asyncio.run(post(gateway, LUPUS, completion(LUPUS))).json()
    text = whole["choices"][0]["message"]["content"]
    stop = text[6:9]
    for stream in (False, True):
        body = completion(LUPUS, stop=[stop, "never said"], stream=stream)
        reply = asyncio.run(post(gateway, LUPUS, body))
        if stream:
            chunks = gateways.events(reply.text)[:-1]
            found = "".join(one["choices"][0]["delta"].get("content", "") for one in chunks)
            reason = chunks[-1]["choices"][0]["finish_reason"]
        else:
            choice = reply.json()["choices"][0]
            found, reason = choice["message"]["content"], choice["finish_reason"]
        assert found == text[: text.index(stop)].rstrip()
        assert reason == "stop"
    first, *stopped = gateway.lines()
    for line in stopped:
        assert line["n_prompt_tokens"] == first["n_prompt_tokens"] > 0
        assert 0 < line["n_new_tokens"] <= first["n_new_tokens"]


def test_an_answer_of_no_text_has_no_tokens(tmp_path: Path, served: Catalogue) -> None:
    gateway = gateways.opened(tmp_path, served, [Scripted([BASE])])
    reply = asyncio.run(post(gateway, LUPUS, completion(BASE)))
    assert reply.json()["usage"]["completion_tokens"] == 0


def test_a_stop_behind_a_late_thought_ends_the_answer_and_not_the_thought(
    tmp_path: Path, served: Catalogue
) -> None:
    texts = ["let me think of it. ", "</think>\n", "The real answer", " STOP more"]
    gateway = gateways.opened(tmp_path, served, [Scripted([BASE], texts)])
    choice = asyncio.run(post(gateway, LUPUS, completion(BASE, stop=["STOP"]))).json()["choices"][0]
    assert choice["message"]["content"] == "The real answer"
    streamed = asyncio.run(post(gateway, LUPUS, completion(BASE, stop=["STOP"], stream=True)))
    assert gateways.events(streamed.text)[-1]["error"]["code"] == "void"  # the thought was sent


def test_a_stop_in_an_answer_that_was_held_back_is_one_in_both_forms(
    tmp_path: Path, served: Catalogue
) -> None:
    offers = {BASE: replace(served.base, may_open_thought=True)}
    engine = Scripted([BASE], ["The answer", " STOP more"], finish_reason="length")
    gateway = gateways.opened(tmp_path, Catalogue(offers), [engine])
    choice = asyncio.run(post(gateway, LUPUS, completion(BASE, stop=["STOP"]))).json()["choices"][0]
    body = completion(BASE, stop=["STOP"], stream=True)
    chunks = gateways.events(asyncio.run(post(gateway, LUPUS, body)).text)[:-1]
    deltas = [one["choices"][0] for one in chunks]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("The answer", "stop")
    assert "".join(one["delta"].get("content", "") for one in deltas) == "The answer"
    assert deltas[-1]["finish_reason"] == "stop"


def test_a_wish_for_more_tokens_is_clamped(
    tmp_path: Path, served: Catalogue, engine: InProcess
) -> None:
    small = gateways.opened(tmp_path, served, [engine], max_new_tokens=3)
    reply = asyncio.run(post(small, LUPUS, completion(LUPUS, max_tokens=10**9)))
    assert reply.status_code == 200
    assert reply.json()["usage"]["completion_tokens"] == 3

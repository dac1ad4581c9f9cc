"""Engines that fail: the right status, a flagged fallback, and nothing left behind."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.serving import gateways
from tests.serving.broken import Scripted
from tests.serving.gateways import ACTIVE, CHEMISTRY, LUPUS, Opened, completion
from titer import files
from titer.errors import RateLimited, Unavailable
from titer.serving.catalogue import Catalogue
from titer.serving.engine import BASE
from titer.serving.engines.in_process import InProcess

DEAD = Unavailable("the child /home/someone/models died")
PATH = "/v1/chat/completions"


def asked(gateway: Opened, body: Any, path: str = PATH, owner: str = LUPUS) -> Any:
    async def send() -> Any:
        async with gateway.client(gateway.keys[owner]) as client:
            return await client.post(path, json=body)

    return asyncio.run(send())


def fallbacks(gateway: Opened, domain: str) -> float:
    async def scraped() -> str:
        async with gateway.client() as client:
            return (await client.get("/metrics")).text

    start = f'titer_fallbacks_total{{domain="{domain}"}} '
    lines = asyncio.run(scraped()).splitlines()
    return next((float(line.removeprefix(start)) for line in lines if line.startswith(start)), 0.0)


@pytest.fixture
def without_active(served: Catalogue) -> Catalogue:
    """The lupus domain has no active version."""
    active = {domain: name for domain, name in ACTIVE.items() if domain != LUPUS}
    return Catalogue(served.offers, active, served.domains)


def test_a_domain_without_a_version_is_answered_by_the_base_and_says_so(
    tmp_path: Path, without_active: Catalogue, engine: InProcess
) -> None:
    gateway = gateways.opened(tmp_path, without_active, [engine])
    as_base = asked(gateway, completion(BASE)).json()
    for stream in (False, True):
        reply = asked(gateway, completion(LUPUS, stream=stream))
        assert reply.status_code == 200
        found = gateways.events(reply.text)[0] if stream else reply.json()
        assert found["served_by"] == {
            **as_base["served_by"], "domain": LUPUS, "fallback": True, "adapter": None,
        }  # fmt: skip
        assert found["model"] == BASE
    assert reply.status_code == 200
    whole = asked(gateway, completion(LUPUS)).json()
    assert whole["choices"][0]["message"] == as_base["choices"][0]["message"]
    assert not as_base["served_by"]["fallback"]
    predicted = asked(gateway, {"question": gateways.QUESTION}, "/predict").json()
    assert predicted["served_by"]["fallback"]
    assert fallbacks(gateway, LUPUS) == 4
    assert [line["fallback"] for line in gateway.lines()] == [False, True, True, True, True]
    assert not asked(gateway, completion(CHEMISTRY), owner=CHEMISTRY).json()["served_by"][
        "fallback"
    ]


@pytest.mark.parametrize("error", [DEAD, None], ids=["refuses", "says nothing"])
def test_a_version_whose_engine_died_falls_back_before_the_first_word(
    tmp_path: Path, served: Catalogue, engine: InProcess, error: Unavailable | None
) -> None:
    dead = Scripted([ACTIVE[LUPUS]], error=error, finish_reason=None)
    gateway = gateways.opened(tmp_path, served, [dead, engine])
    reply = asked(gateway, completion(LUPUS))
    assert reply.status_code == 200
    assert reply.json()["served_by"]["fallback"]
    assert fallbacks(gateway, LUPUS) == 1


def test_a_death_in_mid_answer_is_said_and_half_an_answer_is_not_one(
    tmp_path: Path, served: Catalogue
) -> None:
    dying = Scripted([BASE, ACTIVE[LUPUS]], ["Half an ", "answer"], error=DEAD)
    gateway = gateways.opened(tmp_path, served, [dying])
    reply = asked(gateway, completion(LUPUS))
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "broke_off")
    assert "Half" not in reply.text
    assert "home" not in reply.text
    streamed = asked(gateway, completion(LUPUS, stream=True))
    *_, last = gateways.events(streamed.text)
    assert last["error"]["code"] == "broke_off"  # and no [DONE]
    assert [line["outcome"] for line in gateway.lines()] == ["broke_off", "broke_off"]
    assert dying.n_open == 0


def test_an_engine_that_ends_without_a_reason_broke_off(tmp_path: Path, served: Catalogue) -> None:
    ending = Scripted([BASE], ["Half"], finish_reason=None)
    gateway = gateways.opened(tmp_path, served, [ending])
    assert asked(gateway, completion(BASE)).json()["error"]["code"] == "broke_off"


def test_without_any_engine_503_and_the_health_says_so(tmp_path: Path, served: Catalogue) -> None:
    gateway = gateways.opened(tmp_path, served, [Scripted([])])
    reply = asked(gateway, completion(LUPUS))
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "unavailable")
    assert "Retry-After" in reply.headers

    async def health() -> Any:
        async with gateway.client() as client:
            return await client.get("/health")

    assert asyncio.run(health()).status_code == 503


def test_a_full_queue_of_the_engine_is_429(tmp_path: Path, served: Catalogue) -> None:
    full = Scripted([BASE, ACTIVE[LUPUS]], error=RateLimited("full"))
    gateway = gateways.opened(tmp_path, served, [full])
    reply = asked(gateway, completion(LUPUS))
    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "queue_full")


@pytest.mark.parametrize("texts", [[], ["Half"]], ids=["before", "in mid-answer"])
def test_an_answer_that_takes_too_long_is_504_and_ends_the_work(
    tmp_path: Path, served: Catalogue, texts: list[str]
) -> None:
    slow = Scripted([BASE, ACTIVE[LUPUS]], texts, wait_s=30)
    gateway = gateways.opened(tmp_path, served, [slow], answer_s=1, n_waiting=1)
    for _ in range(2):  # its place was given back
        reply = asked(gateway, completion(LUPUS))
        assert (reply.status_code, reply.json()["error"]["code"]) == (504, "time_limit")
    assert slow.n_open == 0
    if texts:
        *_, last = gateways.events(asked(gateway, completion(LUPUS, stream=True)).text)
        assert last["error"]["code"] == "time_limit"
        assert slow.n_open == 0


@pytest.mark.parametrize("stream", [True, False], ids=["in the stream", "before the reply"])
def test_a_client_that_goes_away_frees_its_place(
    tmp_path: Path, served: Catalogue, stream: bool
) -> None:
    endless = Scripted([BASE, ACTIVE[LUPUS]], ["word "] * 3, wait_s=30)
    gateway = gateways.opened(tmp_path, served, [endless], n_waiting=1)
    said: list[Any] = []

    async def leave() -> None:
        """As a server tells of it: the body, then that the client has gone."""
        body = files.dump_json(completion(LUPUS, stream=stream)).encode()
        sent = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Any:
            message = next(sent, None)
            if message is None:
                while len(said) < 3 if stream else not endless.n_open:
                    await asyncio.sleep(0.01)
                return {"type": "http.disconnect"}
            return message

        async def send(message: Any) -> None:
            said.append(message)

        headers = [(b"authorization", f"Bearer {gateway.keys[LUPUS]}".encode()),
                   (b"content-type", b"application/json")]  # fmt: skip
        scope = {
            "type": "http", "method": "POST", "path": PATH, "raw_path": PATH.encode(),
            "query_string": b"", "headers": headers, "client": ("192.0.2.1", 1),
            "server": ("gateway", 80), "scheme": "http", "root_path": "", "http_version": "1.1",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
        }  # fmt: skip
        await gateway.app(scope, receive, send)

    asyncio.run(leave())
    assert endless.n_open == 0
    assert stream or not said
    [line] = gateway.lines()
    assert (line["outcome"], line["status"]) == ("client_gone", 200 if stream else 499)
    assert asked(gateway, completion("nonesuch")).status_code == 404  # the gateway lives on


def test_metrics_count_by_reason_and_hold_nothing_of_a_client(
    tmp_path: Path, served: Catalogue, engine: InProcess
) -> None:
    gateway = gateways.opened(tmp_path, served, [engine])
    for body in (completion(LUPUS), completion("CANARY"), {"CANARY": 1}):
        asked(gateway, body)
    asked(gateway, {}, "/CANARY")

    async def scraped() -> str:
        async with gateway.client() as client:
            return (await client.get("/metrics")).text

    text = asyncio.run(scraped())
    ok = f'titer_requests_total{{endpoint="POST {PATH}",outcome="ok",status="200"}} 1.0'
    assert ok in text
    for reason in ("model_not_found", "invalid_request", "no_such_page"):
        assert f'titer_refusals_total{{reason="{reason}"}} 1.0' in text
    assert f'titer_request_seconds_count{{endpoint="POST {PATH}"}} 3.0' in text
    assert "titer_waiting 0.0" in text
    assert "CANARY" not in text

"""Whatever is too large, too deep, too much or too slow has a status of its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import gateways
from tests.serving.gateways import LUPUS, Opened, completion
from titer.errors import ConfigError
from titer.serving import limits
from titer.serving.catalogue import Catalogue
from titer.serving.engines.in_process import InProcess
from titer.serving.limits import Limits

LARGE = 10 * 2**20
PATH = "/v1/chat/completions"


def sent(gateway: Opened, content: Any, path: str = PATH, **headers: str) -> Any:
    async def send() -> Any:
        async with gateway.client(gateway.keys[LUPUS]) as client:
            given = {"Content-Type": "application/json"} | headers
            return await client.post(path, content=content, headers=given)

    return asyncio.run(send())


def turns(*roles: str) -> bytes:
    messages = [{"role": role, "content": "a"} for role in roles]
    return json.dumps({"model": LUPUS, "messages": messages}).encode()


def code(reply: Any) -> tuple[int, str]:
    assert set(reply.json()) == {"error"}
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}
    return reply.status_code, reply.json()["error"]["code"]


def test_ten_megabytes_are_refused_by_their_length_and_by_their_bytes(gateway: Opened) -> None:
    body = json.dumps(completion(LUPUS, "x" * LARGE)).encode()
    assert code(sent(gateway, body)) == (413, "body_too_large")
    taken = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal taken
        for start in range(0, len(body), 65_536):
            taken += 65_536
            yield body[start : start + 65_536]

    assert code(sent(gateway, parts())) == (413, "body_too_large")
    # httpx's transport hands over part by part, as a server does: the rest was never read
    assert taken <= Limits().body_bytes + 2 * 65_536


def test_a_body_that_does_not_come_is_not_waited_for(
    tmp_path: Path, served: Catalogue, engine: InProcess
) -> None:
    gateway = gateways.opened(tmp_path, served, [engine], body_s=1)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(30)

    assert code(sent(gateway, slow())) == (408, "body_too_slow")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 422), (b"", 422), (b"null", 422), (b"[]", 422), (b'"text"', 422), (b"\xff\xfe", 422),
        (b"[" * 100_000, 400), (b'{"a":' * 50_000, 400), (b"1" * 5_000, 400),
        (b'{"model": "\\ud800", "messages": [{"role": "user", "content": "a"}]}', 422),
        (b'{"model": "lupus", "messages": [{"role": "user", "content": "\\udfff"}]}', 422),
        (json.dumps(completion(LUPUS, temperature=float("nan"))).encode(), 422),
        (json.dumps(completion(LUPUS, temperature=float("inf"))).encode(), 422),
        (json.dumps(completion(LUPUS, max_tokens=0)).encode(), 422),
        (json.dumps(completion(LUPUS, max_tokens=1.5)).encode(), 422),
        (json.dumps(completion(LUPUS, seed=2**64)).encode(), 422),
        (json.dumps(completion(LUPUS, n=2)).encode(), 422),
        (json.dumps(completion(LUPUS, tools=[])).encode(), 422),
        (json.dumps(completion(LUPUS, stop=[""])).encode(), 422),
        (json.dumps(completion("")).encode(), 422),
        (json.dumps({"model": LUPUS, "messages": []}).encode(), 422),
        (turns("tool"), 422), (turns("assistant"), 422), (turns(*["user"] * 65), 422),
    ],
)  # fmt: skip
def test_a_body_that_is_no_request_is_a_fault_of_the_client(
    gateway: Opened, content: bytes, status: int
) -> None:
    assert sent(gateway, content).status_code == status


def test_a_refused_body_is_not_repeated_in_the_reply(gateway: Opened) -> None:
    secret = "CANARY-4711"
    body = {"model": LUPUS, "messages": [{"role": secret, "content": [secret]}], secret[:3]: secret}
    reply = sent(gateway, json.dumps(body).encode())
    assert reply.status_code == 422
    assert secret not in reply.text


def test_a_prompt_longer_than_the_context_says_so(gateway: Opened) -> None:
    reply = sent(gateway, json.dumps(completion(LUPUS, "lupus " * 5_000)).encode())
    assert code(reply) == (400, "context_length_exceeded")
    assert str(gateway.root) not in reply.text


def test_more_than_the_queue_holds_is_429_and_the_rest_is_answered(
    tmp_path: Path, served: Catalogue, engine: InProcess
) -> None:
    gateway = gateways.opened(tmp_path, served, [engine], n_waiting=4)

    async def crowd() -> list[Any]:
        async with gateway.client(gateway.keys[LUPUS]) as client:
            asked = (client.post(PATH, json=completion(LUPUS)) for _ in range(12))
            replies = await asyncio.gather(*asked)
            return [*replies, await client.post(PATH, json=completion(LUPUS))]

    *replies, after = asyncio.run(crowd())
    refused = [one for one in replies if one.status_code != 200]
    assert len(refused) == 8
    assert {code(one) for one in refused} == {(429, "queue_full")}
    assert all(int(one.headers["Retry-After"]) >= 1 for one in refused)
    assert after.status_code == 200


def test_a_rate_over_its_limit_is_429_with_a_time(
    tmp_path: Path, served: Catalogue, engine: InProcess
) -> None:
    gateway = gateways.opened(tmp_path, served, [engine], key_per_minute=3)
    found = [sent(gateway, b"{}", "/predict").status_code for _ in range(4)]
    assert found == [422, 422, 422, 429]


@pytest.mark.parametrize("path", ["/predict", "/chat"])
def test_a_password_in_the_body_is_refused_and_written_nowhere(
    gateway: Opened, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    caplog.set_level(0)
    body = {"researcher": "r", "chatting": "Why?", "question": "Why?", "password": "CANARY-1122"}
    reply = sent(gateway, json.dumps(body).encode(), path)
    assert code(reply) == (400, "password_in_body")
    everywhere = reply.text + caplog.text
    everywhere += "".join(p.read_text() for p in gateway.root.rglob("*.json*") if p.is_file())
    assert "CANARY-1122" not in everywhere


def test_pages_and_methods_that_are_not_there(gateway: Opened) -> None:
    async def asked(method: str, path: str) -> Any:
        async with gateway.client(gateway.keys[LUPUS]) as client:
            return await client.request(method, path)

    for path in ("/docs", "/redoc", "/load_model", "/v1/../../etc/passwd", "/%2e%2e/keys.json"):
        assert code(asyncio.run(asked("GET", path))) == (404, "no_such_page")
    assert code(asyncio.run(asked("DELETE", "/v1/models"))) == (405, "method_not_allowed")


def test_a_made_up_method_is_written_nowhere(
    gateway: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    caplog.set_level("WARNING", "httpx")  # the client's own

    async def asked() -> tuple[set[int], str]:
        async with gateway.client() as client:
            replies = [await client.request(f"CANARY-{i}", "/predict") for i in range(3)]
            return {one.status_code for one in replies}, (await client.get("/metrics")).text

    statuses, metrics = asyncio.run(asked())
    assert statuses == {405}
    assert {line["endpoint"] for line in gateway.lines()} == {"other /predict"}
    assert 'endpoint="other /predict",outcome="method_not_allowed",status="405"} 3.0' in metrics
    everything = b"".join(p.read_bytes() for p in gateway.root.rglob("*") if p.is_file())
    assert "CANARY" not in metrics + caplog.text + everything.decode(errors="replace")


def test_limits_are_named_and_checked() -> None:
    found = limits.parse(["body_bytes=1000", "answer_s=5"])
    assert (found.body_bytes, found.answer_s) == (1000, 5)
    for wrong, words in {
        "body_byte=1": "did you mean body_bytes", "answer_s": "whole number",
        "answer_s=-1": "whole number", "answer_s=0": "at least 1", "answer_s=²": "whole number",
    }.items():  # fmt: skip
        with pytest.raises(ConfigError, match=words):
            limits.parse([wrong])


def test_every_limit_stands_in_the_documentation() -> None:
    page = (gateways.ROOT / "docs" / "serving.md").read_text()
    for name, field in Limits.__dataclass_fields__.items():
        assert f"| `{name}` | {field.default:,} |" in page, name

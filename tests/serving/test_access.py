"""Who gets in, and to what: every key against every name on every endpoint, 0 leaks."""

import asyncio
import datetime
import itertools
import logging
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.serving import gateways
from tests.serving.gateways import ACTIVE, BIOLOGY, CHEMISTRY, DOMAINS, LUPUS, Opened, completion
from titer import files
from titer.errors import ConfigError, DataError, FormatError, NotFound
from titer.serving import keys
from titer.serving.catalogue import Catalogue
from titer.serving.engine import BASE
from titer.serving.engines.in_process import InProcess
from titer.serving.limits import Limits
from titer.serving.pace import Lockout, Rate
from titer.serving.refusals import Refusal

HOLDERS: dict[str, tuple[str, ...]] = {
    "nobody": (),
    "one": (LUPUS,),
    "two": (LUPUS, BIOLOGY),
    "all": (keys.ALL,),
}


def requests_for(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Every way to ask for a model."""
    asked = [("/v1/chat/completions", {"json": completion(name, max_tokens=2)})]
    if name in DOMAINS:
        asked += [
            ("/v1/chat/completions", {"json": completion(name, max_tokens=2, stream=True)}),
            ("/predict", {"json": {"question": "Why?", "domain": name}}),
            ("/chat", {"json": {"researcher": "r", "chatting": "Why?", "domain": name}}),
            ("/fine-tuning/query", {"data": {"query": "Why?", "domain": name}}),
        ]
    return asked


def test_no_key_reaches_a_domain_that_it_does_not_open(gateway: Opened) -> None:
    holders = {owner: gateway.add(owner, *domains) for owner, domains in HOLDERS.items()}
    names = {BASE: None, **{d: d for d in DOMAINS}, **{v: d for d, v in ACTIVE.items()}}

    async def matrix() -> tuple[int, list[str]]:
        n, wrong = 0, []
        for owner, (name, domain) in itertools.product(holders, names.items()):
            opens = domain is None or domain in HOLDERS[owner] or keys.ALL in HOLDERS[owner]
            async with gateway.client(holders[owner]) as client:
                for path, request in requests_for(name):
                    reply = await client.post(path, **request)
                    n += 1
                    if reply.status_code != (200 if opens else 404):
                        wrong.append(f"{owner} {path} {name}: {reply.status_code}")
                    if not opens and ("served_by" in reply.text or "content" in reply.json()):
                        wrong.append(f"{owner} {path} {name}: leaks")
        return n, wrong

    n, wrong = asyncio.run(matrix())
    print(f"{len(wrong)} leaks or wrong refusals in {n} requests")
    assert n == len(HOLDERS) * (7 + 4 * len(DOMAINS)) and not wrong, wrong


def test_what_is_not_open_looks_like_what_is_not_there(gateway: Opened) -> None:
    async def refused(name: str) -> tuple[int, str]:
        async with gateway.client(gateway.keys[LUPUS]) as client:
            reply = await client.post("/v1/chat/completions", json=completion(name))
            return reply.status_code, reply.text

    names = (
        CHEMISTRY, ACTIVE[CHEMISTRY], "nonesuch", "/etc/passwd", "../../models/base",
        "models/qlora", "file:///etc/passwd", "C:\\models", f"{LUPUS}/", f" {LUPUS}", "BASE",
        str(Path(__file__)),
    )  # fmt: skip
    found = {asyncio.run(refused(name)) for name in names}
    assert len(found) == 1
    assert found.pop()[0] == 404


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer wrong", "Bearer \udcff",
     "Bearer " + "x" * 9999],
    ids=["none", "empty", "no key", "blank", "basic", "wrong", "bytes", "long"],
)  # fmt: skip
def test_without_a_key_nothing_is_told(gateway: Opened, header: str | None) -> None:
    raw = None if header is None else header.encode("utf-8", "surrogateescape")
    headers = {} if raw is None else {b"Authorization": raw}

    async def all_of_them() -> list[Any]:
        async with gateway.client() as client:
            return [
                await client.get("/v1/models", headers=headers),
                await client.get("/fine-tuning/status", headers=headers),
                await client.post("/predict", headers=headers, json={"question": "Why?"}),
                await client.post("/fine-tuning/setup", headers=headers),
            ]

    for reply in asyncio.run(all_of_them()):
        assert reply.status_code == 401
        assert reply.json()["error"]["code"] == "no_valid_key"
        assert reply.headers["WWW-Authenticate"] == "Bearer"


def test_a_revoked_and_an_expired_key_are_refused_without_a_restart(
    gateway: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = keys.utc_now() + datetime.timedelta(hours=1)
    gateway.add("guest", LUPUS, expires=soon)

    async def status(owner: str) -> int:
        async with gateway.client(gateway.keys[owner]) as client:
            return (await client.get("/v1/models")).status_code

    assert [asyncio.run(status(owner)) for owner in (LUPUS, "guest")] == [200, 200]
    [of_lupus] = [key for key in keys.read(gateway.key_file) if key.owner == LUPUS]
    keys.revoke(gateway.key_file, of_lupus.id)
    assert [asyncio.run(status(owner)) for owner in (LUPUS, "guest")] == [401, 200]
    gateway.add("late", LUPUS)
    assert asyncio.run(status("late")) == 200
    monkeypatch.setattr(keys, "utc_now", lambda: soon)
    assert asyncio.run(status("guest")) == 401


def test_wrong_keys_lock_their_address_out_and_no_other(
    tmp_path: Path, served: Catalogue, engine: InProcess
) -> None:
    gateway = gateways.opened(tmp_path, served, [engine], n_failures=5)

    async def asked(key: str | None, address: str) -> Any:
        async with gateway.client(key, address) as client:
            return await client.get("/v1/models")

    here, there = "192.0.2.1", "192.0.2.2"
    for _ in range(9):  # to have no key is no attempt
        assert asyncio.run(asked(None, here)).status_code == 401
    found = [asyncio.run(asked(f"guess {n}", here)).status_code for n in range(8)]
    assert found == [401] * 5 + [429] * 3
    locked = asyncio.run(asked(gateway.keys[LUPUS], here))
    assert (locked.status_code, locked.json()["error"]["code"]) == (429, "locked_out")
    assert 0 < int(locked.headers["Retry-After"]) <= Limits().lockout_s
    assert asyncio.run(asked(gateway.keys[LUPUS], there)).status_code == 200


def test_a_lockout_ends_and_old_failures_are_forgotten() -> None:
    now = 0.0
    limits = Limits(n_failures=3, failure_s=10, lockout_s=60, n_addresses=2)
    lockout = Lockout(limits, lambda: now)
    for moment in (0.0, 6.0, 12.0):  # never three within ten seconds
        now = moment
        lockout.failed("a")
    lockout.check("a")
    now = 15.0
    lockout.failed("a")
    with pytest.raises(Refusal):
        lockout.check("a")
    now = 75.0
    lockout.check("a")
    for number in range(50):
        lockout.failed(f"address {number}")
    assert len(lockout._failures) == 2


def test_a_key_asks_no_faster_than_its_rate() -> None:
    now = 0.0
    rate = Rate(Limits(key_per_minute=60), lambda: now)
    for _ in range(60):
        rate.take("a")
    with pytest.raises(Refusal) as refused:
        rate.take("a")
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "2")
    rate.take("b")
    now = 1.5
    rate.take("a")
    with pytest.raises(Refusal):
        rate.take("a")


# ---- the file ---------------------------------------------------------------------------------


def test_the_file_holds_no_key_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "serving" / "keys.json"
    made = [keys.add(path, f"owner {n}", ["lupus"]) for n in range(3)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    texts = {text for _, text in made}
    assert len(texts) == 3
    assert not any(text in path.read_text() or text[-20:] in path.read_text() for text in texts)
    ring = keys.KeyRing(path)
    for key, text in made:
        assert ring.find(text) == key
        assert ring.find(key.sha256) is None
        assert ring.find(text[:-1]) is None
    assert all(len(text) == len(f"titer_{key.id}_") + 43 for key, text in made)  # 256 bits


def test_a_file_that_cannot_be_used_lets_nobody_in(
    gateway: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    content = gateway.key_file.read_text()

    async def asked() -> Any:
        async with gateway.client(gateway.keys["admin"]) as client:
            return await client.get("/v1/models")

    gateway.key_file.chmod(0o644)
    for broken in (content, content[:50], "[]", '{"schema_version": 2, "keys": []}'):
        gateway.key_file.write_text(broken)
        reply = asyncio.run(asked())
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "no_keys")
    gateway.key_file.chmod(0o600)
    gateway.key_file.write_text(content)
    assert asyncio.run(asked()).status_code == 200


def test_wrong_uses_of_the_file_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    assert keys.read(path) == ()
    with pytest.raises(ConfigError, match="owner"):
        keys.add(path, "a\nb", ["lupus"])
    with pytest.raises(ConfigError, match="a time to come"):
        keys.add(path, "a", [], expires=keys.utc_now())
    with pytest.raises(NotFound, match="no such key to revoke"):
        keys.revoke(path, "0000")
    keys.add(path, "a", [])
    path.chmod(0o640)
    with pytest.raises(DataError, match="mode 640, others may read it"):
        keys.read(path)
    path.chmod(0o600)
    written = files.read_json_object(path)
    row = written["keys"][0]
    for spoilt in ({"id": 1}, row | {"sha256": "ab"}, row | {"expires": "2030-01-01T00:00:00"}):
        path.write_text(files.dump_json(written | {"keys": [spoilt]}))
        with pytest.raises(FormatError, match="not a file of `titer keys`"):
            keys.read(path)

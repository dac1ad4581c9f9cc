"""What is kept of conversations, and for whom: consent, ratings, versions, experiments."""

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.serving import gateways, plans
from tests.serving.broken import Scripted
from tests.serving.gateways import ACTIVE, CHEMISTRY, LUPUS, QUESTION, Opened, completion
from titer.conversations.served import by_version
from titer.conversations.store import Store
from titer.errors import ConfigError
from titer.serving import experiments, satisfaction
from titer.serving.catalogue import Catalogue, Offer
from titer.serving.engine import BASE
from titer.serving.engines.in_process import InProcess

CHAT = "/v1/chat/completions"
SHORT = {"max_tokens": 3}
UNKNOWN = "0" * 32


async def _sent(gateway: Opened, owner: str, *requests: tuple[str, str, Any]) -> list[Any]:
    async with gateway.client(gateway.keys[owner]) as client:
        return [await client.request(method, path, json=body) for method, path, body in requests]


def send(gateway: Opened, owner: str, method: str, path: str, body: Any = None) -> Any:
    return asyncio.run(_sent(gateway, owner, (method, path, body)))[0]


def talk(gateway: Opened, owner: str = LUPUS, model: str = LUPUS, **more: Any) -> Any:
    body = completion(model, **SHORT | {"consent": True} | more)
    reply = send(gateway, owner, "POST", CHAT, body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def store(gateway: Opened) -> Store:
    return Store(gateway.root / "conversations" / "store.db")


def rate(gateway: Opened, owner: str, name: str, satisfaction: Any = 0.5, **more: Any) -> Any:
    body = {"conversation_id": name, "satisfaction": satisfaction, **more}
    return send(gateway, owner, "POST", "/feedback", body)


def test_without_consent_nothing_is_kept(gateway: Opened) -> None:
    for more in ({}, {"consent": False}, {"user": "dr. who", "domain": LUPUS}):
        reply = send(gateway, LUPUS, "POST", CHAT, completion(LUPUS, **SHORT, **more))
        assert reply.status_code == 200
        assert "conversation_id" not in reply.json()
    assert not (gateway.root / "conversations").exists()
    assert rate(gateway, LUPUS, UNKNOWN).status_code == 404
    assert not (gateway.root / "conversations").exists()


def test_with_consent_the_conversation_is_kept_as_it_was(gateway: Opened) -> None:
    found = talk(gateway, user="dr. who")
    row = store(gateway).get(found["conversation_id"])
    answer = found["choices"][0]["message"]["content"]
    assert [(t.role, t.content) for t in row.turns] == [("user", QUESTION), ("assistant", answer)]
    assert row.turns[found["turn"]].version == ACTIVE[LUPUS]
    assert row.domain == LUPUS
    assert row.consent is not None
    assert row.user is not None
    assert "who" not in row.user
    assert 0 < (row.turns[1].latency_s or 0) < 60


def test_a_stream_is_kept_as_the_same_conversation(gateway: Opened) -> None:
    body = completion(LUPUS, stream=True, consent=True, **SHORT)
    *_, last, done = gateways.events(send(gateway, LUPUS, "POST", CHAT, body).text)
    assert done == "[DONE]"
    whole = talk(gateway)
    assert last["turn"] == whole["turn"] == 1
    first, second = (store(gateway).get(one["conversation_id"]) for one in (last, whole))
    assert [t.content for t in first.turns] == [t.content for t in second.turns]


def test_a_conversation_goes_on_and_each_answer_has_its_version(gateway: Opened) -> None:
    first = talk(gateway)
    said = first["choices"][0]["message"]
    messages = [{"role": "user", "content": QUESTION}, said, {"role": "user", "content": "And?"}]
    name = first["conversation_id"]
    body = {"model": BASE, "messages": messages, "consent": True, "conversation_id": name, **SHORT}
    found = send(gateway, LUPUS, "POST", CHAT, body).json()
    assert (found["conversation_id"], found["turn"]) == (name, 3)
    row = store(gateway).get(name)
    assert [t.version for t in row.turns] == [None, ACTIVE[LUPUS], None, BASE]

    for changed in (messages[:1], [messages[0] | {"content": "Other?"}, *messages[1:]]):
        refused = send(gateway, LUPUS, "POST", CHAT, body | {"messages": changed})
        assert (refused.status_code, refused.json()["error"]["code"]) == (
            409, "another_conversation",
        )  # fmt: skip
    assert len(store(gateway).get(name).turns) == 4


def test_ratings_count_for_the_version_that_answered(gateway: Opened) -> None:
    """As `titer model show` counts them."""
    names = [talk(gateway)["conversation_id"] for _ in range(2)]
    talk(gateway, model=BASE)
    assert rate(gateway, LUPUS, names[0], 1, turn=1).json()["satisfaction"] == 1
    rate(gateway, LUPUS, names[1], 0.2)
    assert rate(gateway, LUPUS, names[1], 0.5).json()["satisfaction"] == 0.5
    counts = by_version(store(gateway).newest_first(LUPUS))
    assert counts[ACTIVE[LUPUS]].n_conversations == 2
    assert counts[ACTIVE[LUPUS]].satisfaction == 0.75
    assert (counts[BASE].n_conversations, counts[BASE].satisfaction) == (1, None)


def test_another_keys_conversation_looks_like_none(gateway: Opened) -> None:
    name = talk(gateway)["conversation_id"]
    gateway.add("colleague", LUPUS)
    unknown = rate(gateway, "colleague", UNKNOWN)
    assert unknown.status_code == 404
    for owner in ("colleague", "admin", CHEMISTRY):
        for reply in (
            rate(gateway, owner, name),
            send(gateway, owner, "DELETE", f"/conversations/{name}"),
        ):
            assert (reply.status_code, reply.content) == (404, unknown.content)
        body = completion(LUPUS, consent=True, conversation_id=name)
        if owner != CHEMISTRY:
            assert send(gateway, owner, "POST", CHAT, body).content == unknown.content
    row = store(gateway).get(name)
    assert (row.ratings, len(row.turns)) == ([], 2)


@pytest.mark.parametrize(
    "changed",
    [
        {"satisfaction": 1.1}, {"satisfaction": -0.1}, {"satisfaction": "good"},
        {"satisfaction": None}, {"turn": 0}, {"turn": 7}, {"turn": -1}, {"comment": "nice"},
        {"conversation_id": 7},
    ],
)  # fmt: skip
def test_a_rating_out_of_range_is_422(gateway: Opened, changed: dict[str, Any]) -> None:
    name = talk(gateway)["conversation_id"]
    body = {"conversation_id": name, "satisfaction": 0.5, "turn": 1} | changed
    reply = send(gateway, LUPUS, "POST", "/feedback", body)
    assert reply.status_code == 422
    assert store(gateway).get(name).ratings == []


@pytest.mark.parametrize("name", ["../../etc", "a" * 200, "x\x00y", "", "ünknown"])
def test_a_hostile_id_is_refused(gateway: Opened, name: str) -> None:
    assert rate(gateway, LUPUS, name).status_code in (404, 422)


def test_consent_taken_back_leaves_nothing_and_no_way_back(gateway: Opened) -> None:
    name = talk(gateway, user="canary-7")["conversation_id"]
    assert send(gateway, LUPUS, "DELETE", f"/conversations/{name}").status_code == 204
    assert rate(gateway, LUPUS, name).status_code == 404
    assert send(gateway, LUPUS, "DELETE", f"/conversations/{name}").status_code == 404
    assert store(gateway).forgotten() == {name}
    held = b"".join(path.read_bytes() for path in (gateway.root / "conversations").iterdir())
    assert QUESTION.encode() not in held


def test_the_audit_log_holds_no_word_of_it(gateway: Opened) -> None:
    name = talk(gateway, user="canary-7")["conversation_id"]
    rate(gateway, LUPUS, name)
    lines = gateway.lines()
    assert [line["endpoint"] for line in lines] == [f"POST {CHAT}", "POST /feedback"]
    assert not {QUESTION, "canary-7", name} & {str(v) for line in lines for v in line.values()}


def test_the_domain_of_the_base_must_be_said_and_open(gateway: Opened) -> None:
    gateway.add("two", LUPUS, CHEMISTRY)
    body = completion(BASE, consent=True, **SHORT)
    assert send(gateway, "two", "POST", CHAT, body).status_code == 422
    for domain, status in ((LUPUS, 200), ("biology", 404), ("nowhere", 404)):
        reply = send(gateway, "two", "POST", CHAT, body | {"domain": domain})
        assert reply.status_code == status, domain


def test_what_no_database_holds_is_refused_before_it_is_answered(gateway: Opened) -> None:
    body = completion(LUPUS, "one \x00 two", consent=True)
    assert send(gateway, LUPUS, "POST", CHAT, body).json()["error"]["code"] == "cannot_be_kept"
    body = completion(LUPUS, "one \x00 two", **SHORT)
    assert send(gateway, LUPUS, "POST", CHAT, body).status_code == 200


def test_a_store_that_fails_costs_no_answer_and_is_no_secret_told(gateway: Opened) -> None:
    name = talk(gateway)["conversation_id"]
    with sqlite3.connect(gateway.root / "conversations" / "store.db") as database:
        database.execute("DROP TABLE ratings")
        database.execute("DROP TABLE turns")
    found = talk(gateway)
    assert found["choices"][0]["message"]["content"]
    assert (found["conversation_id"], found["turn"]) == (None, None)
    reply = rate(gateway, LUPUS, name)
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "no_store")
    assert str(gateway.root) not in reply.text


def test_chat_of_the_source_systems_keeps_with_consent_too(gateway: Opened) -> None:
    body = {"researcher": "dr. who", "chatting": QUESTION}
    assert "conversation_id" not in send(gateway, LUPUS, "POST", "/chat", body).json()
    found = send(gateway, LUPUS, "POST", "/chat", body | {"consent": True}).json()
    row = store(gateway).get(found["conversation_id"])
    assert [turn.content for turn in row.turns] == [QUESTION, found["response"]]


# ---- experiments --------------------------------------------------------------------------------


@pytest.fixture
def split(tmp_path: Path, served: Catalogue) -> Opened:
    """A gateway in which half of the people of one domain are served another version."""
    new = "lupus-full@v1.0.0"
    base = served.offers[BASE].servable
    added = Offer(replace(base, name=new, domain=LUPUS), "lupus-full", "v1.0.0", "helped")
    catalogue = replace(served, offers={**served.offers, new: added})
    experiments.plan(
        tmp_path, (LUPUS,), name="november", a=ACTIVE[LUPUS], b=new, share_b=50, min_users=50,
        max_users=100, margin=0.1, alpha=0.05, started_at="2026-11-01",
    )  # fmt: skip
    remote = Scripted(catalogue.offers, ["A remote engine's answer."])
    return gateways.opened(tmp_path, catalogue, [remote], key_per_minute=100_000)


def test_an_experiment_serves_each_person_one_version_and_their_ratings_count(
    split: Opened,
) -> None:
    plan = experiments.read(split.root, "november")
    seen: dict[str, set[str]] = {}
    for number in range(40):
        user = f"user-{number % 20}"
        found = talk(split, user=user)
        seen.setdefault(user, set()).add(found["model"])
        rate(split, LUPUS, found["conversation_id"], 0.5, turn=1)
    assert all(len(versions) == 1 for versions in seen.values())
    assert {version for one in seen.values() for version in one} == {plan.a, plan.b}
    found = satisfaction.count(plan, store(split).newest_first(LUPUS))
    assert (len(found.ratings), found.left_out) == (40, {})


def test_a_version_that_is_named_is_served_and_no_other_domain_is_touched(split: Opened) -> None:
    plan = experiments.read(split.root, "november")
    assert {talk(split, model=plan.b, user=f"u{i}")["model"] for i in range(10)} == {plan.b}
    models = {talk(split, CHEMISTRY, CHEMISTRY, user=f"u{i}")["model"] for i in range(10)}
    assert models == {ACTIVE[CHEMISTRY]}
    assert send(split, CHEMISTRY, "POST", CHAT, completion(LUPUS)).status_code == 404


def test_an_experiment_whose_version_is_not_served_does_not_start(
    tmp_path: Path, served: Catalogue, engine: InProcess
) -> None:
    experiments.plan(
        tmp_path, ("autoimmune",), name="november", a=plans.A, b=plans.B, share_b=50,
        min_users=50, max_users=100, margin=0.1, alpha=0.05, started_at="2026-11-01",
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"Start: titer serve autoimmune-qlora@v1\.0\.0"):
        gateways.opened(tmp_path, served, [engine])

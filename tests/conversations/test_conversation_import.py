"""Rows of files become conversations; each bad row is named, and none stops the others."""

import json
from pathlib import Path
from typing import Any

import pytest

from titer.conversations.chats import Consent, Conversation, Rating, Turn
from titer.conversations.reading import Fault, Given, read
from titer.errors import FormatError

AGREED = {"at": "2026-11-01", "how": "tick box"}
GIVEN = Given("autoimmune", Consent("2026-11-03", "letter"), "base@v1")
MESSAGES = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
SHARED = [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]
TURNS = [Turn("user", "Why?"), Turn("assistant", "So.")]


def rows(path: Path, *lines: Any, given: Given = GIVEN) -> list[Conversation | Fault]:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return list(read(path, given))


@pytest.mark.parametrize("row", [{"messages": MESSAGES}, {"conversations": SHARED}])
def test_both_forms_give_the_same_conversation(tmp_path: Path, row: dict[str, Any]) -> None:
    (found,) = rows(tmp_path / "a.jsonl", row)
    assert found == Conversation(
        id="686b20729a920758", domain="autoimmune", created_at="2026-11-03", turns=TURNS,
        consent=GIVEN.consent, version="base@v1",
    )  # fmt: skip


def test_a_row_may_say_everything_itself(tmp_path: Path) -> None:
    row = {
        "id": "c1", "domain": "chemistry", "created_at": "2026-11-02", "user": "u1",
        "language": "en", "version": "b@v2", "consent": AGREED, "satisfaction": 0.9,
        "ratings": [{"thumbs": "up", "turn": 1, "at": "2026-11-02", "comment": "good"}],
        "messages": [MESSAGES[0], {**MESSAGES[1], "version": "b@v3", "latency_s": 1}],
    }  # fmt: skip
    (found,) = rows(tmp_path / "a.jsonl", row)
    assert found == Conversation(
        "c1", "chemistry", "2026-11-02", [TURNS[0], Turn("assistant", "So.", "b@v3", 1.0)],
        Consent(**AGREED), [Rating(None, "up", "good", 1, "2026-11-02"), Rating(0.9)],
        "u1", "b@v2", "en",
    )  # fmt: skip


def test_a_json_list_with_a_mark_of_order_is_read_like_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf \n" + json.dumps([{"messages": MESSAGES}, 3]).encode())
    found = list(read(path, GIVEN))
    assert isinstance(found[0], Conversation)
    assert found[1] == Fault(
        f"{path}: record 2",
        "a int; expected messages (role, content) or conversations (from, value)",
    )


def test_the_same_messages_have_the_same_id_in_one_domain(tmp_path: Path) -> None:
    one, two, other = rows(
        tmp_path / "a.jsonl", {"messages": MESSAGES}, {"conversations": SHARED},
        {"messages": MESSAGES, "domain": "chemistry"},
    )  # fmt: skip
    assert isinstance(one, Conversation) and isinstance(two, Conversation)
    assert isinstance(other, Conversation)
    assert one.id == two.id != other.id


@pytest.mark.parametrize(
    "row",
    [
        {"messages": MESSAGES, "consent": AGREED},
        {"messages": MESSAGES, "consent": True},
        {"messages": MESSAGES, "consent": False},
        {"messages": MESSAGES, "consent": None},
        {"messages": MESSAGES, "consent": {"at": "2026-11-01"}},
        {"messages": MESSAGES, "consent": "yes"},
        {"messages": MESSAGES},
    ],
    ids=["own", "true", "refused", "null", "no how", "a word", "not said"],
)
def test_without_consent_a_row_is_left_out(tmp_path: Path, row: dict[str, Any]) -> None:
    says_itself = row.get("consent") == AGREED
    (without,) = rows(tmp_path / "a.jsonl", row, given=Given("autoimmune"))
    assert isinstance(without, Conversation) == says_itself
    (with_file,) = rows(tmp_path / "a.jsonl", row)
    said = row.get("consent", True)
    assert isinstance(with_file, Conversation) == (says_itself or said is True)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"messages": [', "not JSON: "),
        ("[1, 2]", "a list; expected messages"),
        ({"question": "q"}, "conversations (from, value) (keys: question)"),
        ({"messages": {}}, "expected messages (role, content)"),
        ({"messages": [1]}, "message 0: a int; expected an object"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "message 0: from 'tool'; expected"),
        ({"messages": [{"role": "user", "content": None}]}, "message 0: a NoneType; expected a t"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "message 0: from "),
        ({"messages": []}, "0 turns"),
        ({"messages": MESSAGES, "satisfaction": "high"}, "satisfaction: a str; expected a number"),
        ({"messages": MESSAGES, "satisfaction": True}, "satisfaction: a bool"),
        ({"messages": MESSAGES, "satisfaction": 10**400}, "satisfaction: a number that is too"),
        ({"messages": MESSAGES, "satisfaction": 5}, "satisfaction 5.0; expected 0 to 1"),
        ('{"messages": [{"role":"user","content":"x"}], "satisfaction": NaN}', "satisfaction nan"),
        ({"messages": MESSAGES, "ratings": {}}, "ratings: expected a list of objects"),
        ({"messages": MESSAGES, "ratings": [{"thumbs": "up", "turn": "1"}]}, "turn '1': expected"),
        ({"messages": MESSAGES, "ratings": [{"thumbs": "up", "turn": 9}]}, "turn 9 is not there"),
        ({"messages": MESSAGES, "id": "../x"}, "id '../x': expected"),
        ({"messages": MESSAGES, "id": 7}, "id: a int; expected a text"),
        ({"messages": MESSAGES, "created_at": "soon"}, "'soon' is no date"),
        ('{"messages": [{"role": "user", "content": "\\u0000"}]}', "NUL at character 0"),
        ('{"messages": [{"role": "user", "content": "\\ud800"}]}', "half a surrogate pair"),
        ("[" * 100_000, "not JSON: "),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_bad_row_is_named_and_the_others_are_kept(tmp_path: Path, line: Any, reason: str) -> None:
    path = tmp_path / "a.jsonl"
    first, bad, last = rows(path, {"messages": MESSAGES}, line, {"conversations": SHARED})
    assert isinstance(first, Conversation) and isinstance(last, Conversation)
    assert isinstance(bad, Fault)
    assert bad.place == f"{path}:2"
    assert reason in bad.reason
    assert "\n" not in bad.reason
    assert len(bad.reason) < 400


def test_a_line_of_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = json.dumps({"messages": MESSAGES}).encode()
    path.write_bytes(good + b"\n" + good.replace(b"Why", b"W\xe4re") + b"\n\n" + good)
    first, bad, last = read(path, GIVEN)
    assert isinstance(bad, Fault)
    assert "'utf-8' codec can't decode byte 0xe4" in bad.reason
    assert isinstance(first, Conversation) and isinstance(last, Conversation)


@pytest.mark.parametrize("text", ["[{}", "[1, 2"])
def test_a_damaged_list_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=r"a\.json:1: not a JSON list: "):
        list(read(path, GIVEN))


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"no\.jsonl: cannot be read \(No such file"):
        list(read(tmp_path / "no.jsonl", GIVEN))

"""Descriptions of other trainers are followed to the letter, or refused in one line."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from titer.errors import FormatError
from titer.examples.formats import interop

CHAT = [
    {"who": "sys", "what": "Be brief."}, {"who": "me", "what": "Why?"},
    {"who": "bot", "what": "So."},
]  # fmt: skip
TAGS = {"role_tag": "who", "content_tag": "what", "user_tag": "me", "assistant_tag": "bot",
        "system_tag": "sys"}  # fmt: skip
ANSWERED = [("user", "Why?"), ("assistant", "So.")]

LLAMA_FACTORY: dict[str, tuple[dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = {
    "alpaca by default": ({}, {"instruction": "Why?", "input": "", "output": "So."}, ANSWERED),
    "columns": (
        {"columns": {"prompt": "q", "query": "more", "response": "a", "system": "s",
                     "history": "h"}},
        {"q": "Why", "more": "now?", "a": "So.", "s": "Be brief.", "h": [["Who?", "I."]]},
        [("system", "Be brief."), ("user", "Who?"), ("assistant", "I."), ("user", "Why\nnow?"),
         ("assistant", "So.")],
    ),
    "a column that is not named is not read": (
        {"columns": {"prompt": "instruction", "response": "output"}},
        {"instruction": "Why?", "system": "Be brief.", "output": "So."}, ANSWERED,
    ),
    "sharegpt": (
        {"formatting": "sharegpt"},
        {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]},
        ANSWERED,
    ),
    "tags": (
        {"formatting": "sharegpt", "columns": {"messages": "talk"}, "tags": TAGS},
        {"talk": CHAT}, [("system", "Be brief."), *ANSWERED],
    ),
}  # fmt: skip


def turns(description: interop.Description) -> list[list[tuple[str, str]]]:
    reading = interop.reading(description)
    found = [[(t["role"], t["content"]) for t in row.messages] for row in reading]
    assert reading.n_faults == 0, reading.faults
    return found


@pytest.mark.parametrize("case", LLAMA_FACTORY)
def test_a_data_set_of_llama_factory_is_read(tmp_path: Path, case: str) -> None:
    entry, row, expected = LLAMA_FACTORY[case]
    (tmp_path / "x.json").write_text(json.dumps([row]))
    info = tmp_path / "dataset_info.json"
    info.write_text(json.dumps({"x": {"file_name": "x.json", **entry}}))
    assert turns(interop.find(info, "x")) == [expected]
    assert list(interop.described(tmp_path)) == [tmp_path.resolve() / "x.json"]


AXOLOTL: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "alpaca": ({"type": "alpaca"}, {"instruction": "Why?", "input": "", "output": "So."}),
    "question and answer": (
        {"type": "alpaca_chat.load_qa"}, {"question": "Why?", "answer": "So."},
    ),
    "chat_template": (
        {"type": "chat_template"},
        {"messages": [{"role": "user", "content": "Why?"},
                      {"role": "assistant", "content": "So."}]},
    ),
    "chat_template with names": (
        {"type": "chat_template", "field_messages": "talk",
         "message_property_mappings": {"role": "who", "content": "what"},
         "roles": {"user": ["me"], "assistant": ["bot"], "system": ["sys"]}},
        {"talk": CHAT[1:]},
    ),
    "a mapping": (
        {"type": {"field_instruction": "q", "field_output": "a"}}, {"q": "Why?", "a": "So."},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", AXOLOTL)
def test_a_data_section_of_axolotl_is_read(tmp_path: Path, case: str) -> None:
    entry, row = AXOLOTL[case]
    (tmp_path / "x.jsonl").write_text(json.dumps(row) + "\n")
    config = tmp_path / "config.yml"
    config.write_text(yaml.safe_dump({"datasets": [{"path": "x.jsonl", **entry}]}))
    assert turns(interop.find(config, None)) == [ANSWERED]


REFUSED = {
    "a hub": ({"hf_hub_url": "a/b"}, "x: hf_hub_url. Allowed: file_name, a file beside it"),
    "preferences": ({"file_name": "x.json", "ranking": True}, "x: ranking, preferences"),
    "formatting": ({"file_name": "x.json", "formatting": "kto"}, "x: formatting 'kto'. Allowed"),
    "no mapping of columns": (
        {"file_name": "x.json", "columns": ["q"]}, "x: columns: ['q']. Allowed: a mapping of texts",
    ),
    "a column that is no text": (
        {"file_name": "x.json", "columns": {"prompt": ["q"]}},
        "x: columns: prompt: ['q']. Allowed: a text",
    ),
    "no mapping of tags": (
        {"file_name": "x.json", "formatting": "sharegpt", "tags": 3}, "x: tags: 3. Allowed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_read_is_refused(tmp_path: Path, case: str) -> None:
    entry, text = REFUSED[case]
    info = tmp_path / "dataset_info.json"
    info.write_text(json.dumps({"x": entry}))
    with pytest.raises(FormatError) as error:
        interop.find(info, None)
    assert str(error.value).startswith(f"{info}:1: {text}")


@pytest.mark.parametrize(
    ("text", "found"),
    [("a: [", "not readable as YAML"), ("a: 1", "no list of datasets"),
     ("datasets: [{path: x, type: alpaca}]", "x: no file"),
     ("datasets: [{path: ., type: completion}]", ".: no file"),
     ("datasets: [{path: x.yml, type: {field_input: [a]}}]", "x.yml: type: field_input: ['a']."),
     ("datasets: [{path: x.yml, type: sharegpt, roles: [a]}]", "x.yml: roles: ['a']. Allowed: a"),
     ("datasets: [{path: x.yml, type: sharegpt, roles: {user: me}}]", "x.yml: roles: {'user': '"),
     ("datasets: [{path: x.yml, type: sharegpt, field_messages: [a]}]", "x.yml: field_messages: "),
     ("datasets: [{path: x.yml, type: sharegpt, message_property_mappings: [a]}]",
      "x.yml: message_property_mappings: ['a']. Allowed: a mapping of texts")],
)  # fmt: skip
def test_a_configuration_of_axolotl_that_is_none_is_refused(
    tmp_path: Path, text: str, found: str
) -> None:
    config = tmp_path / "x.yml"
    config.write_text(text)
    with pytest.raises(FormatError) as error:
        interop.find(config, None)
    assert str(error.value).startswith(f"{config}:1: {found}")


@pytest.mark.parametrize(
    "entry",
    [{"formatting": "sharegpt", "tags": None},
     {"formatting": "sharegpt", "columns": None, "tags": {}}],
)  # fmt: skip
def test_a_part_that_is_null_is_left_out(tmp_path: Path, entry: dict[str, Any]) -> None:
    (tmp_path / "x.json").write_text(json.dumps([LLAMA_FACTORY["sharegpt"][1]]))
    info = tmp_path / "dataset_info.json"
    info.write_text(json.dumps({"x": {"file_name": "x.json", **entry}}))
    assert turns(interop.find(info, "x")) == [ANSWERED]


def test_a_speaker_that_is_no_text_is_a_fault_of_its_row(tmp_path: Path) -> None:
    row = {"conversations": [{"from": ["human"], "value": "Why?"}]}
    (tmp_path / "x.json").write_text(json.dumps([row]))
    info = tmp_path / "dataset_info.json"
    info.write_text(json.dumps({"x": {"file_name": "x.json", "formatting": "sharegpt"}}))
    reading = interop.reading(interop.find(info, "x"))
    assert list(reading) == []
    assert reading.faults[0].found.startswith("turn 1: expected from (human, gpt or system)")

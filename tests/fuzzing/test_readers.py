"""Each reader on the inputs that once broke it, and on some new ones: `python -m tests.fuzzing`
looks for more.
"""

import gzip
import json
import random
import time

import pytest

from tests.fuzzing import hostile, our_records, project_files, targets

TARGETS = targets.all_targets()
N_CHANGED = 20
"""Damaged copies of its seeds per reader."""
LONGEST_S = 10

DEEP = b"[" * 100_000
LONG = b'{"a": ' + b"9" * 5_000 + b"}"
"""An integer of more digits than Python reads."""
LLAMA = project_files.LLAMA
PREFIXED = our_records.tokenizers()[0].replace(
    b'"continuing_subword_prefix":null', b'"continuing_subword_prefix":"abcd"'
)
"""tokenizers' Rust panics where a prefix is longer than a token."""


def changed_json(value: dict[str, object], **more: object) -> bytes:
    """A JSON object with other values."""
    return json.dumps(value | more).encode()


BROKE = {
    "activation": [DEEP],
    "article": [b"{" + DEEP, b'{"a":' * 50_000],
    "card": [b"---\na: [\n---\n", b"---\na: 2026-99-99\n---\n", b"---\n\xff\n---\n"],
    "completion": [DEEP],
    "dataset_info": [b'{"a": {"file_name": "rows.jsonl", "columns": true}}', LONG],
    "dvc_lock": [
        DEEP, b"schema: 2026-99-99\n", b"schema: 1\nstages: {a: {cmd: a, deps: 5}}\n",
        b"schema: 1\nstages: {a: {cmd: a, outs: [{path: a, md5: 123}]}}\n",
        b"schema: 1\nstages: {a: {cmd: a, outs: [{path: a, md5: ../../b.dir}]}}\n",
    ],
    "dvc_yaml": [b"- a\n", b"artifacts: 5\n", b"a: 2026-99-99\n", b"[" * 5_000],
    "end_ids": [b"[]", b'{"eos_token_id": [[]]}', DEEP],
    "europe_pmc": [DEEP],
    "events": [b"data: " + DEEP],
    "generated": [changed_json(project_files.GENERATED, question="\ud800")],
    "judgement": [DEEP],
    "keys": [
        json.dumps(project_files.KEYS).replace("+00:00", "").encode(),
        json.dumps(project_files.KEYS).replace('["autoimmune"]', '"autoimmune"').encode(),
    ],
    "licence": [b"Copyright \xa9 someone"],
    "losses": [b"step\n\xff\n", b'step\n"a\rb\n', b"step\n1,2\n"],
    "model_config": [
        b"[]", b"{}", DEEP, changed_json(LLAMA, num_attention_heads=0),
        changed_json(LLAMA, hidden_size="64"), changed_json(LLAMA, rope_parameters=5),
        changed_json(LLAMA, rms_norm_eps=None),
        changed_json(LLAMA, rms_norm_eps=10**400), changed_json(LLAMA, rope_scaling=[1]),
    ],
    "oai": [b'<OAI-PMH xmlns="ht{}://www"/>', b'<a xmlns="}"/>', b"<a/>"],
    "packed_rows": [b"a", gzip.compress(b"{}")[:-9], gzip.compress(bytes(99))[:15] + b"\xff" * 9],
    "plan": [
        changed_json(project_files.PLAN, domain=[]), changed_json(project_files.PLAN, salt=5),
        changed_json(project_files.PLAN, ended_at="soon"),
    ],
    "prose": [b"a: \xff", b"? [a]\n: b\n", b"5: a\n", b"a: 2026-99-99\n"],
    "search": [
        b'{"a":' * 50_000, b"[1]", b'{"error": "rate\\nlimit"}',
        targets.SEARCH.replace(b">2</C", ">\u00b2</C".encode()),
        targets.SEARCH.replace(b">2</C", b">" + b"2" * 5_000 + b"</C"),
    ],
    "settings": [hostile.WHOLE["YAML of aliases"], b"seed: " + b"9" * 400],
    "shape": [b"{}", b"[]", DEEP, changed_json(LLAMA, num_attention_heads=0)],
    "sheet": [b"place\r,\n"],
    "sweep_overrides": [b"- [a]", b"- 5"],  # what is no list is of a job that was killed
    "sweep_result": [b"[]", b"5", b'{"overrides": 5}', b'{"overrides": ["a"], "objective": "b"}'],
    "version": [DEEP, changed_json(json.loads(targets.VERSION), base=5)],
    "wordings": [b"5", b"a: [", b"a: \xff"],
    "adapter_settings": [b"5", b"[]", b'{"peft_type": "LORA", "auto_mapping": 3}'],
    "axolotl": [
        b"datasets:\n- {path: [], type: alpaca}\n", b"datasets:\n  - pati: rows.jsonaca\n",
        b"a: [\x00", b"? [[" + b"[" * 5000,
    ],
    "excluded": [b"# why\xf6\n10.1/a\n", b"10.1/a\r\x1b[31m\n"],
    "facts": [b"fact_id,disease,relation,answer\nF1,a,b,\x97\n"],
    "json": [DEEP, LONG, rb'{"a": "\ud800"}'],
    "json_rows": [b'{"a": ' * 50_000, LONG],
    "open_questions": [b'{"id": "a", "category": "b\x92"}', b'{"id": "ry", "":["di"\r]}'],
    "pack": [
        b"PK\x05\x06" + b"\0" * 18, targets.a_pack()[:200], targets.a_pack(papers="../outside"),
        targets.a_pack(papers="/dev/shm/outside"),
    ],
    "papers_examples_train": [b'{"id": 1}\n', b"5\n", b"{}\n"],
    "papers_ids": [b"[]"],
    "results_base_run": [b"{}", b'{"status": "ok", "models": 5}'],
    "results_model": [b"{}", b'{"id": NaN}'],
    "results_stats": [b"[]", b"{}", b'{"comparisons": 5}', b'{"comparisons": {"qlora": {}}}'],
    "samples": [b"{}\n", b'{"doc": {"id": "a"}, "filtered_resps": [["x"]]}\n'],
    "study": [b"{}", b"[]", b'{"study": "seeds"}', b'{"study": "placebo", "arms": {"full": {}}}'],
    "tokenizer": [b"{}", b"[]", DEEP, PREFIXED],
    "retractions": [
        targets.NOTICES.replace(b",2,R", b"," + b"2" * 5_000 + b",R") + b'"',
        b'".\x00\n\x01"', b"\n",
    ],
    "reviews": [b"answer_sha256,item_id,key_point,verdict,reviewer,note\nabc\x9a,,,,,\n", b'"'],
    "rows_csv": [b'"cq\n""c""",Y\n"c"\xaf",Y\n', b'""\xaf\xaf\n"Y\ne%\xf4q\n""\xaf\xaf\n"\nt\n'],
    "templates": [b"a: \xe0", b"a: 2026-99-99\n", b"a: {questions: true}", b"relations: 5"],
    "weight_index": [b'{"weight_map": {"a": ""}}', b'{"weight_map": {"a": "../b"}}', b"[]"],
}  # fmt: skip
"""What fuzzing found, and its neighbours."""

BROKE_IN_PART = {
    "atom": [targets.ATOM.replace(b"v2<", b"v" + b"9" * 5_000 + b"<")],
    "conversations": [
        targets.CHATS.replace(b"0.9", b"9" * 400), targets.CHATS.replace(b"0.9", b"9" * 5_000),
    ],
    "pubmed": [targets.PUBMED.replace(b"<PMID>1<", '<PMID Version="\u00b2">1<'.encode())],
    "retractions": [targets.NOTICES.replace(b"1/2/2020 0:00", b"9" * 20)],
    "rows_json": [b'[{"conversations": [{"from": [], "value": "a"}]}]'],
}  # fmt: skip
"""The same of readers that name what they refuse and go on."""


def changed(seed: bytes, rng: random.Random) -> bytes:
    """A copy with bytes replaced, removed, repeated or cut off."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del data[at : at + rng.randint(1, 20)]
            case 2:
                data[at:at] = data[at : at + rng.randint(1, 20)] * rng.randint(1, 50)
            case _:
                del data[at:]
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_takes_its_seeds(name: str) -> None:
    assert any(TARGETS[name](seed) for seed in TARGETS[name].seeds)


@pytest.mark.parametrize("name", BROKE)
def test_what_broke_a_reader_is_refused_in_one_line(name: str) -> None:
    for data in BROKE[name]:
        assert not TARGETS[name](data), data


@pytest.mark.parametrize("name", BROKE_IN_PART)
def test_what_broke_a_reader_in_part_is_passed_over(name: str) -> None:
    for data in BROKE_IN_PART[name]:
        assert TARGETS[name](data), data


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_copies_are_taken_or_refused_in_time(name: str) -> None:
    rng = random.Random(name)
    for number in range(N_CHANGED):
        data = changed(rng.choice(TARGETS[name].seeds), rng)
        began = time.monotonic()
        TARGETS[name](data)
        assert time.monotonic() - began < LONGEST_S, (number, data)


@pytest.mark.parametrize("name", TARGETS)
def test_input_of_another_shape_is_taken_or_refused_in_time(name: str) -> None:
    for data in hostile.inputs(TARGETS[name].seeds):
        began = time.monotonic()
        TARGETS[name](data)
        assert time.monotonic() - began < LONGEST_S, data[:200]

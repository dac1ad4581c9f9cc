"""Each reader on the inputs that once broke it, and on some new ones: `python -m tests.fuzzing`
looks for more.
"""

import random
import time

import pytest

from tests.fuzzing import targets

TARGETS = targets.all_targets()
N_CHANGED = 40
"""Damaged copies of its seeds per reader."""
LONGEST_S = 10

BROKE = {
    "adapter_settings": [b"5", b"[]", b'{"peft_type": "LORA", "auto_mapping": 3}'],
    "axolotl": [b"datasets:\n  - pati: rows.jsonaca\n", b"a: [\x00", b"? [[" + b"[" * 5000],
    "excluded": [b"# why\xf6\n10.1/a\n", b"10.1/a\r\x1b[31m\n"],
    "facts": [b"fact_id,disease,relation,answer\nF1,a,b,\x97\n"],
    "json": [b"[" * 100_000],
    "json_rows": [b'{"a": ' * 50_000],
    "open_questions": [b'{"id": "a", "category": "b\x92"}', b'{"id": "ry", "":["di"\r]}'],
    "pack": [b"PK\x05\x06" + b"\0" * 18, targets.a_pack()[:200]],
    "retractions": [b'".\x00\n\x01"', b"\n"],
    "reviews": [b"answer_sha256,item_id,key_point,verdict,reviewer,note\nabc\x9a,,,,,\n", b'"'],
    "rows_csv": [b'"cq\n""c""",Y\n"c"\xaf",Y\n', b'""\xaf\xaf\n"Y\ne%\xf4q\n""\xaf\xaf\n"\nt\n'],
    "templates": [b"a: \xe0", b"a: 2026-99-99\n"],
    "weight_index": [b'{"weight_map": {"a": ""}}', b'{"weight_map": {"a": "../b"}}', b"[]"],
}  # fmt: skip
"""What fuzzing found, and its neighbours."""


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


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_copies_are_taken_or_refused_in_time(name: str) -> None:
    rng = random.Random(name)
    for number in range(N_CHANGED):
        data = changed(rng.choice(TARGETS[name].seeds), rng)
        began = time.monotonic()
        TARGETS[name](data)
        assert time.monotonic() - began < LONGEST_S, (number, data)

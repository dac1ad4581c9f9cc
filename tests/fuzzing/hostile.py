"""Inputs that no mutation of bytes comes upon: too deep, too large, and of another shape.

Invariant: the same list on every machine.
"""

import contextlib
import copy
import gzip
import json
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

DEEP = 30_000
"""Levels of nesting: beyond any limit of recursion, within LONGEST_INPUT."""

WHOLE = {
    "empty": b"",
    "blank": b" \n\t\r\n",
    "zero bytes": bytes(64),
    "no UTF-8": b"\xff\xfe\xfd\n\xc3\x28",
    "mark of UTF-8 alone": b"\xef\xbb\xbf",
    "UTF-16": '{"a": 1}\n'.encode("utf-16"),
    "returns": b'"a\rb",c\r\r"\r',
    "one long line": b"a" * 60_000,
    "one long quoted cell": b'"' + b"a," * 30_000 + b'"\n',
    "many columns": b"a," * 30_000 + b"\n" + b"1," * 1_000,
    "JSON too deep, lists": b"[" * DEEP,
    "JSON too deep, closed": b"[" * DEEP + b"]" * DEEP,
    "JSON too deep, objects": b'{"a":' * 10_000,
    "JSON integer too long": b'{"a": ' + b"9" * 5_000 + b"}",
    "JSON of half a character": rb'{"a": "\ud800", "\udfff": 1}',
    "JSON that is no number": b'{"a": NaN, "b": Infinity, "c": -1e999}',
    "JSON with a key twice": b'{"a": 1, "a": [2]}',
    "JSON scalar": b"5",
    "JSON null": b"null",
    "JSON text": b'"text"',
    "JSON list": b"[]",
    "JSON object": b"{}",
    "JSON list of lists": b"[[], [[]], null, 1]",
    "YAML too deep": b"[" * 5_000,
    "YAML too deep, block": b"".join(b" " * n + b"-\n" for n in range(300)) + b"- " * 5_000,
    "YAML of aliases": b"a: &a [x]\n"
    + b"".join(
        b"%c: &%c [%s]\n" % (98 + n, 98 + n, b", ".join([b"*%c" % (97 + n)] * 9)) for n in range(8)
    ),
    "YAML of itself": b"&a [*a]\n",
    "YAML of itself, merged": b"a: &a\n  <<: *a\n  b: *a\n",
    "YAML date": b"a: 2026-99-99\n",
    "YAML that builds": b"!!python/object/apply:os.system [exit]\n",
    "YAML key of a list": b"? [a]\n: b\n",
    "YAML integer too long": b"a: " + b"9" * 5_000,
    "YAML in base 60": b"a: 1" + b":1" * 2_000,
    "XML too deep": b"<a>" * 20_000,
    "XML that multiplies": b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY a 'xxxxxxxx'>"
    + b"".join(
        b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
    )
    + b"]><a>&j;</a>",
    "XML of a file": b"<!DOCTYPE a [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><a>&a;</a>",
    "gzip, cut": gzip.compress(b"a" * 1_000, mtime=0)[:-9],
    "gzip, damaged": gzip.compress(bytes(range(256)) * 9, mtime=0)[:40] + b"\xff" * 40,
    "zip, damaged": b"PK\x03\x04" + b"\xff" * 200,
    "pickle": b"\x80\x04cos\nsystem\n(S'exit'\ntR.",
    "control characters": b"a\x1b[31m\x07\x85\xe2\x80\xa8b: c\x1b]0;d\x07\n",
}  # fmt: skip
"""What it is -> the bytes."""

OTHER: tuple[Any, ...] = (
    None, True, False, 0, -1, 10**30, 10**400, 0.5, 1e308, float("nan"), "", "a", "../a", "/a",
    "\u00b2", "1" * 5_000, "\x1b[31m", "\ud800", [], [None], [[]], ["a", 1], {}, {"a": None},
    {"a": {"a": []}},
)  # fmt: skip
"""What stands in place of a value."""


ABSENT = object()
N_RESHAPED = 400
"""Of one seed at most, evenly drawn; of a long one fewer."""
LONG_BYTES = 1_000


def inputs(seeds: Sequence[bytes]) -> list[bytes]:
    """All of WHOLE, and copies of the seeds with a value of another kind."""
    found = list(WHOLE.values())
    for seed in seeds:
        most = max(1, N_RESHAPED * LONG_BYTES // max(LONG_BYTES, len(seed)))
        found += reshaped(seed, most)
    return found


def reshaped(seed: bytes, most: int) -> Iterator[bytes]:
    """Copies of a JSON, JSONL or YAML file, each with one value of another kind, or without it.

    Args:
        seed: the file; of another one there are no copies.
        most: copies, evenly drawn from all that there are.
    """
    value, written = _parsed(seed)
    changes = [(path, other) for path in _places(value) for other in (*OTHER, ABSENT)]
    for path, other in changes[:: 1 + len(changes) // most]:
        if other is not ABSENT:
            yield from _written(_with(value, path, other), written)
        elif path:
            yield from _written(_without(value, path), written)


def _parsed(seed: bytes) -> tuple[Any, str]:
    with contextlib.suppress(ValueError):
        return json.loads(seed), "json"
    with contextlib.suppress(ValueError):
        return [json.loads(line) for line in seed.splitlines()[:2]], "jsonl"
    with contextlib.suppress(yaml.YAMLError, UnicodeDecodeError):
        value = yaml.safe_load(seed)
        if isinstance(value, dict):
            return value, "yaml"
    return None, ""


def _written(value: Any, how: str) -> Iterator[bytes]:
    if how == "json":
        yield json.dumps(value).encode()
    elif how == "jsonl" and isinstance(value, list):
        yield b"".join(json.dumps(row).encode() + b"\n" for row in value)
    elif how == "yaml":
        # a lone surrogate cannot be encoded, and YAML has no other way to write one
        yield yaml.safe_dump(value, allow_unicode=False).encode("utf-8", "replace")


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every value of a tree, as the keys that lead to it; of a list the first two."""
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _places(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value[:2]):
            yield from _places(item, (*path, number))


def _with(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    changed = copy.deepcopy(value)
    _parent(changed, path)[path[-1]] = other
    return changed


def _without(value: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(value)
    del _parent(changed, path)[path[-1]]
    return changed


def _parent(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        value = value[key]
    return value

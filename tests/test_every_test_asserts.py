"""A test that asserts nothing proves nothing: each one asserts, itself or through a helper."""

import ast
from collections import defaultdict
from functools import cache

from tests.imports import ROOT

ASSERTING_CALLS = {"raises", "warns", "fail", "assert_allclose", "assert_array_equal"}
"""Of pytest and numpy; they fail without the word `assert`."""
DEPTH = 3
"""Helpers of helpers that are followed."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def functions() -> dict[str, list[Function]]:
    """Every function below tests/, by its bare name."""
    found = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, Function):
                found[node.name].append(node)
    return dict(found)


def called(function: Function) -> set[str]:
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return {f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in calls}


def asserts(function: Function, depth: int = DEPTH) -> bool:
    names = called(function)
    if names & ASSERTING_CALLS or any(isinstance(n, ast.Assert) for n in ast.walk(function)):
        return True
    helpers = [one for name in names for one in functions().get(name, []) if one is not function]
    return depth > 0 and any(asserts(one, depth - 1) for one in helpers)


def test_every_test_asserts() -> None:
    tests = [one for name, all_ in functions().items() if name.startswith("test_") for one in all_]
    assert len(tests) > 2000
    assert [test.name for test in tests if not asserts(test)] == []


def test_a_test_without_an_assertion_is_noticed() -> None:
    (empty,) = ast.parse("def test_nothing():\n    print(sum([1]))\n").body
    assert isinstance(empty, Function) and not asserts(empty)

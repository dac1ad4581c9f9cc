"""`titer ab`: a plan before its data, nothing told before a look, each mistake one line."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Titer
from tests.serving import plans
from titer import runner
from titer.conversations.store import Store
from titer.serving import experiments

NEW = ("ab", "new", "november", plans.A, plans.B, "--min-users", "60", "--max-users", "120")


def rate(root: Path, n: int) -> None:
    """So many people rate; those of B are more content."""
    path = experiments.path(root, "november")
    value = json.loads(path.read_text()) | {"started_at": "2026-11-01T00:00:00Z"}
    path.write_text(json.dumps(value))
    plan = experiments.read(root, "november")
    talks = plans.crowd(plan, n, lambda draw, is_b: 0.4 * is_b + 0.5 * draw.random())
    store = Store(root / "conversations" / "store.db")
    store.put(talks)
    store.close()


def test_an_experiment_from_its_plan_to_its_answer(titer: Titer) -> None:
    root = runner.ROOT
    assert titer("ab", "list")[1] == "no experiment yet. See: titer ab new --help\n"
    code, out, err = titer(*NEW)
    assert (code, err) == (0, "")
    assert out.startswith("experiments/november.json: the plan; commit it before")
    rate(root, 59)
    out = titer("ab", "show", "november")[1]
    assert "59 people have rated" in out
    assert out.endswith("no answer yet: nothing is compared until 60 people have rated\n")
    assert "satisfaction" not in out
    rate(root, 60)
    out = titer("ab", "show", "november")[1]
    assert "look 1, due 2026-11-01T00:59:00Z" in out
    assert out.endswith(f"helped. Next: titer ab stop november. titer model activate {plans.B}\n")
    assert "ended" in titer("ab", "stop", "november")[1]
    assert "ended" in titer("ab", "list")[1]
    assert titer("ab", "show", "november")[1].endswith("\nhelped.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ab", "show", "may"), "there is none of that name; there are: none"),
        (("ab", "stop", "may"), "there is none of that name"),
        (("ab", "new", "may", plans.A, "autoimmune-qlora@v9.0.0"), "v9.0.0"),
        ((*NEW, "--share", "100"), "share_b 100: expected from 1 to 99"),
    ],
)
def test_a_mistake_is_one_line(titer: Titer, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = titer(*arguments)
    assert code in (1, 2)
    assert out == ""
    assert said in err
    assert err.count("\n") == 1

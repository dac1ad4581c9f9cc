"""Who is served which version: sticky, in the promised share, planned before the data."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.serving import plans
from tests.serving.plans import A, B
from titer import files
from titer.errors import ConfigError, FormatError, NotFound, TiterError
from titer.serving import experiments

DOMAINS = ("autoimmune", "chemistry")
VALUES: dict[str, Any] = {
    "name": "november", "a": A, "b": B, "share_b": 30, "min_users": 60, "max_users": 120,
    "margin": 0.05, "alpha": 0.05, "started_at": "2026-11-01",
}  # fmt: skip

REPLAY = """
import sys
from pathlib import Path
from titer.serving import experiments
plan = experiments.read(Path(sys.argv[1]), "november")
print("".join("ab"[plan.version(f"user-{i}") == plan.b] for i in range(10_000)))
"""


def planned(root: Path, **changed: Any) -> experiments.Experiment:
    return experiments.plan(root, DOMAINS, **VALUES | changed)


def test_ten_thousand_people_keep_their_arm_over_restarts(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    here = "".join("ab"[plan.version(f"user-{i}") == plan.b] for i in range(10_000))
    for _ in range(2):
        command = [sys.executable, "-c", REPLAY, str(tmp_path)]
        there = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        assert sum(x == y for x, y in zip(here, there, strict=True)) == 10_000


@pytest.mark.parametrize("share", [1, 10, 30, 50, 90])
def test_the_share_is_within_two_points_on_ten_thousand_ids(share: int) -> None:
    for salt in ("one", "two", "three"):
        plan = plans.experiment(share_b=share, salt=salt)
        n_b = sum(plan.version(f"key.{i:x}") == B for i in range(10_000))
        assert abs(n_b / 100 - share) < 2, (salt, n_b)


def test_people_of_b_in_one_experiment_are_spread_over_the_arms_of_the_next() -> None:
    one, two = plans.experiment(salt="one"), plans.experiment(salt="two")
    of_b = [user for i in range(10_000) if one.version(user := f"user-{i}") == B]
    n_again = sum(two.version(user) == B for user in of_b)
    assert abs(n_again / len(of_b) - 0.5) < 0.03


def test_a_plan_read_back_is_the_plan(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    assert experiments.read(tmp_path, "november") == plan
    assert plan.domain == "autoimmune"
    assert plan.started_at == "2026-11-01T00:00:00Z"
    assert experiments.running(tmp_path) == {"autoimmune": plan}


def test_a_plan_is_not_changed_and_a_domain_has_one_at_a_time(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    with pytest.raises(ConfigError, match="A plan is not changed"):
        planned(tmp_path, margin=0.2)
    with pytest.raises(ConfigError, match="First: titer ab stop november"):
        planned(tmp_path, name="zulu")
    assert experiments.read_all(tmp_path) == [plan]
    experiments.stop(tmp_path, "november", at="2026-11-20")
    assert experiments.running(tmp_path) == {}
    with pytest.raises(ConfigError, match="ended 2026-11-20T00:00:00Z"):
        experiments.stop(tmp_path, "november", at="2026-11-21")
    assert planned(tmp_path, name="zulu").salt != plan.salt


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"b": A}, "another version than a"),
        ({"b": "autoimmune-qlora"}, "a name with its version"),
        ({"b": "chemistry-qlora@v1.0.0"}, "versions of two domains"),
        ({"b": "../etc@v1.0.0"}, "no name of a model"),
        ({"share_b": 0}, "from 1 to 99"),
        ({"min_users": 10}, "at least 50"),
        ({"max_users": 60}, "more than min_users, 60"),
        ({"max_users": 1_000_001}, "and at most 1,000,000"),
        ({"margin": 0.0}, "between 0 and 1"),
        ({"alpha": 0.9}, "between 0 and 0.5"),
        ({"name": "../up"}, "letters, digits"),
        ({"started_at": "soon"}, "is no date"),
    ],
)
def test_a_plan_that_cannot_be_kept_is_one_line(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(TiterError, match=message):
        planned(tmp_path, **changed)
    assert not (tmp_path / experiments.FOLDER).exists()


def test_a_file_that_is_no_plan_is_one_line(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    with pytest.raises(NotFound, match="there are: november"):
        experiments.read(tmp_path, "may")
    target = experiments.path(tmp_path, "november")
    value = files.read_json_object(target)
    for changed, message in (
        ({"schema_version": 2}, "not schema version 1"),
        ({"more": 1}, "not a plan"),
        ({"share_b": "half"}, "not a plan"),
        ({"started_at": 7}, "not a plan"),
        ({"ended_at": 7}, "not a plan"),
        ({"name": "other"}, "holds the plan of 'other'"),
    ):
        files.write_json(target, value | changed)
        with pytest.raises(FormatError, match=message):
            experiments.read(tmp_path, plan.name)

"""Stages killed at random moments: a plain `dvc repro` afterwards ends as without a kill."""

from pathlib import Path

import pytest

from tests.reliability import kill_matrix
from tests.reliability.conftest import STAGE


def check(done: list[kill_matrix.Trial]) -> None:
    print(kill_matrix.summary(done))
    hit = [one for one in done if one.was_killed]
    assert all(one.recovered for one in hit)
    assert [one for one in hit if one.differences] == []


def test_a_killed_collection_ends_as_an_undisturbed_one(collected: Path, tmp_path: Path) -> None:
    """Once the whole group, once DVC alone; twenty times in every way when slow tests run."""
    check(kill_matrix.trials(collected, tmp_path / "work", STAGE, 2, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("stage", kill_matrix.STAGES)
def test_every_stage_killed_twenty_times(finished: Path, tmp_path: Path, stage: str) -> None:
    check(kill_matrix.trials(finished, tmp_path / "work", stage, 20, seed=2026))

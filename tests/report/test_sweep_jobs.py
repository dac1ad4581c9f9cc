"""The jobs of a sweep as read from the folder that Hydra wrote."""

from pathlib import Path

import pytest

from titer import files
from titer.report import sweeps


@pytest.mark.parametrize("written", [b"", b"[seed=1", b"\xff", b"seed: 1"])
def test_a_job_that_was_killed_while_hydra_wrote_is_unfinished(
    tmp_path: Path, written: bytes
) -> None:
    (tmp_path / "1" / ".hydra").mkdir(parents=True)
    (tmp_path / "1" / sweeps.HYDRA).write_bytes(written)
    result = {"overrides": ["seed=1"], "objective": 2.0, "stage": "train_qlora"}
    files.write_json(tmp_path / "0" / "result.json", result)
    first, second = sweeps.read(tmp_path)
    assert (first.state, first.settings) == ("finished", {"seed": "1"})
    assert (second.state, second.settings, second.objective) == ("unfinished", {}, None)
    assert sweeps.counted([first, second]) == "2 trials: 1 finished, 1 unfinished"


def test_a_job_without_overrides_needs_no_file_of_hydra(tmp_path: Path) -> None:
    files.write_json(tmp_path / "0" / "error.json", {"overrides": []})
    (job,) = sweeps.read(tmp_path)
    assert (job.state, job.settings) == ("failed", {})

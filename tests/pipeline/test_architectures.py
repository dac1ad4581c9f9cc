"""Every architecture that Titer trains goes through all eight stages, as a user's own model."""

from pathlib import Path

import pytest

from tests.pipeline.conftest import clone_of_the_working_tree, make_tiny
from tests.small_models import ARCHITECTURES, build
from titer import files

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_tiny_model_runs_all_eight_stages(tmp_path: Path, name: str) -> None:
    clone = clone_of_the_working_tree(tmp_path / "clone")
    make_tiny(clone, max_candidates=8)
    build(name, clone.path / "data/own/model")
    clone.edit("params.yaml", lambda text: text.replace("model: pocket", "model: local"))
    clone.edit(
        "conf/model/local.yaml",
        lambda text: (
            text.replace("dtype: bfloat16", "dtype: float32")
            .replace("max_length: 2048", "max_length: 320")
            .replace("max_new_tokens: 512", "max_new_tokens: 8")
        ),
    )
    assert len(clone.repro()) == 8
    for arm in ("qlora", "full"):
        assert files.read_json(clone.path / f"results/train_{arm}/run.json")["status"] == "ok"
        answers = files.read_json(clone.path / f"results/{arm}/answers.json")
        # untrained, a model may say nothing: its answers end all the same
        assert answers and {a["finish_reason"] for a in answers} <= {"stop", "length"}
    stats = files.read_json(clone.path / "results/stats.json")
    assert set(stats["comparisons"]) == {"qlora", "full"}
    assert stats["counts"]["test_items"] > 100

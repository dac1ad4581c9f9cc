"""An adapter trained elsewhere goes through the pipeline: taken, asked and judged."""

import json
import shutil
from collections.abc import Iterator

import pytest

from tests.pipeline.conftest import Clone, commit

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def restored(tiny: Clone) -> Iterator[None]:
    """The clone as the first run left it."""
    yield
    shutil.rmtree(tiny.path / "data/own/adapters/theirs", ignore_errors=True)
    tiny.run("git", "reset", "--hard", "-q")
    tiny.run("dvc", "checkout")


def adopt(tiny: Clone, source: str, path: str) -> None:
    tiny.edit("params.yaml", lambda t: t.replace("source: train", f"source: {source}"))
    tiny.edit("params.yaml", lambda t: t.replace("  path: null", f"  path: {path}", 1))


def test_the_pipeline_judges_an_adapter_as_it_judges_its_own(tiny: Clone) -> None:
    """The adapter that the pipeline trained, given back to it as if from elsewhere."""
    commit(tiny)
    shutil.copytree(tiny.path / "models/qlora", tiny.path / "data/own/adapters/theirs")
    before = (tiny.path / "results/qlora/closed.jsonl").read_bytes()
    adopt(tiny, "path", "data/own/adapters/theirs")
    assert tiny.repro() == ["train_qlora", "benchmark_qlora", "score"]
    run = json.loads((tiny.path / "results/train_qlora/run.json").read_text())
    assert (run["status"], run["trained"]) == ("ok", "elsewhere")
    assert run["adapter"]["path"] == "data/own/adapters/theirs"
    assert (tiny.path / "results/qlora/closed.jsonl").read_bytes() == before
    assert (tiny.path / "reports/report.md").is_file()
    assert tiny.repro() == []


def test_an_adapter_that_does_not_fit_ends_in_one_line(tiny: Clone) -> None:
    commit(tiny)
    theirs = tiny.path / "data/own/adapters/theirs"
    shutil.copytree(tiny.path / "models/qlora", theirs)
    (theirs / "adapter_model.safetensors").rename(theirs / "adapter_model.bin")
    adopt(tiny, "path", "data/own/adapters/theirs")
    done = tiny.run("dvc", "repro", "train_qlora", check=False)
    assert done.returncode
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "only there as a pickle (adapter_model.bin)" in errors[0]
    assert "Traceback" not in done.stderr

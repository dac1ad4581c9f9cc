"""`titer pin` writes the commit of a hub model into its file and changes nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.standin.hub import COMMIT, Hub, Repository
from titer.cli.pin import with_revision
from titer.errors import ConfigError

LLAMA = "conf/model/llama_3_1_8b_instruct.yaml"


@pytest.fixture
def hub() -> Iterator[Hub]:
    """Holds one model, gated as the real one: its commit is public, its files are not."""
    with Hub({"meta-llama/Llama-3.1-8B-Instruct": Repository({}, gated=True)}) as running:
        yield running


def test_a_commit_is_written_and_comments_stay(project: Any, hub: Hub) -> None:
    project.set(LLAMA, revision="null")
    before = (project.root / LLAMA).read_text()
    done = project.process("pin", "llama_3_1_8b_instruct", HF_ENDPOINT=hub.url)
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{LLAMA}: revision: {COMMIT}\n"
    after = (project.root / LLAMA).read_text()
    assert after == before.replace("revision: null", f"revision: {COMMIT}")
    assert project.titer("check").code == 0


def test_a_model_that_the_hub_does_not_know_leaves_the_file(project: Any, hub: Hub) -> None:
    project.set(LLAMA, repo_id="deepseek-ai/DeepSeek-R1-Distill-Qwen-8B")
    before = (project.root / LLAMA).read_text()
    done = project.process("pin", "llama_3_1_8b_instruct", HF_ENDPOINT=hub.url)
    assert (done.code, done.out) == (4, "")
    assert done.err == (
        "error: deepseek-ai/DeepSeek-R1-Distill-Qwen-8B: no such model on the hub "
        "(did you mean deepseek-ai/DeepSeek-R1-0528-Qwen3-8B?)\n"
    )
    assert (project.root / LLAMA).read_text() == before


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("llama_3_1_8b_instrukt", "error: no conf/model/llama_3_1_8b_instrukt.yaml (did you mean "
         "llama_3_1_8b_instruct?); known: "),
        ("pocket", "error: conf/model/pocket.yaml: source is pocket, not hub"),
    ],
)  # fmt: skip
def test_what_cannot_be_pinned_is_one_line(project: Any, model: str, message: str) -> None:
    done = project.titer("pin", model)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(message)
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    "line",
    ["revision: null                # a note", "revision: 'abc'  # a note", "revision:   # a note",
     "revision:"],
)  # fmt: skip
def test_the_revision_is_replaced_however_it_was_written(line: str) -> None:
    text = with_revision(f"# revision: of what\nsource: hub\n{line}\npath: null\n", COMMIT)
    assert yaml.safe_load(text) == {"source": "hub", "revision": COMMIT, "path": None}
    assert text.count("# a note") == line.count("# a note")
    assert text.startswith("# revision: of what\n")


def test_a_file_without_the_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="no key revision"):
        with_revision("source: hub\n", COMMIT)

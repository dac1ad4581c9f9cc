"""An adapter that PEFT and TRL trained elsewhere, through DVC; one that does not fit the base."""

from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import Clone, clone_of_the_working_tree, commit, make_tiny
from titer import files

pytestmark = pytest.mark.slow
ADAPTERS = "data/own/adapters"
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A tiny pipeline with its base model, and an adapter below data/own/adapters."""
    clone = clone_of_the_working_tree(tmp_path_factory.mktemp("adopted"))
    make_tiny(clone)
    clone.repro("download_model")
    commit(clone)
    train_elsewhere(clone, clone.path / "models/base", "theirs")
    return clone


def train_elsewhere(clone: Clone, base: Path, name: str) -> None:
    clone.run("python", "-m", "tests.pipeline.plain_trl", str(base), f"{ADAPTERS}/{name}")


def wider(base: Path, to: Path) -> Path:
    """Another model of the same family and tokenizer."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    config = AutoConfig.from_pretrained(base)
    config.hidden_size += 32
    AutoModelForCausalLM.from_config(config).save_pretrained(to)
    AutoTokenizer.from_pretrained(base).save_pretrained(to)
    return to


def judge(clone: Clone, name: str, **kwargs: Any) -> Any:
    changes = ("qlora.source=path", f"qlora.path={ADAPTERS}/{name}")
    return clone.run("dvc", "exp", "run", *(f"-S{change}" for change in changes), **kwargs)


def test_it_is_judged_like_an_own_one_and_another_base_is_refused(
    clone: Clone, tmp_path: Path
) -> None:
    judge(clone, "theirs")
    commit(clone)
    theirs = clone.path / ADAPTERS / "theirs"
    taken = clone.path / "models/qlora"
    record = files.read_json(clone.path / "results/train_qlora/run.json")
    assert record["trained"] == "elsewhere" and record["adapter"]["r"] == 8
    assert record["adapter"]["sha256"] == files.sha256_file(theirs / WEIGHTS)
    assert (taken / WEIGHTS).read_bytes() == (theirs / WEIGHTS).read_bytes()
    assert (theirs / "training_args.bin").is_file() and list(theirs.glob("checkpoint-*"))
    assert not [path for path in taken.rglob("*") if path.suffix == ".bin"]
    decided = files.read_json(clone.path / "results/stats.json")["comparisons"]["qlora"]
    assert decided["verdict"] in {"helped", "hurt", "equivalent", "inconclusive"}
    assert "trained elsewhere" in (clone.path / "reports/report.md").read_text()
    answers = [files.read_json(clone.path / f"results/{arm}/answers.json") for arm in ARMS]
    assert answers[0] != answers[1], "the adapter changes what the model says"

    before = made(clone)
    train_elsewhere(clone, wider(clone.path / "models/base", tmp_path / "wider"), "other")
    refused = judge(clone, "other", check=False)
    assert refused.returncode != 0 and "Traceback" not in refused.stderr
    (line,) = {line for line in refused.stderr.splitlines() if line.startswith("error: ")}
    assert "it was trained on another base" in line and f"{ADAPTERS}/other" in line
    clone.run("git", "checkout", "--", "params.yaml", "dvc.lock", "results", "reports")
    clone.run("dvc", "checkout")
    assert made(clone) == before


ARMS = ("base", "qlora")


def made(clone: Clone) -> dict[str, str]:
    """Hash of every file below what DVC makes."""
    return {
        str(path.relative_to(clone.path)): files.sha256_file(path)
        for folder in ("models", "results", "reports")
        for path in sorted((clone.path / folder).rglob("*"))
        if path.is_file()
    }

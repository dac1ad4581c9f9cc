"""An adapter worked into its base answers as the adapter on its base did."""

from pathlib import Path
from typing import Any

import pytest

from tests import trees
from tests.export import fine_tunes
from titer import files
from titer.errors import BaseMismatch
from titer.modeling import chat_template, loading, merging


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: Any) -> tuple[Path, Path]:
    home = tmp_path_factory.mktemp("tuned")
    base = fine_tunes.base("Qwen3", home / "base")
    (base / "LICENSE.txt").write_text("a licence")
    (base / "pytorch_model.bin").write_bytes(b"a pickle")
    return base, fine_tunes.adapter(base, home / "adapter")


def logits(model: Any, folder: Path) -> Any:
    import torch

    ids = torch.tensor([fine_tunes.prompts(folder)[0]])
    with torch.inference_mode():
        return model(input_ids=ids).logits


@pytest.mark.parametrize("as_trained", [True, False], ids=["4-bit base", "base as downloaded"])
def test_merged_logits_are_those_of_the_adapter(
    as_trained: bool, tuned: tuple[Path, Path], tmp_path: Path
) -> None:
    base, adapter = tuned
    merging.merge(base, adapter, tmp_path / "merged", dtype="float32", as_trained=as_trained)
    model = loading.load_model(base, dtype="float32", device="cpu", quantize=as_trained)
    bare = logits(model, base)
    expected = logits(loading.load_adapter(model, adapter), base)
    merged = loading.load_model(tmp_path / "merged", dtype="float32", device="cpu")
    found = logits(merged, tmp_path / "merged")
    size = expected.abs().max()
    assert (found - expected).abs().max() < 1e-4 * size
    assert (bare - expected).abs().max() > 0.1 * size, "the adapter changes nothing"


def test_the_same_folders_give_the_same_bytes(tuned: tuple[Path, Path], tmp_path: Path) -> None:
    base, adapter = tuned
    before = files.sha256_tree(base), files.sha256_tree(adapter)
    for name in ("one", "other"):
        merging.merge(base, adapter, tmp_path / name, dtype="float16", as_trained=True)
    assert trees.differences(tmp_path / "one", tmp_path / "other") == []
    assert (files.sha256_tree(base), files.sha256_tree(adapter)) == before


def test_tokenizer_and_licence_come_along_and_pickles_do_not(
    tuned: tuple[Path, Path], tmp_path: Path
) -> None:
    base, adapter = tuned
    merging.merge(base, adapter, tmp_path / "merged", dtype="float32", as_trained=False)
    names = {path.name for path in (tmp_path / "merged").iterdir()}
    assert {"LICENSE.txt", "tokenizer.json", "chat_template.jinja", "config.json"} <= names
    assert {Path(name).suffix for name in names} == {".txt", ".json", ".jinja", ".safetensors"}
    assert files.read_json(tmp_path / "merged" / "config.json").get("quantization_config") is None
    same = (base / "tokenizer.json").read_bytes() == (
        tmp_path / "merged" / "tokenizer.json"
    ).read_bytes()
    assert same


def test_an_adapter_of_another_template_is_refused(
    tuned: tuple[Path, Path], tmp_path: Path
) -> None:
    base, _ = tuned
    adapter = fine_tunes.adapter(base, tmp_path / "adapter")
    tokenizer = loading.load_tokenizer(base)
    record = {
        "tokenizer_sha256": chat_template.tokenizer_sha256(tokenizer),
        "chat_template_sha256": "f" * 64,
    }
    files.write_json(adapter / "trained_with.json", record)
    with pytest.raises(BaseMismatch, match="chat_template_sha256 is ffffffffffff, that of"):
        merging.merge(base, adapter, tmp_path / "merged", dtype="float32", as_trained=False)
    assert not (tmp_path / "merged").exists()

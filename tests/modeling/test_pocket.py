"""The pocket model: the same bytes twice, learns, and its material is complete."""

import filecmp
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY
from titer.config import Device, Dtype
from titer.errors import FormatError
from titer.modeling import loading, pocket

TEXTS = ROOT / "data" / "pretraining"


def test_two_builds_are_equal_to_the_byte(tmp_path: Path) -> None:
    for name in ("one", "two"):
        pocket.build(tmp_path / name, TEXTS, TINY)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    same, different, odd = filecmp.cmpfiles(
        tmp_path / "one", tmp_path / "two", names, shallow=False
    )
    assert (different, odd) == ([], [])
    assert "model.safetensors" in same


def test_training_lowers_the_loss(tiny_model: Path) -> None:
    import torch

    material = pocket.read_material(TEXTS)
    tokenizer = loading.load_tokenizer(tiny_model)
    model = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu)
    rows = pocket.token_rows(tokenizer, material, seed=9)
    batch = torch.tensor([next(rows) for _ in range(8)])
    with torch.no_grad():
        before = float(model(input_ids=batch, labels=batch).loss)
    pocket.pretrain(model, tokenizer, material, replace(TINY, steps=30, learning_rate=5e-3))
    with torch.no_grad():
        after = float(model(input_ids=batch, labels=batch).loss)
    assert after < before - 1


def test_layers_have_sizes_that_nf4_blocks_fill(tiny_model: Path) -> None:
    model = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu, quantize=True)
    kinds = {type(module).__name__ for module in model.modules()}
    assert "Linear4bit" in kinds


def test_a_relation_without_wordings_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    shutil.copytree(TEXTS, folder)
    with (folder / "everyday.csv").open("a") as file:
        file.write("nonsense,one,two\n")
    with pytest.raises(FormatError, match="no wordings for nonsense"):
        pocket.read_material(folder)


def test_missing_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"prose\.txt: no such file: pretraining text is missing"):
        pocket.read_material(tmp_path)

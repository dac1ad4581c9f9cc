"""A text encoder gives vectors of length one that depend on the text alone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BertConfig, BertModel

from titer.errors import LoadError
from titer.modeling.embedding import check_encoder_folder, encoder

TEXTS = [
    "Which oil do the keepers of the harbour burn in winter?",
    "Bread.",
    "The children counted seven boats on the lake before the rain came from the hills.",
]


def test_rows_have_length_one_and_the_order_of_the_texts(tiny_model: Path) -> None:
    find = encoder(tiny_model)
    vectors = find(TEXTS)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[::-1], find(TEXTS[::-1]), atol=1e-5)


def test_company_in_a_batch_does_not_change_a_vector(tiny_model: Path) -> None:
    find = encoder(tiny_model)
    alone = np.concatenate([find([text]) for text in TEXTS])
    assert np.allclose(find(TEXTS), alone, atol=1e-5)


def test_equal_texts_have_cosine_one_and_others_less(tiny_model: Path) -> None:
    vectors = encoder(tiny_model)([*TEXTS, TEXTS[0]])
    cosine = vectors @ vectors.T
    assert cosine[0, 3] == pytest.approx(1, abs=1e-5)
    assert max(cosine[0, 1], cosine[0, 2]) < 0.9


def test_a_text_longer_than_the_model_is_cut(tiny_model: Path) -> None:
    limit = json.loads((tiny_model / "config.json").read_text())["max_position_embeddings"]
    long = "lamp " * limit
    find = encoder(tiny_model)
    assert np.allclose(find([long + "x"]), find([long]), atol=1e-5)


def test_no_texts_are_no_rows(tiny_model: Path) -> None:
    assert encoder(tiny_model)([]).shape == (0, 64)


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_an_incomplete_folder_is_refused(tiny_model: Path, tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_model, folder)
    (folder / missing).unlink()
    with pytest.raises(LoadError, match=str(folder)):
        check_encoder_folder(folder)


def test_weights_that_are_none_are_one_line(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_model, folder)
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(LoadError, match="no usable text encoder") as error:
        encoder(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("lost", ["layers.1.", "embed_tokens", "norm.weight"])
def test_an_encoder_without_some_weights_is_refused(
    tiny_model: Path, tmp_path: Path, lost: str
) -> None:
    """transformers makes them up at random, anew on every load."""
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_model, folder)
    weights = load_file(folder / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if lost not in name}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(LoadError, match=r"\d+ weights are missing, first \S+. Copy all files"):
        encoder(folder)


def test_a_pooling_head_that_is_not_used_may_be_absent(tiny_model: Path, tmp_path: Path) -> None:
    """Encoders of sentences are often saved without BERT's, whose output is not read here."""
    config = BertConfig(
        vocab_size=len(AutoTokenizer.from_pretrained(tiny_model)), hidden_size=32,
        intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
    )  # fmt: skip
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_model, folder)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    assert encoder(folder)(TEXTS).shape == (3, 32)


def test_a_tokenizer_of_another_model_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_model, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"extra{number}" for number in range(2000)])
    tokenizer.save_pretrained(folder)
    with pytest.raises(LoadError, match=r"the tokenizer has \d+ entries and the model \d+: they"):
        encoder(folder)

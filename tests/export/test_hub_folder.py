"""The folder for the hub: these weights, their card, their licence."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.export import fine_tunes
from titer import files
from titer.errors import DataError, FormatError
from titer.export import hub_folder
from titer.export.source import Source, licence_text
from titer.modeling import loading

CARD = "---\nlanguage: en\nlicense: apache-2.0\n---\n\n# QLoRA\n"


@pytest.fixture(scope="module")
def source(tmp_path_factory: Any) -> Source:
    home = tmp_path_factory.mktemp("tuned")
    base = fine_tunes.base("Qwen3", home / "base")
    adapter = fine_tunes.adapter(base, home / "qlora")
    (adapter / "optimizer.pt").write_bytes(b"a pickle")
    found = Source("qlora", base, adapter, "float32", "float32", "cpu", None)
    return replace(found, run={"status": "ok", "models": [found.hashes()]})


def card(folder: Path, text: str = CARD) -> Path:
    path = folder / "model_card_qlora.md"
    path.write_text(text)
    return path


def test_an_adapter_names_its_base_and_brings_no_pickle(source: Source, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    where = ("owner/name", "0" * 40)
    hub_folder.write(source, card(tmp_path), "Free.", out, base=where)
    config = files.read_json(out / "adapter_config.json")
    assert (config["base_model_name_or_path"], config["revision"]) == where
    assert {path.name for path in out.iterdir()} == {
        "README.md", "LICENSE", "adapter_config.json", "adapter_model.safetensors",
    }  # fmt: skip
    assert (out / "README.md").read_text() == CARD
    model = loading.load_model(source.base, dtype="float32", device="cpu")
    assert loading.load_adapter(model, out).peft_config


def test_a_full_fine_tune_is_a_model_folder(source: Source, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    full = replace(source, arm="full", adapter=None)
    hub_folder.write(full, card(tmp_path), "Free.", out, base=None)
    assert loading.load_tokenizer(out).chat_template
    loading.load_model(out, dtype="float32", device="cpu")
    same = files.sha256_file(out / "model.safetensors")
    assert same == files.sha256_file(source.base / "model.safetensors")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# no front matter\n", "no licence in its front matter"),
        ("---\nlanguage: en\n---\n", "no licence in its front matter"),
        ("---\nlicense: [\n---\n", ":1: its front matter is no YAML"),
    ],
    ids=["no front matter", "no licence", "no YAML"],
)
def test_a_card_without_a_licence_is_refused(
    text: str, expected: str, source: Source, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=expected):
        hub_folder.check(source, card(tmp_path, text))


def test_a_card_of_other_weights_is_refused(source: Source, tmp_path: Path) -> None:
    hub_folder.check(source, card(tmp_path))
    run = {"status": "ok", "models": [source.hashes() | {"adapter_sha256": "0" * 64}]}
    with pytest.raises(DataError, match="tells of another model: the weights are not those"):
        hub_folder.check(replace(source, run=run), card(tmp_path))


def test_a_missing_card_says_how_to_make_it(source: Source, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Run: dvc repro score"):
        hub_folder.check(source, tmp_path / "card.md")


def test_nothing_goes_without_a_licence(source: Source, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no LICENSE file, and no export goes without one"):
        licence_text(source.base)
    (tmp_path / "LICENCE").write_text("Free.")
    assert licence_text(tmp_path) == "Free."
    (tmp_path / "LICENCE").write_bytes(b"\xa9 nobody")
    with pytest.raises(FormatError, match="LICENCE:1: byte 0xa9 is no UTF-8"):
        licence_text(tmp_path)

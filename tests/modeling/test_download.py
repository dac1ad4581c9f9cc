"""Obtaining the base model: own folders, what is copied, every refusal one line, who it is."""

import json
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from titer.config import (
    Dtype,
    GenerationSettings,
    LearningRates,
    ModelSettings,
    ModelSource,
    Think,
)
from titer.errors import ConfigError, LoadError, ModelError, TooLittleDisk
from titer.modeling import download, loading, probe
from titer.modeling.weights import count_parameters

SETTINGS = ModelSettings(
    source=ModelSource.path, repo_id=None, revision=None, path="data/own/model", pretraining=None,
    dtype=Dtype.float32, max_length=128, attention_factor=None, think=Think.none,
    generation=GenerationSettings(0.0, 1.0, 1, 8), learning_rate=LearningRates(1e-3, 1e-4),
)  # fmt: skip
USABLE = (
    "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "merges.txt",
    "tokenizer.model", "chat_template.jinja", "LICENSE", "LICENSE-MODEL", "README.md",
)  # fmt: skip
OTHER = ("modeling_own.py", "pytorch_model.bin", "weights.pt", "notes.md", "model.gguf", ".hidden")


def model_folder(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("{}")
    return folder


@pytest.mark.parametrize("given", ["data/own/model", "data/own/model/llama"])
def test_an_own_model_lies_where_dvc_watches(tmp_path: Path, given: str) -> None:
    own = tmp_path / "data" / "own" / "model"
    assert download.own_path(given, root=tmp_path, own=own) == tmp_path / given


@pytest.mark.parametrize("given", ["models/base", "data/own/modelling", "data/own/model/.."])
def test_an_own_model_elsewhere_is_refused(tmp_path: Path, given: str) -> None:
    with pytest.raises(ConfigError) as error:
        download.own_path(given, root=tmp_path, own=tmp_path / "data" / "own" / "model")
    assert str(error.value) == (
        f"model.path = {given!r}: must be data/own/model or lie below it, which DVC watches"
    )


def test_the_own_folder_may_be_a_link(tmp_path: Path) -> None:
    elsewhere = model_folder(tmp_path / "disk" / "llama")
    (tmp_path / "own").symlink_to(elsewhere)
    found = download.own_path("own", root=tmp_path, own=tmp_path / "own")
    assert found == tmp_path / "own"


def test_no_path_means_no_own_model(tmp_path: Path) -> None:
    assert download.own_path(None, root=tmp_path, own=tmp_path) is None


def test_only_weights_configuration_tokenizer_and_licence_are_copied(tmp_path: Path) -> None:
    source = model_folder(tmp_path / "own", *USABLE, *OTHER)
    model_folder(source / "LICENSES", "x.py")
    model_folder(source / "original", "consolidated.safetensors")
    download.copy_folder(source, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == sorted(USABLE)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("config.json", "pytorch_model.bin"), "weights only as a pickle (pytorch_model.bin)"),
        (("config.json", "tokenizer.json"), "no *.safetensors weights"),
        (("model.safetensors",), "no config.json; this is not a transformers model folder"),
    ],
)
def test_an_unusable_folder_is_refused_before_anything_is_written(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    source = model_folder(tmp_path / "own", *names)
    with pytest.raises(LoadError) as error:
        download.copy_folder(source, tmp_path / "out")
    assert str(error.value).startswith(f"{source}: {message}")
    assert not (tmp_path / "out").exists()


def test_too_little_disk_is_one_line_before_a_byte_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    source = model_folder(tmp_path / "own", *USABLE)
    with pytest.raises(TooLittleDisk) as error:
        download.copy_folder(source, tmp_path / "out")
    assert " needs 0.0 GB and " in str(error.value)
    assert "dvc gc -w" in str(error.value)
    assert error.value.exit_code == 4
    assert list((tmp_path / "out").iterdir()) == []


# ---- what the hub's client raises


def http_error(name: str, status: int) -> Exception:
    import httpx2
    from huggingface_hub import errors

    request = httpx2.Request("GET", "https://hub.invalid/api/models/a/b")
    response = httpx2.Response(status, request=request)
    error: Exception = getattr(errors, name)("first line\n\nsecond line", response=response)
    return error


def raised(name: str) -> Exception:
    import httpx2
    from huggingface_hub import errors

    own = getattr(errors, name, None)
    return own("line\nline") if own else getattr(httpx2, name)("line\nline")


GATED = "gated. Accept its terms on its page while signed in, and set HF_TOKEN in the environment"
REACHED = "the hub cannot be reached ({}). Check the network, or use model.source: path"


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("GatedRepoError", 403, GATED),
        ("RepositoryNotFoundError", 404, "no such model on the hub"),
        ("RevisionNotFoundError", 404, "no such revision. `titer pin <model>` writes a valid one"),
        ("HfHubHTTPError", 503, "the hub failed: HfHubHTTPError: first line second line"),
        ("HfHubHTTPError", 401, "the hub failed: HfHubHTTPError: first line second line"),
        ("DisabledRepoError", 403, "the hub failed: DisabledRepoError: first line second line"),
    ],
)
def test_what_the_hub_answers_is_one_line(name: str, status: int, text: str) -> None:
    error = download.hub_error("Qwen/Qwen3-8B", http_error(name, status))
    assert str(error) == f"Qwen/Qwen3-8B: {text}"
    assert error.exit_code == 4


@pytest.mark.parametrize(
    "name",
    ["OfflineModeIsEnabled", "LocalEntryNotFoundError", "ConnectError", "ConnectTimeout",
     "ReadTimeout", "ReadError", "ProxyError", "RemoteProtocolError"],
)  # fmt: skip
def test_no_answer_is_called_unreachable(name: str) -> None:
    error = download.hub_error("Qwen/Qwen3-8B", raised(name))
    assert str(error) == f"Qwen/Qwen3-8B: {REACHED.format(name)}"


def test_a_full_disk_is_not_called_a_missing_network() -> None:
    error = download.hub_error("Qwen/Qwen3-8B", OSError(28, "No space left on device"))
    assert str(error).endswith("the hub failed: OSError: [Errno 28] No space left on device")


def test_offline_mode_is_one_line() -> None:
    """tests/conftest.py sets HF_HUB_OFFLINE before the client is imported."""
    with pytest.raises(ModelError, match=r"cannot be reached \(OfflineModeIsEnabled\)"):
        download.hub_info("Qwen/Qwen3-8B", None)


@pytest.mark.parametrize(
    ("asked", "suggested"),
    [
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-8B", "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B"),
        ("Qwen/Qwen-3-8B", "Qwen/Qwen3-8B"),
        ("meta-llama/Llama-3.1-8B-Instuct", "meta-llama/Llama-3.1-8B-Instruct"),
    ],
)
def test_an_unknown_id_gets_the_nearest_one(asked: str, suggested: str) -> None:
    error = download.hub_error(asked, http_error("RepositoryNotFoundError", 401))
    assert str(error) == f"{asked}: no such model on the hub (did you mean {suggested}?)"


@pytest.mark.parametrize("known", [download.KNOWN_MODELS[0], "someone/entirely-else"])
def test_a_known_or_foreign_id_gets_no_suggestion(known: str) -> None:
    assert download.suggestion(known) == ""


# ---- what is written beside the weights


@pytest.mark.parametrize("key", ["rope_parameters", "rope_scaling"])
def test_the_attention_factor_stands_in_the_configuration(tmp_path: Path, key: str) -> None:
    rope = {"rope_type": "yarn", "factor": 4.0, "attn_factor": 0.8782}
    (tmp_path / "config.json").write_text(json.dumps({key: rope, "model_type": "qwen3"}))
    download.set_attention_factor(tmp_path, 1.0)
    found = json.loads((tmp_path / "config.json").read_text())
    expected = {"rope_type": "yarn", "factor": 4.0, "attention_factor": 1.0}
    assert found == {key: expected, "model_type": "qwen3"}


def test_an_attention_factor_without_scaled_positions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"rope_scaling": null}')
    with pytest.raises(LoadError, match="the model scales no positions"):
        download.set_attention_factor(tmp_path, 1.0)


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlanguage: en\nlicense: llama3.1\n---\n# A model\n", "llama3.1"),
        ("# A model\nIts license is free.\n", None),
        (None, None),
    ],
)
def test_the_licence_is_what_the_card_says(
    tmp_path: Path, card: str | None, expected: str | None
) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert download.license_of(tmp_path, SETTINGS) == expected


@pytest.fixture(scope="module")
def obtained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tiny model through `source: path`, tried out and described."""
    out = tmp_path_factory.mktemp("obtained") / "base"
    commit = download.obtain(SETTINGS, out=out, own=tiny_model, texts=tiny_model)
    generated = probe.try_out(out, device=loading.Device.cpu)
    return out, download.describe(out, SETTINGS, commit=commit, generated=generated)


def test_a_described_model_says_who_it_is(obtained: Any) -> None:
    out, identity = obtained
    assert (identity["id"], identity["source"]) == ("data/own/model", "path")
    assert (identity["revision"], identity["pinned"]) == (None, True)
    assert (identity["architecture"], identity["dtype"]) == ("Qwen3ForCausalLM", "float32")
    assert identity["n_parameters"] == count_parameters(out) > 100_000
    assert identity["context_length"] > 0
    assert identity["license"] is None
    hashes = [identity[name] for name in identity if name.endswith("sha256")]
    assert [len(value) for value in hashes] == [64, 64, 64]
    assert json.loads(json.dumps(identity)) == identity


def test_a_described_model_says_what_it_generated(obtained: Any) -> None:
    _, identity = obtained
    assert identity["probe"]["question"] == download.PROBE_QUESTION
    assert identity["probe"]["generated"]


def test_a_hub_model_without_a_commit_is_called_unpinned(tiny_model: Path) -> None:
    commit = "a" * 40
    hub = replace(SETTINGS, source=ModelSource.hub, repo_id="Qwen/Qwen3-8B", path=None)
    newest = download.describe(tiny_model, hub, commit=commit, generated="")
    assert (newest["id"], newest["revision"], newest["pinned"]) == ("Qwen/Qwen3-8B", commit, False)
    pinned = replace(hub, revision=commit)
    assert download.describe(tiny_model, pinned, commit=commit, generated="")["pinned"] is True

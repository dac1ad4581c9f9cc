"""Adapters trained elsewhere: taken when they fit, refused in one line when they do not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from titer import files
from titer.config import AdapterSource, Device, Dtype, Think
from titer.errors import AdapterError, BaseMismatch, ConfigError, NotFound, TiterError
from titer.modeling import loading
from titer.training import adopt

TARGETS = ["q_proj", "v_proj"]
HEADER_WITH_THE_QUESTION = (
    "{% for m in messages %}{% if m['role'] == 'user' %}<|im_start|>user\n{{ m['content'] }}"
    "<|im_end|>\n<|im_start|>assistant\n{% else %}{{ m['content'] }}<|im_end|>\n{% endif %}"
    "{% endfor %}"
)
"""LLaMA-Factory's ChatML: another text than the base's template, and the same prompt."""


def make_adapter(base: Path, to: Path, **changes: Any) -> Path:
    """A PEFT adapter of random weights, saved as the library saves it."""
    import torch
    from peft import LoraConfig, get_peft_model

    model = loading.load_model(base, dtype=Dtype.float32, device=Device.cpu)
    given = {"r": 4, "lora_alpha": 8, "target_modules": TARGETS, "task_type": "CAUSAL_LM"}
    torch.manual_seed(3)
    adapted = get_peft_model(model, LoraConfig(**(given | changes)))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.02)
    adapted.save_pretrained(to)
    return to


def llama_factory(base: Path, folder: Path) -> None:
    """As LLaMA-Factory 0.9.5 leaves it: tokenizer and template beside, records, checkpoints."""
    tokenizer = loading.load_tokenizer(base)
    tokenizer.chat_template = HEADER_WITH_THE_QUESTION
    tokenizer.save_pretrained(folder)
    for name in ("all_results.json", "train_results.json", "trainer_state.json"):
        (folder / name).write_text("{}")
    (folder / "training_args.bin").write_bytes(b"a pickle")
    (folder / "trainer_log.jsonl").write_text("{}\n")
    (folder / "checkpoint-3").mkdir()


def axolotl(base: Path, folder: Path) -> None:
    """As Axolotl leaves it: tokenizer, the base's config.json, a debug log."""
    loading.load_tokenizer(base).save_pretrained(folder)
    shutil.copyfile(base / "config.json", folder / "config.json")
    (folder / "debug.log").write_text("")


def unsloth(base: Path, folder: Path) -> None:
    """As Unsloth leaves it: targets as an expression, an auto_mapping, a base in 4 bits."""
    change(folder, base_model_name_or_path="unsloth/tiny-bnb-4bit",
           target_modules=r"(?:.*?(?:self_attn).*?(?:q_proj|v_proj).*?)", newer_key=None,
           auto_mapping={"base_model_class": "Qwen3ForCausalLM", "unsloth_fixed": True,
                         "parent_library": "transformers.models.qwen3.modeling_qwen3"})  # fmt: skip


def bare(base: Path, folder: Path) -> None:
    """PEFT's two files and its card."""


def change(folder: Path, **keys: Any) -> None:
    path = folder / adopt.CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def take(folder: Path, base: Path, out: Path) -> dict[str, Any]:
    return adopt.adopt(folder, base=base, think=Think.none, out=out)


@pytest.mark.parametrize("layout", [bare, llama_factory, axolotl, unsloth])
def test_an_adapter_of_another_tool_gives_the_same_logits_as_where_it_came_from(
    tiny_model: Path, tmp_path: Path, layout: Callable[[Path, Path], None]
) -> None:
    import torch

    folder = make_adapter(tiny_model, tmp_path / "theirs")
    shutil.copytree(folder, tmp_path / "as trained")
    layout(tiny_model, folder)
    found = take(folder, tiny_model, tmp_path / "out")
    assert found["r"] == 4
    assert found["base_name"] in {"model", "unsloth/tiny-bnb-4bit"}, "no path of a machine"
    assert found["trainable_params"] == 2 * 4 * (64 + 64 + 64 + 32)
    logits = []
    for place in (tmp_path / "as trained", tmp_path / "out"):
        model = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu)
        with torch.no_grad():
            logits.append(loading.load_adapter(model, place)(torch.arange(9)[None]).logits)
    assert torch.equal(*logits)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {adopt.WEIGHTS, adopt.CONFIG, "tokenizer.json", "trained_with.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".log", ".jsonl"))]
    config = json.loads((tmp_path / "out" / adopt.CONFIG).read_text())
    assert config["base_model_name_or_path"] is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"use_dora": True}, id="DoRA"),
        pytest.param({"use_rslora": True}, id="rsLoRA"),
        pytest.param({"target_modules": "all-linear"}, id="all-linear"),
        pytest.param({"modules_to_save": ["embed_tokens"]}, id="whole embedding"),
    ],
)
@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`")
def test_variants_of_lora_are_taken(
    tiny_model: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    folder = make_adapter(tiny_model, tmp_path / "theirs", **changes)
    take(folder, tiny_model, tmp_path / "out")
    model = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu)
    adapted = loading.load_adapter(model, tmp_path / "out")
    settings = adapted.peft_config["default"]
    assert all(getattr(settings, name) for name in changes)


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        pytest.param("lora_B", "lora_B.weight is not there", id="matrices"),
        pytest.param("layers.1.", "is not there", id="a layer"),
        pytest.param(None, "is not applied", id="targets of the configuration"),
    ],
)
@pytest.mark.filterwarnings("ignore:Found missing adapter keys:UserWarning")
def test_an_adapter_that_would_be_applied_in_part_is_refused(
    tiny_model: Path, tmp_path: Path, lost: str | None, said: str
) -> None:
    """PEFT passes over it, and the fine-tune would be judged for a part of itself."""
    from safetensors.torch import load_file, save_file

    folder = make_adapter(tiny_model, tmp_path / "theirs")
    if lost is None:
        config = files.read_json(folder / adopt.CONFIG)
        files.write_json(folder / adopt.CONFIG, config | {"target_modules": TARGETS[:1]})
    else:
        weights = load_file(folder / adopt.WEIGHTS)
        save_file({k: v for k, v in weights.items() if lost not in k}, folder / adopt.WEIGHTS)
    model = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu)
    with pytest.raises(AdapterError, match=said):
        loading.load_adapter(model, folder)


def other_base(folder: Path, base: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / adopt.WEIGHTS)
    wider = {k: v.repeat(1, 2) if "lora_A" in k else v for k, v in weights.items()}
    save_file(wider, folder / adopt.WEIGHTS)


def other_layers(folder: Path, base: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / adopt.WEIGHTS)
    save_file({k.replace("layers.1.", "layers.7."): v for k, v in weights.items()},
              folder / adopt.WEIGHTS)  # fmt: skip


def pickled(folder: Path, base: Path) -> None:
    (folder / adopt.WEIGHTS).rename(folder / "adapter_model.bin")


def not_safetensors(folder: Path, base: Path) -> None:
    (folder / adopt.WEIGHTS).write_bytes(b"version https://git-lfs.github.com/spec/v1\n")


def no_tensor(folder: Path, base: Path) -> None:
    from safetensors.torch import save_file

    save_file({}, folder / adopt.WEIGHTS)


def other_words(folder: Path, base: Path) -> None:
    tokenizer = loading.load_tokenizer(base)
    tokenizer.add_tokens(["<extra>"])
    tokenizer.save_pretrained(folder)


def other_template(folder: Path, base: Path) -> None:
    tokenizer = loading.load_tokenizer(base)
    tokenizer.chat_template = "{% for m in messages %}[INST] {{ m['content'] }} [/INST]{% endfor %}"
    tokenizer.save_pretrained(folder)


def other_hash(folder: Path, base: Path) -> None:
    """Trained by Titer, whose record says with which template."""
    files.write_json(
        folder / "trained_with.json", {"tokenizer_sha256": "x", "chat_template_sha256": "y"}
    )


@pytest.mark.parametrize(
    ("spoil", "error", "text"),
    [
        pytest.param(other_base, BaseMismatch, "trained on another base", id="other widths"),
        pytest.param(other_layers, BaseMismatch, r"adapts model.layers.7\S+, which the base does",
                     id="other depth"),
        pytest.param(pickled, NotFound, r"only there as a pickle \(adapter_model.bin\)", id="bin"),
        pytest.param(not_safetensors, TiterError, "not readable as safetensors", id="LFS pointer"),
        pytest.param(no_tensor, AdapterError, "holds no tensor", id="empty"),
        pytest.param(lambda f, b: (f / adopt.WEIGHTS).unlink(), NotFound, "no adapter_model.safe",
                     id="no weights"),
        pytest.param(lambda f, b: (f / adopt.CONFIG).unlink(), NotFound, "not a PEFT adapter",
                     id="no config"),
        pytest.param(lambda f, b: (f / adopt.CONFIG).write_text("{"), TiterError, "adapter_config",
                     id="cut config"),
        pytest.param(lambda f, b: change(f, peft_type="IA3"), AdapterError,
                     "peft_type is 'IA3', must be LORA", id="no LoRA"),
        pytest.param(lambda f, b: change(f, task_type="SEQ_CLS"), AdapterError,
                     "task_type is 'SEQ_CLS', must be CAUSAL_LM", id="a classifier"),
        pytest.param(lambda f, b: change(f, auto_mapping={"parent_library": "os"}), AdapterError,
                     "auto_mapping names code to import", id="code"),
        pytest.param(lambda f, b: change(f, use_newest=True), AdapterError,
                     "use_newest is not known to the PEFT installed here", id="newer PEFT"),
        pytest.param(lambda f, b: change(f, modules_to_save=["score"]), AdapterError,
                     r"modules_to_save names score, which the base does not have", id="saved"),
        pytest.param(other_words, BaseMismatch, r"tokenizer is not the base's \(\+1 entries\)",
                     id="other tokenizer"),
        pytest.param(other_template, BaseMismatch, "its chat template asks", id="other template"),
        pytest.param(other_hash, BaseMismatch, "trained_with.json: tokenizer_sha256 is x, that",
                     id="hash"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line_and_nothing_is_written(
    tiny_model: Path, tmp_path: Path, spoil: Callable[[Path, Path], Any],
    error: type[Exception], text: str,
) -> None:  # fmt: skip
    folder = make_adapter(tiny_model, tmp_path / "theirs")
    spoil(folder, tiny_model)
    with pytest.raises(error, match=text) as refused:
        take(folder, tiny_model, tmp_path / "out")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


NAN = float("nan")


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("r", "x", "r is 'x', must be a whole number of at least 1"),
        ("r", 0, "r is 0, must be a whole number of at least 1"),
        ("lora_alpha", NAN, "lora_alpha is nan, must be a number above 0"),
        ("lora_alpha", 0, "lora_alpha is 0, must be a number above 0"),
        ("lora_dropout", 2, "lora_dropout is 2, must be from 0 to 1"),
        ("target_modules", [1], "target_modules is [1], must be a text or a list of texts"),
        ("modules_to_save", 1, "modules_to_save is 1, must be a list of texts"),
        ("rank_pattern", [1], "rank_pattern is [1], must be an object of numbers above 0"),
        ("alpha_pattern", {"a": NAN}, "alpha_pattern is {'a': nan}, must be an object of numbers "
         "above 0"),
        ("use_rslora", [1], "use_rslora is [1], must be true or false"),
        ("use_dora", "x", "use_dora is 'x', must be true or false"),
        ("target_modules", "(", "not usable by PEFT: missing ), unterminated subpattern at "
         "position 0"),
        ("layers_to_transform", "x", "not usable by PEFT: 'in <string>' requires string as left "
         "operand, not int"),
        ("loftq_config", {"a": NAN}, "not usable by PEFT: Out of range float"),
    ],
)  # fmt: skip
def test_a_configuration_with_a_wrong_value_is_refused_in_one_line(
    tiny_model: Path, tmp_path: Path, key: str, value: Any, text: str
) -> None:
    folder = make_adapter(tiny_model, tmp_path / "theirs")
    change(folder, **{key: value})
    with pytest.raises(AdapterError) as refused:
        take(folder, tiny_model, tmp_path / "out")
    assert str(refused.value).startswith(f"{folder}/{adopt.CONFIG}: {text}")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [NAN, float("inf")])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_that_are_no_numbers_are_refused(
    tiny_model: Path, tmp_path: Path, wrong: float, dtype: str
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = make_adapter(tiny_model, tmp_path / "theirs")
    weights = {
        name: weight.to(getattr(torch, dtype))
        for name, weight in load_file(folder / adopt.WEIGHTS).items()
    }
    last = sorted(weights)[-1]
    weights[last][0, 0] = wrong
    save_file(weights, folder / adopt.WEIGHTS)
    with pytest.raises(AdapterError, match=f"{last} holds NaN or infinity. Take an earlier"):
        take(folder, tiny_model, tmp_path / "out")


@pytest.mark.parametrize(
    ("path", "error", "text"),
    [
        ("data/own/adapters/none", NotFound, "no such folder"),
        ("/etc", ConfigError, "must lie below data/own/adapters, which DVC watches"),
        ("data/own/adapters/../../..", ConfigError, "must lie below"),
        ("data/own/adapters/link", ConfigError, "must lie below"),
    ],
)
def test_a_path_outside_the_watched_folder_is_refused(
    tmp_path: Path, path: str, error: type[Exception], text: str
) -> None:
    own = tmp_path / "data" / "own" / "adapters"
    own.mkdir(parents=True)
    (own / "link").symlink_to("/etc")
    section: Any = SimpleNamespace(source=AdapterSource.path, path=path)
    with pytest.raises(error, match=text):
        adopt.own_path(section, root=tmp_path, own=own)

"""An adapter trained elsewhere: checked against base and template, then taken as our own.

LLaMA-Factory, Axolotl and Unsloth all leave PEFT's two files, some with a tokenizer beside them.
Invariant: weights are read from safetensors only, never from a pickle, and the base's not at all.
"""

import json
import logging
import math
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from titer import files
from titer.config import QloraSettings, Think
from titer.errors import (
    AdapterError,
    BaseMismatch,
    ConfigError,
    FormatError,
    NotFound,
    first_line,
)
from titer.modeling import chat_template, loading
from titer.modeling.loading import ADAPTER_CONFIG as CONFIG
from titer.modeling.loading import ADAPTER_WEIGHTS as WEIGHTS
from titer.modeling.weights import base_shapes, count_parameters, tensor_shapes
from titer.training.saving import copy_tokenizer
from titer.training.sft import LOSS_COLUMNS

logger = logging.getLogger(__name__)

PREFIX = "base_model.model."
"""Before the base's own names in PEFT's files."""
PROBE = (
    "Which antibody marks lupus?",
    "Anti-CCP; IL-6 > 40 pg/mL (95% CI 3.1\u20134.7), \u03b1-TNF\nblockade",
)
"""Texts that two tokenizers must split alike, and that two templates must print alike."""


def _is_positive(value: object) -> bool:
    return type(value) in (int, float) and 0 < value < math.inf  # type: ignore[operator]


def _is_names(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(v, str) for v in value))


def _is_pattern(value: object) -> bool:
    return value is None or (isinstance(value, dict) and all(map(_is_positive, value.values())))


VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "r": (lambda v: type(v) is int and v > 0, "a whole number of at least 1"),
    "lora_alpha": (_is_positive, "a number above 0"),
    "lora_dropout": (lambda v: v == 0 or (_is_positive(v) and v <= 1), "from 0 to 1"),
    "target_modules": (lambda v: isinstance(v, str) or _is_names(v), "a text or a list of texts"),
    "modules_to_save": (_is_names, "a list of texts"),
    "rank_pattern": (_is_pattern, "an object of numbers above 0"),
    "alpha_pattern": (_is_pattern, "an object of numbers above 0"),
    "use_rslora": (lambda v: v in (True, False, None), "true or false"),
    "use_dora": (lambda v: v in (True, False, None), "true or false"),
}
"""Keys of adapter_config.json that PEFT takes as they are, with what they may be."""


def own_path(section: QloraSettings, *, root: Path, own: Path) -> Path:
    """The folder that qlora.path names.

    Args:
        own: data/own/adapters, which DVC watches.
    Raises:
        ConfigError: it lies elsewhere.
        NotFound: it is not there.
    """
    path = root / str(section.path)
    if not path.resolve().is_relative_to(own.resolve()):
        raise ConfigError(
            f"qlora.path = {section.path!r}: must lie below data/own/adapters, which DVC watches"
        )
    if not path.is_dir():
        raise NotFound(f"qlora.path = {section.path!r}: no such folder")
    return path


def adopt(folder: Path, *, base: Path, think: Think, out: Path) -> dict[str, Any]:
    """Check an adapter and copy what is needed of it to `out`.

    Returns:
        What is known of it: `{base_name, r, target_modules, trainable_params, tokenizer}`.
    Raises:
        AdapterError: with what does not fit.
    """
    config = _config(folder)
    shapes = tensor_shapes(folder / WEIGHTS)
    _check_shapes(folder, shapes, base)
    _check_saved(folder, config.get("modules_to_save"), base)
    _check_usable(folder, config, base)
    _check_finite(folder / WEIGHTS)
    tokenizer = loading.load_tokenizer(base)
    chat_template.check_trained_with(tokenizer, folder)  # of one of our own
    has_tokenizer = _check_tokenizer(folder, tokenizer, think)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / WEIGHTS, out / WEIGHTS)
    modules = config.get("target_modules")
    targets = sorted(modules) if isinstance(modules, list) else modules
    name = str(config.get("base_model_name_or_path") or "")
    files.write_json(
        out / CONFIG,
        {**config, "target_modules": targets, "base_model_name_or_path": None,
         "inference_mode": True},
    )  # fmt: skip
    copy_tokenizer(tokenizer, base, out)
    return {
        # a hub id; of a folder on somebody's machine only its name
        "base_name": Path(name).name if Path(name).is_absolute() else name or None,
        "revision": config.get("revision"),
        "r": config.get("r"),
        "target_modules": targets,
        "trainable_params": sum(math.prod(shape) for shape in shapes.values()),
        "has_tokenizer": has_tokenizer,
        "sha256": files.sha256_file(folder / WEIGHTS),
    }


def _config(folder: Path) -> dict[str, Any]:
    if not (folder / WEIGHTS).is_file():
        pickled = sorted(p.name for p in folder.glob("*.bin"))
        if pickled:
            raise NotFound(
                f"{folder}: the adapter is only there as a pickle ({pickled[0]}), which may run "
                "code when loaded. Save it as safetensors where you trust it"
            )
        raise NotFound(f"{folder}: no {WEIGHTS}")
    if not (folder / CONFIG).is_file():
        raise NotFound(f"{folder}: no {CONFIG}; this is not a PEFT adapter")
    try:
        config = files.read_json_object(folder / CONFIG)
    except FormatError as error:
        raise AdapterError(str(error)) from None
    for key, allowed in (
        ("peft_type", ("LORA",)),
        ("task_type", ("CAUSAL_LM", "SEQ_2_SEQ_LM", None)),
    ):
        if config.get(key) not in allowed:
            raise AdapterError(
                f"{folder}/{CONFIG}: {key} is {config.get(key)!r}, must be {allowed[0]}"
            )
    mapping = config.get("auto_mapping") or {}
    if not isinstance(mapping, dict):
        raise AdapterError(f"{folder}/{CONFIG}: auto_mapping is {mapping!r}, must be an object")
    library = str(mapping.get("parent_library", "transformers."))
    if not library.startswith("transformers."):
        raise AdapterError(f"{folder}/{CONFIG}: auto_mapping names code to import; remove it")
    _check_values(folder, config)
    return _known(folder, {**config, "auto_mapping": None})  # Unsloth names the base's class there


def _check_values(folder: Path, config: dict[str, Any]) -> None:
    for key, (is_ok, words) in VALUES.items():
        if key in config and not is_ok(config[key]):
            raise AdapterError(f"{folder}/{CONFIG}: {key} is {config[key]!r}, must be {words}")


def _known(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """The keys that this version of PEFT reads; it would ignore another one with a warning.

    Raises:
        AdapterError: one that it does not know is switched on.
    """
    from peft import LoraConfig

    known = {field.name for field in fields(LoraConfig)}
    strange = sorted(key for key, value in config.items() if value and key not in known)
    if strange:
        raise AdapterError(
            f"{folder}/{CONFIG}: {', '.join(strange)} is not known to the PEFT installed here. "
            "Save the adapter with an older PEFT, or install a newer one"
        )
    return {key: value for key, value in config.items() if key in known}


def _check_shapes(folder: Path, shapes: dict[str, list[int]], base: Path) -> None:
    """Every tensor must belong to a module of the base, and fit it.

    Raises:
        BaseMismatch: naming the first module that does not.
    """
    own = base_shapes(base)
    if not shapes:
        raise AdapterError(f"{folder}/{WEIGHTS}: holds no tensor")
    for name, shape in sorted(shapes.items()):
        module, kind = _module(name)
        weight = _weight(module, own)
        if weight is None:
            raise BaseMismatch(f"{folder}: adapts {module}, which the base does not have")
        if not _fits(kind, shape, weight):
            raise BaseMismatch(
                f"{folder}: {name} has shape {shape}, and {module} of the base has {weight}: it "
                "was trained on another base, or with another vocabulary"
            )


def _check_saved(folder: Path, names: list[str] | None, base: Path) -> None:
    """Whole modules that an adapter replaces must be modules of the base.

    Raises:
        AdapterError: one is not, so PEFT would leave it out in silence.
    """
    parts = {part for name in base_shapes(base) for part in name.split(".")} | {"lm_head"}
    strange = sorted(set(names or ()) - parts)
    if strange:
        raise AdapterError(
            f"{folder}/{CONFIG}: modules_to_save names {', '.join(strange)}, which the base does "
            "not have"
        )


def _check_usable(folder: Path, config: dict[str, Any], base: Path) -> None:
    """PEFT must be able to put the adapter on the base, tried without the weights of either.

    Raises:
        AdapterError: with its reason.
    """
    from peft import PeftConfig, get_peft_model

    model = loading.model_without_weights(base)
    try:
        json.dumps(config, allow_nan=False)
        # first values of some kinds are computed from the base's, and the adapter's replace them
        tried = {**config, "init_lora_weights": False, "base_model_name_or_path": None}
        get_peft_model(model, PeftConfig.from_peft_type(**tried))
    except Exception as error:  # PEFT checks few values, so a wrong one can end anywhere in it
        raise AdapterError(f"{folder}/{CONFIG}: not usable by PEFT: {first_line(error)}") from None


def _check_finite(file: Path) -> None:
    """Every number must be one: a single NaN makes all answers NaN.

    Raises:
        AdapterError: naming the first tensor with another.
    """
    import torch
    from safetensors import safe_open

    with safe_open(file, "pt") as weights:
        for name in sorted(weights.keys()):
            if not torch.isfinite(weights.get_tensor(name).float()).all():
                raise AdapterError(
                    f"{file}: {name} holds NaN or infinity. Take an earlier checkpoint, or train "
                    "again at a lower learning rate"
                )


def _weight(module: str, own: dict[str, list[int]]) -> list[int] | None:
    """Shape of a module's weight in the base; GPT-2's files leave their prefix out."""
    found = own.get(f"{module}.weight") or own.get(f"{module.removeprefix('transformer.')}.weight")
    if found is None and module == "lm_head":  # a tied head is stored as the embedding
        found = next((shape for name, shape in own.items() if "embed_tokens" in name), None)
    return found


def _module(name: str) -> tuple[str, str]:
    """Base module and kind of a tensor: A, B, magnitude (DoRA), embedding_A, embedding_B, whole."""
    path = name.removeprefix(PREFIX)
    for mark, kind in (
        (".lora_A", "A"), (".lora_B", "B"), (".lora_magnitude_vector", "magnitude"),
        (".lora_embedding_A", "embedding_A"), (".lora_embedding_B", "embedding_B"),
    ):  # fmt: skip
        module, found, _ = path.partition(mark)
        if found:
            return module, kind
    return path.removesuffix(".weight").replace(".modules_to_save", ""), "whole"


def _fits(kind: str, shape: list[int], weight: list[int]) -> bool:
    """Whether an adapter's tensor fits a weight of (outputs, inputs), or GPT-2's transposed one."""
    if kind == "whole":
        return shape == weight
    ends = {"A": shape[-1], "B": shape[0], "magnitude": shape[0]}
    ends |= {"embedding_A": shape[-1], "embedding_B": shape[0]}
    return ends[kind] in weight


def _check_tokenizer(folder: Path, ours: Any, think: Think) -> bool:
    """Whether the adapter brings a tokenizer; it must read and print as the base's does.

    Files of two versions of the library differ in bytes for the same tokenizer, so what they do is
    compared: vocabulary, ids of a text, and the prompt of a question.

    Raises:
        BaseMismatch: they differ.
    """
    if not (folder / "tokenizer.json").is_file():
        return False
    theirs = loading.load_tokenizer(folder)
    if theirs.get_vocab() != ours.get_vocab():
        more = len(theirs.get_vocab()) - len(ours.get_vocab())
        raise BaseMismatch(f"{folder}: its tokenizer is not the base's ({more:+d} entries)")
    for text in PROBE:
        if chat_template.encode_continuation(theirs, text) != chat_template.encode_continuation(
            ours, text
        ):
            raise BaseMismatch(f"{folder}: its tokenizer splits {text[:27]!r} otherwise")
    asked = chat_template.ask(PROBE[0])
    prompts = [chat_template.render_prompt(each, asked, think) for each in (theirs, ours)]
    if prompts[0] != prompts[1] and theirs.chat_template:
        raise BaseMismatch(
            f"{folder}: its chat template asks {prompts[0]!r} and the base's {prompts[1]!r}: the "
            "adapter would be used otherwise than it was trained"
        )
    return True


def write_adopted(
    found: dict[str, Any], at: Any, *, section: QloraSettings, plan_sha256: str
) -> None:
    """Write outs of a stage whose adapter was trained elsewhere: no losses, no training rows."""
    writes: SimpleNamespace = at.writes
    logger.info("adapter of %s taken as it is: trained elsewhere", section.path)
    record = {
        "status": "ok",
        "reason": None,
        "trained": "elsewhere",
        "adapter": {**found, "path": section.path},
        "plan_sha256": plan_sha256,
        "examples_sha256": None,
    }
    files.write_json(writes.run, record)
    files.write_csv(writes.loss, [], LOSS_COLUMNS)
    total = count_parameters(at.reads.base) + found["trainable_params"]
    metrics = {"trained": 0, "trainable_params": found["trainable_params"], "all_params": total}
    files.write_json(writes.metrics, {"train_qlora": metrics})

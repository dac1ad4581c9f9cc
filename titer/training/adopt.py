"""An adapter trained elsewhere: checked against base and template, then taken as our own.

LLaMA-Factory, Axolotl and Unsloth all leave PEFT's two files, some with a tokenizer beside them.
Invariant: weights are read from safetensors only, never from a pickle, and nothing is loaded.
"""

import logging
import math
import shutil
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from titer import files
from titer.config import QloraSettings, Think
from titer.errors import AdapterError, BaseMismatch, ConfigError, FormatError, NotFound
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
    return _known(folder, {**config, "auto_mapping": None})  # Unsloth names the base's class there


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

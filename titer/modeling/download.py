"""The base model into one folder: from the hub, from a local folder, or built here.

Invariant: safetensors and text files only, never code; what arrives is named by its commit.
"""

import logging
import shutil
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from titer import files
from titer.config import ModelSettings, ModelSource
from titer.errors import ConfigError, LoadError, ModelError, TooLittleDisk, did_you_mean
from titer.modeling import pocket
from titer.modeling.loading import check_model_folder

logger = logging.getLogger(__name__)

PATTERNS = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "LICENSE*", "README.md")
"""What is taken from a repository: weights, configuration, tokenizer, licence; never code."""

KNOWN_MODELS = (
    "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B",
    "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
    "deepseek-ai/DeepSeek-R1-Distill-Llama-70B",
    "Qwen/Qwen3-1.7B",
    "Qwen/Qwen3-4B",
    "Qwen/Qwen3-8B",
    "meta-llama/Llama-3.1-8B-Instruct",
    "mistralai/Mistral-7B-Instruct-v0.2",
)
NEAR_MISSES = {
    # asked for by the pipelines that Titer succeeds; it was never published
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-8B": "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B",
}


def obtain(settings: ModelSettings, *, out: Path, own: Path | None, texts: Path) -> str | None:
    """Put the base model into `out`.

    Args:
        own: folder that `settings.path` names.
        texts: data/pretraining, for the pocket model.
    Returns:
        The commit that was downloaded, null for models that are not from the hub.
    Raises:
        ModelError: with what to do about it.
    """
    commit = None
    if settings.source == ModelSource.pocket and settings.pretraining is not None:
        pocket.build(out, texts, settings.pretraining)
    elif own is not None:
        copy_folder(own, out)
    else:
        commit = download(str(settings.repo_id), settings.revision, out)
    check_model_folder(out)
    if settings.attention_factor is not None:
        set_attention_factor(out, settings.attention_factor)
    return commit


def own_path(given: str | None, *, root: Path, own: Path) -> Path | None:
    """The user's model folder.

    Args:
        given: `model.path`, relative to `root`.
        own: data/own/model, which DVC watches.

    Raises:
        ConfigError: it lies where DVC would not see it change.
    """
    if given is None:
        return None
    path = root / given
    if not path.resolve().is_relative_to(own.resolve()):
        raise ConfigError(
            f"model.path = {given!r}: must be data/own/model or lie below it, which DVC watches"
        )
    return path


def copy_folder(source: Path, out: Path) -> None:
    """Copy the usable files of a local model folder.

    Raises:
        LoadError: it is no model folder, or holds pickled weights only.
    """
    check_model_folder(source)
    out.mkdir(parents=True, exist_ok=True)
    wanted = sorted(path for path in source.iterdir() if path.is_file() and _is_wanted(path.name))
    _require_disk(out, sum(path.stat().st_size for path in wanted), str(source))
    for path in wanted:
        shutil.copyfile(path, out / path.name)


def _is_wanted(name: str) -> bool:
    """Whether a file is taken; never from a subfolder, whatever `LICENSE*` would match there."""
    return "/" not in name and any(fnmatchcase(name, pattern) for pattern in PATTERNS)


def _require_disk(out: Path, size_bytes: int, what: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out).free
    if free < size_bytes * 1.05:
        raise TooLittleDisk(
            f"{what} needs {size_bytes / 1e9:.1f} GB and {out} has {free / 1e9:.1f} GB free. "
            "Free some (dvc gc -w removes cached results of other settings), then run it again"
        )


def download(repo_id: str, revision: str | None, out: Path) -> str:
    """Fetch a repository's safetensors, configuration and tokenizer from the hub.

    Returns:
        The commit: `revision`, or the newest one at this moment.
    Raises:
        ModelError: no network, unknown id, no access, no safetensors, or too little disk.
    """
    from huggingface_hub import snapshot_download

    info = hub_info(repo_id, revision)
    wanted = {s.rfilename: s.size or 0 for s in info.siblings if _is_wanted(s.rfilename)}
    if not any(name.endswith(".safetensors") for name in wanted):
        raise LoadError(f"{repo_id}: has no safetensors weights; pickled ones are never loaded")
    _require_disk(out, sum(wanted.values()), repo_id)
    logger.info("downloading %s at %s", repo_id, info.sha)
    try:
        snapshot_download(repo_id, revision=info.sha, local_dir=out, allow_patterns=list(wanted))
    except Exception as error:
        raise hub_error(repo_id, error) from None
    shutil.rmtree(out / ".cache", ignore_errors=True)  # the client's notes hold times
    return str(info.sha)


def hub_info(repo_id: str, revision: str | None) -> Any:
    """What the hub says of a model, its files and sizes included.

    Raises:
        ModelError: see `hub_error`.
    """
    from huggingface_hub import HfApi

    try:
        return HfApi().model_info(repo_id, revision=revision, files_metadata=True)
    except Exception as error:
        raise hub_error(repo_id, error) from None


def hub_error(repo_id: str, error: Exception) -> ModelError:
    """One line for what the hub's client raised."""
    from huggingface_hub import errors

    text = " ".join(str(error).split())[:200]
    if isinstance(error, errors.GatedRepoError):
        return ModelError(
            f"{repo_id}: gated. Accept its terms on its page while signed in, and set HF_TOKEN in "
            "the environment"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelError(f"{repo_id}: no such revision. `titer pin <model>` writes a valid one")
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        return ModelError(f"{repo_id}: no such model on the hub{suggestion(repo_id)}")
    if _is_offline(error):
        return ModelError(
            f"{repo_id}: the hub cannot be reached ({type(error).__name__}). Check the network, "
            f"or use model.source: path{suggestion(repo_id)}"
        )
    return ModelError(f"{repo_id}: the hub failed: {type(error).__name__}: {text}")


def _is_offline(error: Exception) -> bool:
    """Whether no answer came; an error that the hub answered with is an OSError too."""
    kinds = {"ConnectionError", "TimeoutError", "TransportError", "LocalEntryNotFoundError"}
    return any(kind.__name__ in kinds for kind in type(error).__mro__)


def suggestion(repo_id: str) -> str:
    """A hint for an id that is not one of those we know, or nothing."""
    if repo_id in KNOWN_MODELS:
        return ""
    near = NEAR_MISSES.get(repo_id)
    return f" (did you mean {near}?)" if near else did_you_mean(repo_id, KNOWN_MODELS)


def set_attention_factor(folder: Path, factor: float) -> None:
    """Write YaRN's attention factor into config.json.

    transformers does not know the key `attn_factor` of R1-0528-Qwen3-8B and would compute 1.1386
    where serving engines arrive at 1.0: another model (LlamaFactory#8269).
    """
    path = folder / "config.json"
    config = files.read_json_object(path)
    key = "rope_parameters" if "rope_parameters" in config else "rope_scaling"
    rope = config.get(key)
    if not isinstance(rope, dict):
        raise LoadError(f"{path}: model.attention_factor is set, but the model scales no positions")
    rope.pop("attn_factor", None)
    rope["attention_factor"] = factor
    files.write_json(path, config)


def describe(
    folder: Path, settings: ModelSettings, *, commit: str | None, generated: str
) -> dict[str, Any]:
    """Content of results/model.json: who the model is, without times.

    Args:
        generated: what the model answered to the probe question.
    """
    from titer.modeling.chat_template import identity
    from titer.modeling.loading import load_tokenizer
    from titer.modeling.weights import context_length, count_parameters, weights_sha256

    config = files.read_json_object(folder / "config.json")
    return {
        "id": settings.repo_id or settings.path or "pocket",
        "source": str(settings.source),
        "revision": commit or settings.revision,
        "pinned": settings.source != ModelSource.hub or settings.revision is not None,
        "architecture": (config.get("architectures") or ["unknown"])[0],
        "n_parameters": count_parameters(folder),
        "dtype": str(config.get("dtype") or config.get("torch_dtype")),
        "context_length": context_length(folder),
        "license": license_of(folder, settings),
        **identity(load_tokenizer(folder)),
        "weights_sha256": weights_sha256(folder),
        "probe": {"question": PROBE_QUESTION, "generated": generated},
    }


PROBE_QUESTION = "What is the capital of France?"
"""Asked right after the download: a model that cannot answer at all shows here."""


def license_of(folder: Path, settings: ModelSettings) -> str | None:
    """The licence that a model card names in its first lines; null where none is stated."""
    if settings.source == ModelSource.pocket:
        return "apache-2.0"
    card = folder / "README.md"
    lines: Sequence[str] = []
    if card.is_file():
        lines = card.read_text(encoding="utf-8", errors="replace").splitlines()[:60]
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "license" and value.strip():
            return value.strip()
    return None

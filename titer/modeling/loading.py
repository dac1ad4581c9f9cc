"""Weights from a local folder into memory: base, 4-bit base, adapter, full fine-tune.

Invariant: safetensors only, no remote code, no network; bitsandbytes computes exact NF4 gradients.
"""

import gc
import logging
import re
import resource
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from titer import files
from titer.config import Device, Dtype
from titer.errors import AdapterError, BaseMismatch, LoadError, NotFound, first_line
from titer.modeling.weights import is_encoder_decoder

logger = logging.getLogger(__name__)

_OF_LAYER = re.compile(r"\.(?:layers|h|block)\.\d+\.")


def check_model_folder(folder: Path) -> None:
    """Refuse a folder that is absent, has no configuration, or holds only pickled weights.

    Raises:
        LoadError: with what is missing and what to do.
    """
    if not folder.is_dir():
        raise LoadError(f"{folder}: no such model folder. Give one with config.json and weights")
    if not (folder / "config.json").is_file():
        raise LoadError(f"{folder}: no config.json; this is not a transformers model folder")
    if any(folder.glob("*.safetensors")):
        return
    pickled = sorted(p.name for p in folder.iterdir() if p.suffix in {".bin", ".pt", ".pth"})
    if pickled:
        raise LoadError(
            f"{folder}: weights only as a pickle ({pickled[0]}), which may run code when loaded. "
            "Convert them to safetensors where you trust the file, then give that folder"
        )
    raise LoadError(f"{folder}: no *.safetensors weights")


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model folder, with a padding token (the end token where it has none).

    Raises:
        LoadError: the folder holds no usable tokenizer.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), trust_remote_code=False, local_files_only=True
        )
    except BaseException as error:
        # for a damaged file tokenizers has no narrower exception, and its Rust may panic
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise LoadError(f"{folder}: no usable tokenizer: {first_line(error)}") from None
    if not tokenizer.is_fast:
        raise LoadError(f"{folder}: no fast tokenizer (tokenizer.json), which hashes need")
    if isinstance(tokenizer.chat_template, dict):  # several, by name
        if "default" not in tokenizer.chat_template:
            raise LoadError(f"{folder}: several chat templates and none is called default")
        tokenizer.chat_template = tokenizer.chat_template["default"]
    if tokenizer.eos_token_id is None:
        raise LoadError(f"{folder}: the tokenizer has no end token, so no answer could ever end")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(folder: Path, *, dtype: Dtype, device: Device, quantize: bool = False) -> Any:
    """A causal language model, or an encoder-decoder such as T5, in evaluation mode.

    Args:
        folder: with config.json and safetensors.
        dtype: of the weights; with `quantize` of the arithmetic on the 4-bit weights.
        device: cpu or cuda.
        quantize: NF4 with double quantisation through bitsandbytes.
    Raises:
        LoadError: folder, weights or device cannot be used, or weights and config.json are of two
            models.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    check_model_folder(folder)
    auto = AutoModelForSeq2SeqLM if is_encoder_decoder(folder) else AutoModelForCausalLM
    quiet_known_noise()
    if device == Device.cuda:
        _check_cuda(torch.cuda.device_count())
    kwargs: dict[str, Any] = {"dtype": getattr(torch, dtype)}
    if quantize:
        kwargs["quantization_config"] = nf4_config(dtype)
    if quantize or device == Device.cuda:
        kwargs["device_map"] = {"": 0 if device == Device.cuda else "cpu"}
    try:
        model, info = auto.from_pretrained(
            str(folder), trust_remote_code=False, local_files_only=True, use_safetensors=True,
            output_loading_info=True, **kwargs,
        )  # fmt: skip
    except torch.OutOfMemoryError:
        raise
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise LoadError(f"{folder}: {first_line(error)}") from None
    check_whole(folder, info)
    keep_nf4_exact(model)
    forget_generation_defaults(model)
    return model.eval()


def model_without_weights(folder: Path) -> Any:
    """The modules that a folder's configuration describes, of sizes alone: no memory, no values.

    Raises:
        LoadError: the configuration describes no model.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    auto = AutoModelForSeq2SeqLM if is_encoder_decoder(folder) else AutoModelForCausalLM
    try:
        config = AutoConfig.from_pretrained(
            str(folder), trust_remote_code=False, local_files_only=True
        )
        with torch.device("meta"):
            return auto.from_config(config)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise LoadError(f"{folder}: {first_line(error)}") from None


def check_whole(folder: Path, info: Mapping[str, Any]) -> None:
    """Refuse what transformers only prints: absent weights would be random, anew on every load.

    Args:
        info: what `from_pretrained` tells with `output_loading_info`.
    Raises:
        LoadError: with the first weight.
    """
    if absent := sorted(info["missing_keys"]):
        raise LoadError(
            f"{folder}: {len(absent)} weights are missing, first {absent[0]}. Copy all files of "
            "the model again"
        )
    if surplus := sorted(filter(_OF_LAYER.search, info["unexpected_keys"])):
        raise LoadError(
            f"{folder}: {len(surplus)} weights of layers that config.json does not have, first "
            f"{surplus[0]}. Copy all files of the model again"
        )


def _check_cuda(n_devices: int) -> None:
    if not n_devices:
        raise LoadError("hardware.device = cuda: no CUDA device here. Choose hardware=cpu")
    if n_devices > 1:  # SFTTrainer refuses to spread one process over several
        raise LoadError(
            f"hardware.device = cuda: {n_devices} GPUs visible and one is used. Name it: "
            "export CUDA_VISIBLE_DEVICES=0"
        )


def quiet_known_noise() -> None:
    """Hide two messages that say nothing about a run; everything else is shown."""
    # bitsandbytes 0.50.2 tells on import that an optional kernel package is not installed
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    # peft 0.21.2 reads a name that transformers 5.23 deprecated
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")


def nf4_config(dtype: Dtype) -> Any:
    """The 4-bit setting of QLoRA: NF4, double quantisation, arithmetic in `dtype`."""
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
    )


def forget_generation_defaults(model: Any) -> None:
    """Keep only the special tokens of the folder's generation settings.

    transformers fills every setting that a call leaves open from there: a repetition penalty or a
    top_k would be applied unrecorded, and differently for two models that are compared.
    """
    from transformers import GenerationConfig

    given = model.generation_config
    model.generation_config = GenerationConfig(
        eos_token_id=given.eos_token_id,
        bos_token_id=given.bos_token_id,
        pad_token_id=given.pad_token_id,
        decoder_start_token_id=given.decoder_start_token_id,
    )


def keep_nf4_exact(model: Any) -> None:
    """Stop bitsandbytes from repacking 4-bit weights in evaluation mode on AVX512-BF16 CPUs.

    Repacked weights are never unpacked: training after any evaluation step then runs through a
    kernel without gradient (relative error 0.82 in bitsandbytes 0.50.2), and scores are inexact.
    """
    import bitsandbytes as bnb

    for module in model.modules():
        if isinstance(module, bnb.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False


ADAPTER_WEIGHTS, ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"
"""PEFT's two files of an adapter."""


def check_adapter_folder(folder: Path) -> None:
    """Refuse a folder without an adapter's safetensors.

    Raises:
        NotFound: names the file.
    """
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise NotFound(f"{folder}: no {ADAPTER_WEIGHTS}")


def load_adapter(model: Any, folder: Path) -> Any:
    """The model with a LoRA adapter on it, in evaluation mode.

    Raises:
        NotFound: there is no safetensors adapter in the folder.
        LoadError: a file that only has the name of one.
        BaseMismatch: its shapes do not fit the model.
        AdapterError: some of its tensors would not be applied, or some that it trains are absent.
    """
    from peft import PeftModel
    from safetensors import SafetensorError

    check_adapter_folder(folder)
    try:
        adapted = PeftModel.from_pretrained(model, str(folder)).eval()
    except SafetensorError as error:
        raise LoadError(f"{folder}: not readable as safetensors: {first_line(error)}") from None
    except (RuntimeError, ValueError) as error:
        raise BaseMismatch(f"{folder}: made for another base: {first_line(error)}") from None
    _check_applied(folder, adapted)
    return adapted


def _check_applied(folder: Path, adapted: Any) -> None:
    """Refuse what PEFT passes over: the fine-tune would be judged for a part of itself."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(folder / ADAPTER_WEIGHTS, "pt") as file:
        given = {name for name in list(file.keys()) if ".lora_" in name}
    state = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    applied = {name for name in state if ".lora_" in name}
    if odd := sorted(given ^ applied):
        what = "is not applied" if odd[0] in given else "is not there"
        raise AdapterError(
            f"{folder}: {len(odd)} tensors do not fit {ADAPTER_CONFIG}; first, {odd[0]} {what}. "
            "Save the adapter again as a whole"
        )


def not_run_reason(folder: Path) -> str | None:
    """Why the stage that owns this folder did not run, or null when it did.

    Raises:
        FormatError: its note is damaged.
    """
    note = folder / NOT_RUN
    return str(files.read_json_object(note).get("reason")) if note.is_file() else None


NOT_RUN = "not_run.json"
"""Stands in a model folder in place of weights when the stage was told not to run."""


def n_parameters(model: Any) -> tuple[int, int]:
    """Trainable and all parameters; a 4-bit weight counts as the numbers it holds."""
    trainable = total = 0
    for parameter in model.parameters():
        count = parameter.numel()
        if parameter.__class__.__name__ == "Params4bit":
            count = count * 2 * parameter.element_size()
        total += count
        trainable += count if parameter.requires_grad else 0
    return trainable, total


def peak_memory_mib(device: Device) -> float:
    """Largest memory of this process so far: on the GPU as allocated, else resident."""
    if device == Device.cuda:
        import torch

        return float(torch.cuda.max_memory_allocated() / 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def free_memory(device: Device) -> None:
    """Give the memory of dropped models back, and count the next peak from here."""
    gc.collect()
    if device == Device.cuda:
        import torch

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()

"""LoRA adapters: their places on a base, their configuration, a folder of the same bytes each."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from titer import files
from titer.config import LoraSettings
from titer.errors import LoadError, first_line
from titer.modeling.loading import ADAPTER_CONFIG, model_without_weights
from titer.modeling.weights import make_readable


def lora_config(settings: LoraSettings, *, is_encoder_decoder: bool = False) -> Any:
    """PEFT's configuration of an adapter for a causal model or an encoder-decoder."""
    from peft import LoraConfig

    return LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=settings.target_modules,
        use_rslora=settings.use_rslora,
        use_dora=settings.use_dora,
        task_type="SEQ_2_SEQ_LM" if is_encoder_decoder else "CAUSAL_LM",
    )


def chosen_modules(names: Collection[str], targets: str | list[str]) -> list[str]:
    """Those of a model's linear modules that an adapter is put on.

    Raises:
        LoadError: one of the targets is the name of none; PEFT passes over it beside another.
    """
    wanted = [targets] if isinstance(targets, str) else targets
    strange = [one for one in wanted if not any(_is_target(name, one) for name in names)]
    if strange:
        own = ", ".join(sorted({name.rpartition(".")[2] for name in names}))
        raise LoadError(
            f"qlora.target_modules = {targets!r}: the model has no module {', '.join(strange)}. "
            f"It has {own}; all-linear takes them all"
        )
    return [name for name in names if any(_is_target(name, one) for one in wanted)]


def _is_target(name: str, target: str) -> bool:
    return target == "all-linear" or name == target or name.endswith(f".{target}")


def check_targets(base: Path, settings: LoraSettings) -> None:
    """Refuse an adapter that PEFT could not put on a base of any architecture; reads no weights.

    Raises:
        LoadError: with the modules that there are, or PEFT's reason.
    """
    import torch
    from peft import get_peft_model
    from transformers.pytorch_utils import Conv1D

    model = model_without_weights(base)
    linear = (torch.nn.Linear, Conv1D)
    names = [name for name, module in model.named_modules() if isinstance(module, linear)]
    chosen_modules(names, settings.target_modules)
    try:
        get_peft_model(model, lora_config(settings))
    except (ValueError, NotImplementedError) as error:
        raise LoadError(
            f"qlora.target_modules = {settings.target_modules!r}: {first_line(error)}"
        ) from None


def train_adapter_in_float32(model: Any) -> None:
    """Cast the trained weights back to float32.

    SFTTrainer casts a quantised model's adapters to bf16, and loading a checkpoint brings them back
    as float32, so that a resumed run would be another run (trl 1.16).
    """
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def save_adapter(model: Any, folder: Path) -> None:
    """Save adapter_model.safetensors and adapter_config.json.

    PEFT keeps target_modules as a set, whose order changes from process to process, and names the
    base by its local path: the configuration is rewritten sorted, without that path.
    """
    model.save_pretrained(str(folder))
    path = folder / ADAPTER_CONFIG
    config = files.read_json_object(path)
    if isinstance(config.get("target_modules"), list):
        config["target_modules"] = sorted(config["target_modules"])
    config["base_model_name_or_path"] = None
    files.write_json(path, config)
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty card; ours is in reports/
    make_readable(folder)

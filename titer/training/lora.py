"""LoRA adapters: their configuration, and their folder with the same bytes on every save."""

from pathlib import Path
from typing import Any

from titer import files
from titer.config import LoraSettings
from titer.modeling.loading import ADAPTER_CONFIG
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

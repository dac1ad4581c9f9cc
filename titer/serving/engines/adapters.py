"""One model object with every LoRA adapter that is served on it.

Invariant: no adapter is ever switched on; each forward pass says which adapter each row has.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from titer.config import Device
from titer.errors import AdapterError, BaseMismatch, first_line
from titer.modeling import loading
from titer.serving.engine import Servable

NO_ADAPTER = "__base__"
"""PEFT's name of the model without any."""


class AdaptedModel:
    """A causal language model whose rows may each have another adapter."""

    def __init__(self, servables: Sequence[Servable], device: Device) -> None:
        """Load the weights that these models share, and their adapters.

        Raises:
            LoadError: the weights cannot be used.
            NotFound, BaseMismatch, AdapterError: an adapter cannot.
        """
        first = servables[0]
        self.model = loading.load_model(
            first.folder, dtype=first.precision, device=device, quantize=first.quantize
        )
        self._rows: list[str] = []
        folders = {one.name: one.adapter for one in servables if one.adapter is not None}
        self._ids = _load_adapters(self.model, folders)
        if self._ids:
            self._name_rows()

    def adapter(self, name: str) -> str:
        """PEFT's name of a servable's adapter."""
        return self._ids.get(name, NO_ADAPTER)

    def __call__(self, adapters: Sequence[str], **inputs: Any) -> Any:
        """Forward pass; `adapters` holds one name of `adapter` per row."""
        self._rows = list(adapters)
        return self.model(**inputs)

    def _name_rows(self) -> None:
        """Hand the rows' adapters to each adapted layer, as PEFT's own forward does per call."""
        from peft.tuners.lora.layer import LoraLayer
        from peft.utils.other import AuxiliaryTrainingWrapper

        def name_rows(_: Any, args: Any, kwargs: dict[str, Any]) -> Any:
            return args, {**kwargs, "adapter_names": self._rows}

        for module in self.model.modules():
            if isinstance(module, LoraLayer | AuxiliaryTrainingWrapper):
                module.register_forward_pre_hook(name_rows, with_kwargs=True)


def _load_adapters(model: Any, folders: Mapping[str, Path]) -> dict[str, str]:
    """Servable name -> PEFT name; a version's name holds dots, which PEFT does not take."""
    from peft import PeftModel

    ids: dict[str, str] = {}
    peft: Any = None
    for name, folder in folders.items():
        loading.check_adapter_folder(folder)
        ids[name] = f"adapter_{len(ids)}"
        try:
            if peft is None:
                peft = PeftModel.from_pretrained(model, str(folder), adapter_name=ids[name])
            else:
                peft.load_adapter(str(folder), adapter_name=ids[name])
        except (RuntimeError, ValueError) as error:
            raise BaseMismatch(f"{folder}: made for another base: {first_line(error)}") from None
        config = peft.peft_config[ids[name]]
        if str(config.peft_type.value) != "LORA" or config.use_dora:
            raise AdapterError(
                f"{folder}: only plain LoRA can be served beside others, this is "
                f"{'DoRA' if config.peft_type.value == 'LORA' else config.peft_type.value}. "
                "Merge it first: titer export merged"
            )
    if peft is not None:
        peft.eval()
    return ids

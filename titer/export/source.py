"""The fine-tune that is exported, and what is known of the one that was evaluated.

Invariant: an export is bound to hashes of weights; a model that changed since is never called
evaluated.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer import files
from titer.config import Device, Dtype
from titer.errors import DataError, LoadError, NotFound
from titer.modeling import loading
from titer.modeling.weights import is_encoder_decoder, weights_sha256


@dataclass(frozen=True)
class Source:
    """Where a fine-tune lies and how it was measured."""

    arm: str
    """qlora or full."""
    base: Path
    """Model below the adapter; the full fine-tune itself."""
    adapter: Path | None
    dtype: Dtype
    """Of the exported weights."""
    precision: Dtype
    """Of the arithmetic in the benchmark; a QLoRA's base is in 4-bit there."""
    device: Device
    run: dict[str, Any] | None
    """results/<arm>/run.json, null where the benchmark has not run."""

    @property
    def quantized(self) -> bool:
        """Whether it was measured on a 4-bit base."""
        return self.adapter is not None

    def load(self) -> Any:
        """The model as it was evaluated."""
        model = loading.load_model(
            self.base, dtype=self.precision, device=self.device, quantize=self.quantized
        )
        return loading.load_adapter(model, self.adapter) if self.adapter else model

    def hashes(self) -> dict[str, str | None]:
        """Of the weights as they are now, in the words of run.json."""
        return {
            "weights_sha256": weights_sha256(self.base),
            "adapter_sha256": weights_sha256(self.adapter) if self.adapter else None,
        }

    def not_evaluated(self) -> str | None:
        """Why the weights here are not those that the benchmark measured; null when they are."""
        if self.run is None or self.run.get("status") != "ok":
            return f"the benchmark of {self.arm} has not run"
        now = self.hashes()
        with files.as_written(f"results/{self.arm}/run.json", "Run: dvc checkout results"):
            is_known = any(now.items() <= model.items() for model in self.run["models"])
        if not is_known:
            return "the weights are not those that the benchmark measured"
        return None


def find(root: Path, arm: str, *, dtype: Dtype, precision: Dtype, device: Device) -> Source:
    """The fine-tune of an arm in a project.

    Raises:
        NotFound: it was not trained.
        LoadError: it is an encoder-decoder.
    """
    folder = root / "models" / arm
    if not folder.is_dir():
        raise NotFound(f"{folder}: no such model. Run: dvc repro train_{arm}")
    reason = loading.not_run_reason(folder)
    if reason is not None:
        raise NotFound(f"{folder}: not trained: {reason}")
    base = root / "models" / "base" if arm == "qlora" else folder
    loading.check_model_folder(base)
    if is_encoder_decoder(base):
        raise LoadError(f"{base}: an encoder-decoder; exports are of decoders only")
    record = root / "results" / arm / "run.json"
    return Source(
        arm=arm,
        base=base,
        adapter=folder if arm == "qlora" else None,
        dtype=dtype,
        precision=precision,
        device=device,
        run=files.read_json_object(record) if record.is_file() else None,
    )


def licence_text(folder: Path) -> str:
    """The licence text of a model folder.

    Raises:
        DataError: there is none.
        FormatError: it is no UTF-8.
    """
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name.lower().startswith(("license", "licence")):
            return files.read_text(path)
    raise DataError(f"{folder}: no LICENSE file, and no export goes without one. Put it there")

"""An adapter worked into the weights of its base: one model folder that needs no PEFT.

A QLoRA adapter has learned to correct the 4-bit base. Added to the base as downloaded it answers
differently from what was measured; added to the 4-bit base written out in full it does not.

Invariant: the same folders give the same bytes; base and adapter are only read.
"""

import shutil
from pathlib import Path

from titer.config import Device, Dtype
from titer.modeling import chat_template, loading
from titer.modeling.weights import make_readable

OWN = (
    ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz",
    ".h5", ".msgpack", ".gguf", ".index.json",
)  # fmt: skip
"""Endings of weights and their index: the merged model brings its own, and no pickle is copied."""
REWRITTEN = ("config.json", "generation_config.json")


def merge(base: Path, adapter: Path | None, out: Path, *, dtype: Dtype, as_trained: bool) -> None:
    """Write base plus adapter as a model folder, the base's other files beside the weights.

    Args:
        base: folder of the model below the adapter, or of a full fine-tune.
        adapter: folder; without one the base alone is written.
        out: an empty folder, made where there is none.
        dtype: of the arithmetic and of what is written.
        as_trained: start from the 4-bit base that the adapter was trained on and measured with,
            written out in `dtype`; otherwise from the base as it was downloaded.

    Raises:
        BaseMismatch: the adapter was trained with another tokenizer or template, or does not fit.
        LoadError, NotFound: a folder cannot be loaded.
    """
    if adapter is not None:
        chat_template.check_trained_with(loading.load_tokenizer(base), adapter)
    model = loading.load_model(base, dtype=dtype, device=Device.cpu, quantize=as_trained)
    if as_trained:
        model = model.dequantize()
    if adapter is not None:
        model = loading.load_adapter(model, adapter).merge_and_unload()
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(str(out))
    make_readable(out)
    copy_companions(base, out)


def copy_companions(base: Path, out: Path) -> None:
    """Lay tokenizer, template, licence and notes of a model folder beside other weights."""
    for path in sorted(base.iterdir()):
        is_own = path.name.endswith(OWN) or path.name in REWRITTEN
        if path.is_file() and not is_own:
            shutil.copyfile(path, out / path.name)

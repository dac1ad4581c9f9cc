"""An adapter worked into the weights of its base: one model folder that needs no PEFT.

A QLoRA adapter has learned to correct the 4-bit base. Added to the base as downloaded it answers
differently from what was measured; added to the 4-bit base written out in full it does not.

Invariant: the same folders give the same bytes; base and adapter are only read.
"""

import shutil
from pathlib import Path

from titer import files
from titer.config import Device, Dtype
from titer.errors import BaseMismatch
from titer.modeling import chat_template, loading

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
        check_tokenizer(base, adapter)
    model = loading.load_model(base, dtype=dtype, device=Device.cpu, quantize=as_trained)
    if as_trained:
        model = model.dequantize()
    if adapter is not None:
        model = loading.load_adapter(model, adapter).merge_and_unload()
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(str(out))
    for weights in out.glob("*.safetensors"):
        weights.chmod(0o644)  # transformers writes them readable by the owner only
    copy_companions(base, out)


def copy_companions(base: Path, out: Path) -> None:
    """Lay tokenizer, template, licence and notes of a model folder beside other weights."""
    for path in sorted(base.iterdir()):
        is_own = path.name.endswith(OWN) or path.name in REWRITTEN
        if path.is_file() and not is_own:
            shutil.copyfile(path, out / path.name)


def check_tokenizer(base: Path, adapter: Path) -> None:
    """Refuse an adapter whose record names another tokenizer or chat template than its base has.

    Raises:
        BaseMismatch: with what differs.
    """
    record = adapter / "trained_with.json"
    if not record.is_file():
        return
    tokenizer = loading.load_tokenizer(base)
    found = {
        "tokenizer_sha256": chat_template.tokenizer_sha256(tokenizer),
        "chat_template_sha256": chat_template.template_sha256(tokenizer),
    }
    wanted = files.read_json_object(record)
    for name, value in found.items():
        if wanted.get(name, value) != value:
            raise BaseMismatch(
                f"{adapter}: {name} is {wanted[name][:12]}, that of {base} {value[:12]}. Give the "
                "base that the adapter was trained on"
            )

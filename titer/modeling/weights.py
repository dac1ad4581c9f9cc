"""What a model folder says of itself, read from headers and bytes: no torch, no weights loaded."""

import math
from pathlib import Path

from titer import files
from titer.errors import LoadError


def weight_files(folder: Path) -> list[Path]:
    """The safetensors that make up the model: those of the index where there is one.

    A repository may hold the same weights a second time, in `consolidated.safetensors`.

    Raises:
        LoadError: an index without a map, or with names that leave the folder.
    """
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return sorted(folder.glob("*.safetensors"))
    names = files.read_json_object(index).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise LoadError(f"{index}: no weight_map from tensors to files")
    outside = [name for name in names.values() if not name or Path(name).name != name]
    if outside:
        raise LoadError(f"{index}: names {outside[0]!r}, which is no file of this folder")
    return [folder / name for name in sorted(set(names.values()))]


def tensor_shapes(file: Path) -> dict[str, list[int]]:
    """Name -> shape of every tensor of a safetensors file, from its header alone.

    Raises:
        LoadError: it is not a safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), framework="numpy") as weights:
            return {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise LoadError(f"{file}: not readable as safetensors: {error}") from None


def base_shapes(folder: Path) -> dict[str, list[int]]:
    """Name -> shape of every tensor of a model folder."""
    return {
        name: shape for file in weight_files(folder) for name, shape in tensor_shapes(file).items()
    }


def count_parameters(folder: Path) -> int:
    """Number of weights in a folder's safetensors, from their headers alone."""
    return sum(math.prod(shape) for shape in base_shapes(folder).values())


def weights_sha256(folder: Path) -> str:
    """Identity of a folder's weights, as every record of a model has it.

    Returns:
        Hex sha256 of the hashes of its safetensors, in the order of their names.
    """
    return files.sha256_text(
        "".join(files.sha256_file(path) for path in sorted(folder.glob("*.safetensors")))
    )


def make_readable(folder: Path) -> None:
    """Give safetensors mode 0644: transformers and PEFT write them for their owner alone."""
    for weights in folder.glob("*.safetensors"):
        weights.chmod(0o644)


def context_length(folder: Path) -> int | None:
    """Tokens that the model's configuration says it can attend to."""
    config = files.read_json_object(folder / "config.json")
    value = config.get("max_position_embeddings") or config.get("n_positions")
    return int(value) if isinstance(value, int) and value > 0 else None


def is_encoder_decoder(folder: Path) -> bool:
    """Whether the prompt is read by an encoder of its own (T5), not by the decoder that answers."""
    config = files.read_json_object(folder / "config.json")
    return bool(config.get("is_encoder_decoder"))


def check_context(folder: Path, max_length: int) -> None:
    """Refuse rows or windows that are longer than the model can attend to.

    Raises:
        LoadError: with both lengths.
    """
    limit = context_length(folder)
    if limit is not None and max_length >= limit:
        raise LoadError(
            f"model.max_length = {max_length}: the model's context is {limit} tokens. Lower it"
        )

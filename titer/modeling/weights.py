"""What a model folder says of itself, read from headers: no torch, no weights loaded."""

import json
import math
from pathlib import Path


def count_parameters(folder: Path) -> int:
    """Number of weights in a folder's safetensors, from their headers alone."""
    from safetensors import safe_open

    total = 0
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(str(file), framework="numpy") as weights:
            names = weights.keys()
            total += sum(math.prod(weights.get_slice(name).get_shape()) for name in names)
    return total


def context_length(folder: Path) -> int | None:
    """Tokens that the model's configuration says it can attend to."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    value = config.get("max_position_embeddings") or config.get("n_positions")
    return int(value) if value else None

"""A model whose log-likelihoods depend on every token, built from a few texts alone.

Random weights of the usual size give nearly the same likelihood to everything, and no error would
show. These are wider, so that a token more or less in the context moves each likelihood.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from titer import files
from titer.config import PretrainingSettings
from titer.modeling import pocket
from titer.modeling.pocket import Material

SETTINGS = PretrainingSettings(
    seed=3, steps=1, batch_tokens=256, learning_rate=1e-3, vocab_size=512, hidden_size=64,
    intermediate_size=128, n_layers=2, n_heads=2, n_kv_heads=1,
)  # fmt: skip
WIDTH = 2.0
"""Times the initial weights."""


def build(out: Path, texts: Sequence[str], *, template: bool) -> Path:
    """The model and its tokenizer in a folder, with or without a chat template."""
    import torch

    tokenizer: Any = pocket.train_tokenizer(Material(list(texts), [], {}), SETTINGS.vocab_size)
    if not template:
        tokenizer.chat_template = None
    model = pocket.new_model(tokenizer, SETTINGS)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(WIDTH)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return out


def shortened(folder: Path, out: Path, *, context_length: int) -> Path:
    """The same weights in a folder that claims a shorter context."""
    shutil.copytree(folder, out)
    config = files.read_json(out / "config.json")
    files.write_json(out / "config.json", config | {"max_position_embeddings": context_length})
    return out

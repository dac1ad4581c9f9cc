"""A trained adapter or model on disk, with the tokenizer of its base, byte for byte."""

import shutil
from pathlib import Path
from typing import Any

from titer import files
from titer.modeling import chat_template
from titer.modeling.weights import make_readable
from titer.training import lora, spread

TOKENIZER_FILES = frozenset(
    {
        "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json",
        "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "chat_template.jinja",
        "chat_template.json",
    }
)  # fmt: skip


def save(trainer: Any, tokenizer: Any, base: Path, out: Path, *, is_adapter: bool) -> None:
    """Save the trained weights; with several processes all gather them and the first one writes."""
    whole = None
    if spread.n_sharded(trainer.model):
        whole = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if not trainer.is_world_process_zero():
        return
    out.mkdir(parents=True, exist_ok=True)
    if is_adapter:
        lora.save_adapter(trainer.model, out)
    else:
        trainer.model.save_pretrained(str(out), state_dict=whole)
        make_readable(out)
    copy_tokenizer(tokenizer, base, out)


def copy_tokenizer(tokenizer: Any, base: Path, out: Path) -> None:
    """Lay the base's tokenizer beside an adapter or model, and its identity with it."""
    # byte for byte: saved anew, some tokenizers come out as another one
    for path in sorted(base.iterdir()):
        if path.name in TOKENIZER_FILES:
            shutil.copyfile(path, out / path.name)
    files.write_json(out / chat_template.TRAINED_WITH, chat_template.identity(tokenizer))

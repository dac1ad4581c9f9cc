"""Trains one model and prints what the process took above what it held before.

python -m tests.training.measured_memory qlora 512 64
"""

import ctypes
import gc
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.conftest import ROOT
from tests.training.test_sft import FULL, example
from titer.config import LoraSettings
from titer.modeling import loading, pocket
from titer.training import memory, sft

KIND, HIDDEN, N_WORDS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
TOKENIZER_ENTRIES = 1024


def build(folder: Path, hidden: int, n_layers: int) -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = pocket.train_tokenizer(
        pocket.read_material(ROOT / "data" / "pretraining"), TOKENIZER_ENTRIES
    )
    config = Qwen3Config(
        vocab_size=TOKENIZER_ENTRIES, hidden_size=hidden, intermediate_size=3 * hidden,
        num_hidden_layers=n_layers, num_attention_heads=hidden // 64,
        num_key_value_heads=max(1, hidden // 128), head_dim=64, tie_word_embeddings=True,
        max_position_embeddings=2048, eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def settle() -> int:
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    return status("VmRSS")


def rows(n_words: int) -> sft.Data:
    some = [example(number) for number in range(4)]
    for row in some:
        row.messages[1]["content"] = "very " * n_words
    return sft.Data(some, some[:1], ["Gold is soft."])


def main() -> None:
    lora = LoraSettings(16, 32, 0.0, "all-linear") if KIND == "qlora" else None
    settings = replace(FULL, lora=lora, epochs=2, evals=1, max_length=1500)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder / "small", 64, 1)
        build(folder / "model", HIDDEN, 6)
        sft.train(settings, base=folder / "small", data=rows(8), out=folder / "o",
                  checkpoints=folder / "c", logs=folder)  # fmt: skip
        before = settle()
        run = sft.train(settings, base=folder / "model", data=rows(N_WORDS), out=folder / "p",
                        checkpoints=folder / "d", logs=folder)  # fmt: skip
        took = status("VmHWM") - before
        shape = memory.read_shape(folder / "model")
        tokens = 4 * run.tokens["train"]["deciles"][-1]
        found = memory.need(shape, settings, tokens=tokens, n_micro=1)
        print(json.dumps({
            "took": took, "predicted": found.total, "tokens": tokens,
            "parameters": memory.n_parameters(shape),
            "adapter": run.metrics["trainable_params"], "parts": vars(found),
        }))  # fmt: skip
    _ = loading


if __name__ == "__main__":
    main()

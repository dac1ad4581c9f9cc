"""Trains one model and prints what the process took above what it held before, and the forecast.

python -m tests.training.measured_memory qlora 512 64

The allocator is told to give freed memory back (ENVIRONMENT), so that the figure is the memory in
use. As glibc does it by default the same run takes 1.2 times as much (full) or 1.9 (QLoRA): it
cannot use the hole of an aligned block for another one of the same size.
"""

import ctypes
import gc
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.training.test_sft import FULL, example
from titer.config import LoraSettings
from titer.modeling import loading, pocket
from titer.training import preflight, room, sft

ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
TOKENIZER_ENTRIES = 1024
N_LAYERS = 6


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
    """Bytes that the kernel reports of this process."""
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


def measure(kind: str, hidden: int, n_words: int) -> dict[str, Any]:
    lora = LoraSettings(16, 32, 0.1 if "dropout" in kind else 0.0, "all-linear")
    settings = replace(
        FULL, lora=None if kind.startswith("full") else lora, epochs=3, evals=1, max_length=1000,
        checkpointing="checkpointing" in kind, packing="padded" not in kind,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder / "small", 64, 1)
        build(folder / "model", hidden, N_LAYERS)

        def train(base: str, n_words: int) -> sft.Run:
            return sft.train(
                settings, base=folder / base, data=rows(n_words), out=folder / f"{base}.out",
                checkpoints=folder / f"{base}.ck", logs=folder / "logs",
            )  # fmt: skip

        train("small", 8)  # libraries, thread pools and caches are there from here on
        before = settle()
        train("model", n_words)
        took = status("VmHWM") - before
        tokenizer = loading.load_tokenizer(folder / "model")
        part = preflight.encode_examples(tokenizer, rows(n_words).train, settings, name="train")
        there = room.There(memory=1e12, disk=1e12, n_gpus=0)
        need = preflight.inspect(
            tokenizer, [part], settings, base=folder / "model", out=folder, there=there
        ).need
    assert need is not None
    parts = {key: round(value / 1e6, 1) for key, value in vars(need).items()}
    return {"took": took, "predicted": need.total, "ratio": need.total / took, "parts": parts}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))

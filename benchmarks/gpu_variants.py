"""One training on a GPU: a Qwen3 of random weights, and what a step of it takes.

Invariant: Titer's own trainer, collator, attention and loss; nothing is downloaded. On a CPU the
same code trains a tiny shape, which shows that it runs and says nothing about speed.
"""

import importlib.util
import resource
import statistics
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

WARM_UP = 5
MEASURED = 10
PROMPT = 32
"""Tokens of each row without a loss."""
SHAPES: dict[str, dict[str, int]] = {
    "8b": {
        "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 12288,
        "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8,
        "head_dim": 128,
    },
    "tiny": {
        "vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    },
}  # fmt: skip
"""Qwen3-8B's own, and one for a smoke test."""


@dataclass(frozen=True)
class Variant:
    """One row of the table."""

    kind: str
    """qlora, lora or full; weights in bfloat16, adapters in float32."""
    attention: str = "per_document"
    """per_document, sdpa (packed, a dense mask), flash_attention_2, or padded."""
    checkpointing: bool = True
    optimizer: str = "adamw_torch_fused"
    liger: bool = False
    compiled: bool = False

    @property
    def name(self) -> str:
        """In words."""
        more = [
            word for word, said in (
                ("checkpointing", self.checkpointing), ("liger", self.liger),
                ("compile", self.compiled), ("8-bit AdamW", "8bit" in self.optimizer),
            ) if said
        ]  # fmt: skip
        return ", ".join([self.kind, self.attention, *more])

    def why_not(self) -> str | None:
        """What is not installed here, or null."""
        needed = {"flash_attn": self.attention == "flash_attention_2", "liger_kernel": self.liger}
        for package, is_needed in needed.items():
            if is_needed and importlib.util.find_spec(package) is None:
                return f"{package} is not installed"
        return None


def model_of(shape: str, variant: Variant, device: str) -> Any:
    """The base model, in 4 bits for QLoRA."""
    import torch
    from transformers import AutoModelForCausalLM, Qwen3Config

    torch.manual_seed(0)
    implementation = "flash_attention_2" if variant.attention == "flash_attention_2" else "sdpa"
    config = Qwen3Config(
        **SHAPES[shape], tie_word_embeddings=False, max_position_embeddings=16384, use_cache=False,
        pad_token_id=0, eos_token_id=1, bos_token_id=None,
    )  # fmt: skip
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(
            config, dtype=torch.bfloat16, attn_implementation=implementation
        )
    if variant.kind == "qlora":
        _quantize(model, device)
    if variant.liger:
        from liger_kernel.transformers import _apply_liger_kernel_to_instance

        _apply_liger_kernel_to_instance(model=model)
    return model


def _quantize(model: Any, device: str) -> None:
    """Every linear layer but the head in NF4, as from_pretrained would."""
    import bitsandbytes as bnb
    import torch

    from titer.modeling import loading

    for name, layer in list(model.named_modules()):
        if type(layer) is not torch.nn.Linear or name == "lm_head":
            continue
        small = bnb.nn.Linear4bit(
            layer.in_features, layer.out_features, bias=False, compute_dtype=torch.bfloat16,
            quant_type="nf4", device="meta",
        )  # fmt: skip
        small.weight = bnb.nn.Params4bit(
            layer.weight.data.cpu(), requires_grad=False, quant_type="nf4", module=small
        )
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, small.to(device))
    model.is_loaded_in_4bit = True
    loading.keep_nf4_exact(model)


def rows(n_tokens: int, vocabulary: int) -> list[list[dict[str, list[int]]]]:
    """A micro-batch per step, each of about `n_tokens` real tokens in rows as answers have."""
    import random

    chance, steps = random.Random(0), []
    for _ in range(WARM_UP + MEASURED):
        batch: list[dict[str, list[int]]] = []
        left = n_tokens
        while left > PROMPT:
            wanted = max(2 * PROMPT, int(chance.lognormvariate(4.95, 0.5)))
            ids = [chance.randrange(2, vocabulary) for _ in range(min(left, wanted))]
            batch.append({"input_ids": ids, "labels": [-100] * PROMPT + ids[PROMPT:]})
            left -= len(ids)
        steps.append(batch)
    return steps


class Clock:
    """Times of steps, by CUDA events where there is a GPU."""

    def __init__(self, device: str) -> None:
        """Begin at nothing."""
        self.is_cuda, self.marks = device == "cuda", []

    def mark(self) -> None:
        """A step ends here."""
        import torch

        if self.is_cuda:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self.marks.append(event)
        else:
            self.marks.append(time.perf_counter())

    def step_s(self) -> list[float]:
        """Seconds of each measured step."""
        import torch

        pairs = list(zip(self.marks[WARM_UP - 1 :], self.marks[WARM_UP:], strict=False))
        if not self.is_cuda:
            return [after - before for before, after in pairs]
        torch.cuda.synchronize()
        return [before.elapsed_time(after) / 1000 for before, after in pairs]


def run(variant: Variant, *, shape: str, device: str, n_tokens: int) -> dict[str, float]:
    """Train and give real tokens per second, peak memory and the share of the matrix rate."""
    import torch

    from titer.training import attention

    model = model_of(shape, variant, device)
    steps = rows(n_tokens, model.config.vocab_size)
    weights = sum(
        layer.in_features * layer.out_features
        for layer in model.modules() if hasattr(layer, "in_features")
    )  # fmt: skip
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    clock = Clock(device)
    attending = attention.per_document if variant.attention == "per_document" else nullcontext
    with tempfile.TemporaryDirectory() as folder, attending(model):
        _trainer(variant, model, steps, clock, folder, device).train()
    step_s = statistics.median(clock.step_s())
    rate = sum(len(row["input_ids"]) for step in steps for row in step) / len(steps) / step_s
    flops = (6 if variant.kind == "full" else 4) * weights
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**30
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "tokens_per_s": rate, "peak_gib": peak, "share": flops * rate / matrix_flops(device),
    }  # fmt: skip


def _trainer(
    variant: Variant, model: Any, steps: list[Any], clock: Clock, folder: str, device: str
) -> Any:
    from datasets import Dataset
    from peft import LoraConfig
    from torch.utils.data import SequentialSampler
    from transformers import DataCollatorForSeq2Seq, PrinterCallback, TrainerCallback
    from trl import SFTConfig

    from titer.training import attention, lora
    from titer.training.trainer import trainer_class

    class Marks(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            clock.mark()

    class InOrder(trainer_class(model.config.vocab_size)):  # type: ignore[misc]
        """Whole micro-batches, one element each."""

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return SequentialSampler(self.train_dataset)

    arguments = SFTConfig(
        output_dir=folder, max_steps=len(steps), per_device_train_batch_size=1, bf16=True,
        use_cpu=device == "cpu", dataloader_pin_memory=device == "cuda", max_length=None,
        packing=False, activation_checkpointing=variant.checkpointing, optim=variant.optimizer,
        torch_compile=variant.compiled, learning_rate=1e-4, save_strategy="no", report_to="none",
        logging_steps=len(steps), disable_tqdm=True, remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
    )  # fmt: skip
    tokenizer = _tokenizer()
    pack = attention.collator()
    padded = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=-100)

    def collate(elements: list[Any]) -> Any:
        batch = (padded if variant.attention == "padded" else pack)(elements[0]["rows"])
        if variant.attention == "sdpa":  # as TRL packs: transformers makes the mask of positions
            batch = {k: v for k, v in batch.items() if not k.startswith(("cu_seq", "max_length"))}
        return batch

    adapter = LoraConfig(
        r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    trainer = InOrder(
        model, args=arguments, train_dataset=Dataset.from_list([{"rows": step} for step in steps]),
        data_collator=collate, processing_class=tokenizer, callbacks=[Marks()],
        peft_config=None if variant.kind == "full" else adapter,
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    if variant.kind != "full":
        lora.train_adapter_in_float32(trainer.model)
    return trainer


def _tokenizer() -> Any:
    """One that pads; the rows are ids already."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1}, unk_token="<eos>"))
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>")


def matrix_flops(device: str) -> float:
    """FLOP per second of large bfloat16 products on this device."""
    import torch

    from benchmarks import training_meter

    if device == "cpu":
        return 1e9 * training_meter.matrix_rate("bfloat16")
    size, n = 8192, 20
    one, other = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    times = []
    for _ in range(n):
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
        marks[0].record()
        one @ other
        marks[1].record()
        torch.cuda.synchronize()
        times.append(marks[0].elapsed_time(marks[1]) / 1000)
    return float(2 * size**3 / statistics.median(times[n // 2 :]))

"""Build and pretrain the pocket model: a small Qwen3 and its tokenizer, from our own text.

Invariant: the same texts and settings give the same bytes on the same machine.
"""

import csv
import io
import math
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer import files
from titer.config import PretrainingSettings
from titer.errors import FormatError
from titer.modeling.chat_template import PLAIN_TEMPLATE
from titer.modeling.weights import make_readable

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
CONTEXT_LENGTH = 1024
INITIALIZER_RANGE = 0.05
"""Wider than the usual 0.02: at hidden size 128 the same steps then teach a fine-tune half as much
again (stated facts right after LoRA: 73 % against 51 %)."""
BLOCK = 128
"""Tokens per pretraining row."""


@dataclass(frozen=True)
class Material:
    """What data/pretraining holds."""

    prose: list[str]
    """Paragraphs."""
    facts: list[dict[str, str]]
    """`{relation, subject, object}`."""
    wordings: Mapping[str, Mapping[str, list[str]]]
    """relation -> statements and questions with {subject} and {object}."""


def read_material(folder: Path) -> Material:
    """Read prose.txt, everyday.csv and wordings.yaml.

    Raises:
        FormatError: a file is missing or a relation has no wording.
    """
    import yaml

    try:
        prose = files.read_text(folder / "prose.txt")
        table = files.read_text(folder / "everyday.csv")
        facts = list(csv.DictReader(io.StringIO(table, newline="")))
        wordings = yaml.safe_load(files.read_text(folder / "wordings.yaml"))
    except FormatError as error:
        raise FormatError(f"{error}: pretraining text is missing or damaged") from None
    except (csv.Error, yaml.YAMLError, ValueError, RecursionError) as error:
        raise FormatError(f"{folder}: pretraining text that cannot be read: {error}") from None
    if facts and not {"relation", "subject", "object"} <= facts[0].keys():
        raise FormatError(f"{folder}/everyday.csv:1: expected relation, subject and object")
    if not isinstance(wordings, dict):
        raise FormatError(f"{folder}/wordings.yaml:1: expected a mapping of relations")
    unknown = sorted({fact["relation"] for fact in facts} - set(wordings))
    if unknown:
        raise FormatError(f"{folder}/wordings.yaml: no wordings for {', '.join(unknown)}")
    paragraphs = [p.strip() for p in prose.split("\n\n") if p.strip()]
    return Material(paragraphs, facts, wordings)


def chat(question: str, answer: str) -> str:
    """A dialogue as the chat template prints it."""
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n"


def fact_texts(fact: Mapping[str, str], wordings: Mapping[str, list[str]]) -> list[str]:
    """One everyday fact in every wording: statements, and dialogues with the bare answer."""
    subject, answer = fact["subject"], fact["object"]
    said = [w.format(subject=subject, object=answer) for w in wordings["statements"]]
    asked = [chat(w.format(subject=subject), answer) for w in wordings["questions"]]
    return [_capital(text) + "<|endoftext|>" for text in said] + asked


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def train_tokenizer(material: Material, vocab_size: int) -> Any:
    """A byte-level BPE tokenizer with the ChatML template, ending answers with <|im_end|>."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
    )
    texts = [t for f in material.facts for t in fact_texts(f, material.wordings[f["relation"]])]
    bpe.train_from_iterator([*material.prose, *texts], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=PLAIN_TEMPLATE,
        model_max_length=CONTEXT_LENGTH,
        clean_up_tokenization_spaces=False,
    )


def new_model(tokenizer: Any, settings: PretrainingSettings) -> Any:
    """A Qwen3 with seeded random weights in float32."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(settings.seed)
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=settings.vocab_size,
            hidden_size=settings.hidden_size,
            intermediate_size=settings.intermediate_size,
            num_hidden_layers=settings.n_layers,
            num_attention_heads=settings.n_heads,
            num_key_value_heads=settings.n_kv_heads,
            head_dim=settings.hidden_size // settings.n_heads,
            max_position_embeddings=CONTEXT_LENGTH,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
            initializer_range=INITIALIZER_RANGE,
        )
    )


def token_rows(tokenizer: Any, material: Material, seed: int) -> Iterator[list[int]]:
    """Endless rows of BLOCK tokens: epochs of shuffled facts and prose, documents joined."""
    end = tokenizer.pad_token_id
    facts = [
        tokenizer(text, add_special_tokens=False)["input_ids"]
        for fact in material.facts
        for text in fact_texts(fact, material.wordings[fact["relation"]])
    ]
    prose = [[*tokenizer(p, add_special_tokens=False)["input_ids"], end] for p in material.prose]
    shuffler = random.Random(seed)
    buffer: list[int] = []
    while True:
        documents = facts + prose
        shuffler.shuffle(documents)
        for document in documents:
            buffer += document
            while len(buffer) > BLOCK:
                yield buffer[:BLOCK]
                buffer = buffer[BLOCK:]


def learning_rate_at(step: int, settings: PretrainingSettings) -> float:
    """Linear warm-up over a twentieth of the steps, then a cosine down to a tenth of the peak."""
    warmup = max(1, settings.steps // 20)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    share = (step - warmup) / max(1, settings.steps - warmup)
    return settings.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * share)))


def pretrain(model: Any, tokenizer: Any, material: Material, settings: PretrainingSettings) -> None:
    """Train all weights on the next token, in place; a bar shows steps, loss and time left."""
    import torch
    from tqdm.auto import tqdm

    rows = token_rows(tokenizer, material, settings.seed)
    decay: list[Any] = []
    plain: list[Any] = []
    for parameter in model.parameters():
        (decay if parameter.ndim > 1 else plain).append(parameter)
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)
    model.train()
    bar = tqdm(range(settings.steps), desc="pretraining pocket", unit="step", mininterval=1.0)
    for step in bar:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings)
        batch = torch.tensor([next(rows) for _ in range(settings.batch_tokens // BLOCK)])
        loss = model(input_ids=batch, labels=batch, use_cache=False).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 20 == 0:
            bar.set_postfix(loss=f"{float(loss.detach()):.3f}")
    model.eval()


def build(out: Path, texts: Path, settings: PretrainingSettings) -> float:
    """Build, pretrain and save the pocket model and its tokenizer below `out`.

    Returns:
        Seconds that it took.
    Raises:
        FormatError: the pretraining text is incomplete.
    """
    started = time.monotonic()
    material = read_material(texts)
    tokenizer = train_tokenizer(material, settings.vocab_size)
    model = new_model(tokenizer, settings)
    pretrain(model, tokenizer, material, settings)
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    files.write_text(out / "LICENSE.txt", LICENSE_NOTE)
    make_readable(out)
    return time.monotonic() - started


LICENSE_NOTE = (
    "The pocket model was built by the Titer project from text written for it (data/pretraining).\n"
    "Apache-2.0. It exists to exercise the pipeline; it is no source of medical information.\n"
)

"""Model and rows that every training tool gets: a random Qwen3 of 5.8 M, 1,000 dialogues.

Invariant: the same bytes on every machine, without a network. Rows have 69 to 413 tokens, 167 in
the mean, as question and answer over a paper's abstract have.
"""

import json
import random
from pathlib import Path
from typing import Any

Row = list[dict[str, str]]

N_ROWS = 1000
N_HELD_OUT = 100
VOCABULARY = 4096
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['role'] == 'assistant' %}"
    "{% generation %}{{ m['content'] }}<|im_end|>{% endgeneration %}{% else %}"
    "{{ m['content'] }}<|im_end|>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""ChatML with the markers of the assistant's tokens that TRL's `assistant_only_loss` needs."""

WORDS: dict[str, tuple[str, ...]] = {
    "disease": (
        "systemic lupus erythematosus", "rheumatoid arthritis", "multiple sclerosis",
        "type 1 diabetes", "Sjogren syndrome", "myasthenia gravis", "Graves disease", "psoriasis",
        "Crohn disease", "celiac disease", "systemic sclerosis", "vitiligo",
        "autoimmune hepatitis", "ankylosing spondylitis", "Hashimoto thyroiditis",
    ),
    "cells": (
        "B cells", "CD4 T cells", "regulatory T cells", "plasmablasts", "dendritic cells",
        "macrophages", "neutrophils", "NK cells", "Th17 cells", "follicular helper T cells",
    ),
    "molecule": (
        "interleukin-6", "interferon alpha", "TNF", "BAFF", "complement C3",
        "anti-dsDNA antibodies", "rheumatoid factor", "IL-17A", "IL-23", "JAK1", "TYK2", "CTLA-4",
        "HLA-DRB1", "FOXP3", "CXCL13", "granzyme B",
    ),
    "drug": (
        "rituximab", "belimumab", "tofacitinib", "methotrexate", "anifrolumab", "adalimumab",
        "secukinumab", "hydroxychloroquine", "mycophenolate", "ocrelizumab", "tocilizumab",
        "abatacept",
    ),
    "does": (
        "reduces", "increases", "modulates", "suppresses", "is associated with", "predicts",
        "precedes", "amplifies", "restores", "impairs",
    ),
    "kind": (
        "early", "refractory", "juvenile", "severe", "seronegative", "active", "quiescent",
        "late-onset",
    ),
}  # fmt: skip
SENTENCES = (
    "In {kind} {disease}, {molecule} {does} the activity of {cells}, and {drug} lowered the score "
    "by {percent} percent over {weeks} weeks.",
    "A cohort of {percent} patients with {disease} showed that {cells} expressing {molecule} "
    "{does} tissue damage.",
    "Treatment with {drug} {does} {molecule} in {kind} {disease} (p = 0.0{digit}).",
    "We observed that {molecule} {does} {cells} in the inflamed tissue of patients with {disease}.",
    "The mechanism involves {molecule}, which {does} {cells} and is blocked by {drug}.",
    "After {weeks} weeks, {percent} percent of participants receiving {drug} had a response, "
    "against {digit} percent on placebo.",
    "Genetic variation near {molecule} {does} risk of {disease} in several populations.",
)


def _sentence(chance: random.Random) -> str:
    words = {name: chance.choice(choices) for name, choices in WORDS.items()}
    numbers = {
        "percent": chance.randint(5, 95),
        "weeks": chance.randint(2, 104),
        "digit": chance.randint(1, 9),
    }
    return chance.choice(SENTENCES).format(**words, **numbers)


def tokenizer() -> Any:
    """A byte-level BPE of 4,096 entries, trained on sentences like those of the rows."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    chance = random.Random(0)
    texts = [" ".join(_sentence(chance) for _ in range(chance.randint(3, 12)))
             for _ in range(2000)]  # fmt: skip
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>",
        chat_template=TEMPLATE, model_max_length=2048,
    )  # fmt: skip


def rows(tokens: Any, n: int) -> list[Row]:
    """Dialogues whose lengths are log-normal, from 55 to 420 tokens."""
    chance = random.Random(1)
    made: list[Row] = []
    while len(made) < n:
        target = max(55, min(390, int(chance.lognormvariate(4.95, 0.5))))
        asked = (
            f"Question: what is known about {chance.choice(WORDS['molecule'])} and "
            f"{chance.choice(WORDS['cells'])} in {chance.choice(WORDS['disease'])}? "
            f"{_sentence(chance)}"
        )
        row = [{"role": "user", "content": asked}, {"role": "assistant", "content": ""}]
        length = 0
        while length < target:
            row[1]["content"] = f"{row[1]['content']} {_sentence(chance)}".strip()
            text = tokens.apply_chat_template(row, tokenize=False)
            length = len(tokens(text, add_special_tokens=False)["input_ids"])
        if length <= 420:
            made.append(row)
    return made


def model(tokens: Any) -> Any:
    """The Qwen3 of 5.8 million random parameters, float32."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=VOCABULARY, hidden_size=256, intermediate_size=768, num_hidden_layers=6,
            num_attention_heads=8, num_key_value_heads=4, head_dim=32,
            max_position_embeddings=4096, tie_word_embeddings=True,
            pad_token_id=tokens.pad_token_id, eos_token_id=tokens.eos_token_id, bos_token_id=None,
        )
    )  # fmt: skip


def build(folder: Path, n: int = N_ROWS) -> None:
    """Write model/, and the rows in the forms that the tools read."""
    tokens = tokenizer()
    model(tokens).save_pretrained(folder / "model")
    tokens.save_pretrained(folder / "model")
    made = rows(tokens, n + N_HELD_OUT)
    sets = {"train": made[:n], "validation": made[n:]}
    for name, part in sets.items():
        text = "".join(json.dumps({"messages": row}) + "\n" for row in part)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
        alpaca = [
            {"instruction": asked["content"], "input": "", "output": answered["content"]}
            for asked, answered in part
        ]
        (folder / f"{name}_alpaca.json").write_text(json.dumps(alpaca), encoding="utf-8")
    listed = {name: {"file_name": f"{name}_alpaca.json"} for name in sets}
    (folder / "dataset_info.json").write_text(json.dumps(listed), encoding="utf-8")

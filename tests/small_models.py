"""Tiny random models of the architectures that Titer trains, as folders that transformers wrote."""

from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
VOCAB = 1024
WIDTH = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 512}
DECODER = {**WIDTH, **HEADS}

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "GPT2": {"n_embd": 64, "n_layer": 2, "n_head": 2, "n_positions": 512},
    "Llama": DECODER,
    "Mistral": {**DECODER, "sliding_window": 64},
    "Qwen2": DECODER,
    "Qwen3": {**DECODER, "head_dim": 32},
    "T5": {
        "d_model": 64, "d_ff": 128, "d_kv": 32, "num_layers": 2, "num_heads": 2,
        "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "n_positions": 512,
        "initializer_factor": 0.2,
        "dropout_rate": 0.0,  # a step in parts would draw other masks than a whole one
    },
}  # fmt: skip
"""Class prefix in transformers -> what its configuration is given."""
GREEK = "\u03b1\u03b2\u03b3\u03b4\u03ba\u03bc"
"""Letters of markers and drugs that the sample papers name."""
PLAIN = ("GPT2", "T5")
"""Architectures whose well-known models come without a chat template."""


def build(name: str, out: Path) -> Path:
    """Write a model of an architecture and its tokenizer to `out`, and give the folder back."""
    import torch
    import transformers

    tokenizer = t5_tokenizer() if name == "T5" else _bpe_tokenizer(name)
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    if name == "T5":
        ids["decoder_start_token_id"] = tokenizer.pad_token_id
    config = getattr(transformers, f"{name}Config")(
        vocab_size=len(tokenizer), bos_token_id=None, **ARCHITECTURES[name], **ids
    )
    torch.manual_seed(1)
    auto = transformers.AutoModelForSeq2SeqLM if name == "T5" else transformers.AutoModelForCausalLM
    auto.from_config(config).save_pretrained(out)
    tokenizer.save_pretrained(out)
    return out


def _material() -> Any:
    from titer.modeling import pocket

    return pocket.read_material(ROOT / "data" / "pretraining")


def _bpe_tokenizer(name: str) -> Any:
    from titer.modeling import pocket

    tokenizer = pocket.train_tokenizer(_material(), VOCAB)
    if name in PLAIN:
        tokenizer.chat_template = None
    return tokenizer


def t5_tokenizer() -> Any:
    """Unigram with an end token after every text, as T5's own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    unigram = Tokenizer(models.Unigram())
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=VOCAB, special_tokens=special, unk_token="<unk>", show_progress=False,
        initial_alphabet=[*map(chr, range(33, 127)), *GREEK],
    )  # fmt: skip
    unigram.train_from_iterator(_material().prose, trainer)
    unigram.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=unigram, eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )

"""A tokenizer as llama.cpp keeps it: tokens, their kinds, merges, special ids, chat template.

Invariant: the pre-tokenizer is recognised by what tokenizer.json says, never by a model's name; one
that llama.cpp does not have under a known name is refused.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer import files
from titer.errors import LoadError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""Kinds of tokens in GGUF."""
SPECIAL = ("bos", "eos", "unk", "pad")
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PRE_TOKENIZERS = {
    (None, False): "gpt-2",
    (_WORDS + r"\p{N}" + _REST, False): "qwen2",
    (_WORDS + r"\p{N}{1,3}" + _REST, True): "llama-bpe",
}
"""(pattern that splits the text, whether whole words skip the merges) -> llama.cpp's name. Without
a pattern, ByteLevel splits by GPT-2's."""
NFC = {"type": "NFC"}
"""The one normalizer that is passed over, as llama.cpp does: composed text is not changed by it."""
SPACES = {
    "type": "Sequence",
    "normalizers": [
        {"type": "Prepend", "prepend": "\u2581"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
    ],
}
"""How tokenizers of SentencePiece's kind (Llama 2, Mistral 7B) write spaces."""
CHECKOUT = (
    "Convert it with a checkout of llama.cpp: python convert_hf_to_gguf.py FOLDER --outfile MODEL"
)
"""What an architecture or a tokenizer outside our table is left to."""


@dataclass(frozen=True)
class Vocabulary:
    """What goes into a GGUF file."""

    model: str
    """llama.cpp's word for the kind: gpt2 (byte-level BPE) or llama (SentencePiece)."""
    pre: str
    tokens: list[str]
    """By id; ids without a token are filled up to the size of the model's embedding."""
    kinds: list[int]
    merges: list[str]
    """Of gpt2."""
    scores: list[float]
    """Of llama: a piece that is merged earlier has a higher one."""
    special: Mapping[str, int]
    """bos, eos, unk and pad -> id, where the tokenizer has one."""
    adds_bos: bool
    template: str | None


def read(folder: Path, size: int) -> Vocabulary:
    """The vocabulary of a model folder.

    Args:
        folder: with tokenizer.json.
        size: rows of the model's embedding.

    Raises:
        LoadError: it is of another kind, or splits text in a way that llama.cpp has no name for.
        FormatError: tokenizer.json lacks what every fast tokenizer has.
    """
    from titer.modeling.loading import load_tokenizer

    tokenizer = load_tokenizer(folder)
    with files.as_written(folder / "tokenizer.json", CHECKOUT):
        return _read(folder, size, tokenizer)


def _read(folder: Path, size: int, tokenizer: Any) -> Vocabulary:
    described = json.loads(tokenizer.backend_tokenizer.to_str())
    is_pieces = _is_sentencepiece(described)
    pre = "default" if is_pieces else _pre_tokenizer(folder, described)
    merges = [m.split(" ") if isinstance(m, str) else m for m in described["model"]["merges"]]
    tokens = {i: token for token, i in described["model"]["vocab"].items()}
    kinds = dict.fromkeys(tokens, NORMAL)
    for added in described["added_tokens"]:
        tokens[added["id"]] = added["content"]
        kinds[added["id"]] = CONTROL if added["special"] else USER_DEFINED
    if is_pieces:
        kinds |= {i: BYTE for i, token in tokens.items() if _BYTE.fullmatch(token)}
        kinds[tokenizer.unk_token_id] = UNKNOWN
    named = {name: getattr(tokenizer, f"{name}_token_id") for name in SPECIAL}
    if max(tokens) >= size:
        raise LoadError(f"{folder}: token {max(tokens)} has no row in an embedding of {size} rows")
    return Vocabulary(
        model="llama" if is_pieces else "gpt2",
        pre=pre,
        tokens=[tokens.get(i, f"[PAD{i}]") for i in range(size)],
        kinds=[kinds.get(i, UNUSED) for i in range(size)],
        merges=[] if is_pieces else [" ".join(pair) for pair in merges],
        scores=_scores(tokens, merges, size) if is_pieces else [],
        special={name: i for name, i in named.items() if i is not None},
        adds_bos=named["bos"] is not None and tokenizer("a")["input_ids"][0] == named["bos"],
        template=tokenizer.chat_template,
    )


def _is_sentencepiece(described: Mapping[str, Any]) -> bool:
    """Whether it is a BPE over characters with bytes for the unknown, spaces as SPACES says."""
    return (
        described["model"]["type"] == "BPE"
        and bool(described["model"].get("byte_fallback"))
        and described.get("normalizer") == SPACES
        and described.get("pre_tokenizer") is None
    )


def _scores(tokens: Mapping[int, str], merges: list[list[str]], size: int) -> list[float]:
    """By id: minus the rank of the first merge that makes the piece."""
    rank: dict[str, int] = {}
    for number, pair in enumerate(merges):
        rank.setdefault("".join(pair), number)
    return [-float(rank.get(tokens.get(i, ""), len(merges))) for i in range(size)]


def _pre_tokenizer(folder: Path, described: Mapping[str, Any]) -> str:
    """llama.cpp's name for the way in which text is split before the merges."""
    whole = described.get("pre_tokenizer") or {}
    *before, last = whole.get("pretokenizers", [whole])
    if described["model"]["type"] != "BPE" or last.get("type") != "ByteLevel":
        raise LoadError(
            f"{folder}: its tokenizer is no byte-level BPE but {described['model']['type']}, which "
            f"Titer does not write. {CHECKOUT}"
        )
    pattern = _pattern(before, last)
    name = PRE_TOKENIZERS.get((pattern, bool(described["model"].get("ignore_merges"))))
    if name is None or (described.get("normalizer") or NFC) != NFC:
        raise LoadError(
            f"{folder}: its tokenizer splits text in a way that has no known name in llama.cpp "
            f"({str(pattern)[:40]}). {CHECKOUT}"
        )
    return name


def _pattern(before: list[dict[str, Any]], last: Mapping[str, Any]) -> str | None:
    """What splits the text: one pattern, null for GPT-2's, or words that no table holds."""
    if not before and last.get("use_regex") and not last.get("add_prefix_space"):
        return None
    if len(before) == 1 and before[0] == _split(before[0]) and not last.get("use_regex"):
        return str(before[0]["pattern"]["Regex"])
    return " then ".join(str(part["type"]) for part in [*before, last])


def _split(part: Mapping[str, Any]) -> dict[str, Any]:
    """The only form of splitting at a pattern that llama.cpp has."""
    pattern = {"Regex": (part.get("pattern") or {}).get("Regex")}
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}

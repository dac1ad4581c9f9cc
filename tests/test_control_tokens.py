"""Text of a paper or document never becomes a control token, whatever is written in it."""

from html import escape
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing.targets import PUBMED
from titer.examples.documents.extracted import Block, assemble
from titer.literature.parse import parse_pubmed
from titer.modeling import loading

TOKENS = (
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|begin_of_text|>", "<|eot_id|>",
    "<|start_header_id|>", "<\uff5cUser\uff5c>", "<\uff5cend\u2581of\u2581sentence\uff5c>", "<s>",
    "</s>", "<unk>", "<pad>", "<think>", "</think>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>",
    "<start_of_turn>", "<end_of_turn>",
)  # fmt: skip
"""Of ChatML (Qwen), Llama 2 and 3, Mistral, DeepSeek and Gemma."""
PIECES = [*TOKENS, *(half for token in TOKENS for half in (token[:3], token[3:])), " ", "word"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=10).map("".join)
ROUNDS = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Any) -> Any:
    """One to which every one of them is a control token."""
    found = loading.load_tokenizer(tiny_model)
    found.add_tokens(list(TOKENS), special_tokens=True)
    return found


def control_ids(tokenizer: Any, text: str) -> set[int]:
    """Ids of control tokens in a text."""
    special = set(tokenizer.convert_tokens_to_ids(list(TOKENS)))
    return special & set(tokenizer(text, add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize("token", TOKENS)
def test_the_tokenizer_would_read_one(token: str, tokenizer: Any) -> None:
    """Without this the tests below could not fail."""
    assert control_ids(tokenizer, f"one {token} two")


@ROUNDS
@given(text=TEXTS)
def test_of_a_paper(text: str, tokenizer: Any) -> None:
    body = PUBMED.replace(b"One &amp;", escape(f"One {text}").encode())
    body = body.replace(b"A <i>title</i>", escape(f"A {text} title").encode())
    (paper,) = parse_pubmed(body).papers
    for found in (paper.title, paper.abstract):
        assert not control_ids(tokenizer, found), found


@ROUNDS
@given(text=TEXTS)
def test_of_a_document(text: str, tokenizer: Any) -> None:
    words = "A sentence of plain words, so that the whole is readable. " * 5
    found = assemble([Block(f"{words}One {text} two.")], extractor="x", version="1").text
    assert not control_ids(tokenizer, found), found

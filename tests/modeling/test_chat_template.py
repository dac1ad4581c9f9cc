"""One renderer: the think policies, the mask, and the same prompt ids in training and in use."""

from pathlib import Path

import pytest

from titer.config import Think
from titer.errors import DataError
from titer.modeling import chat_template, loading

R1_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
PLAIN_END = "<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("template", "think", "end"),
    [
        (chat_template.PLAIN_TEMPLATE, Think.none, PLAIN_END),
        (chat_template.PLAIN_TEMPLATE, Think.empty, PLAIN_END + "<think>\n\n</think>\n\n"),
        (R1_TEMPLATE, Think.keep, PLAIN_END + "<think>\n"),
        (R1_TEMPLATE, Think.none, PLAIN_END),
        (R1_TEMPLATE, Think.empty, PLAIN_END + "<think>\n\n</think>\n\n"),
    ],
)
def test_a_think_policy_decides_how_the_prompt_ends(
    tiny_model: Path, template: str, think: Think, end: str
) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    tokenizer.chat_template = template
    prompt = chat_template.render_prompt(tokenizer, chat_template.ask("Why?"), think)
    assert prompt == "<|im_start|>user\nWhy?<|im_end|>\n" + end


def test_a_role_that_the_template_refuses_is_one_line(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    tokenizer.chat_template = "{{ raise_exception('System role not supported') }}"
    with pytest.raises(DataError, match="chat template refuses messages: System role not supp"):
        chat_template.render_prompt(tokenizer, chat_template.ask("Why?"), Think.none)


def test_without_a_template_the_prompt_is_plain(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    tokenizer.chat_template = None
    prompt = chat_template.render_prompt(tokenizer, chat_template.ask("Why?"), Think.none)
    assert prompt == "Question: Why?\nAnswer:"
    turns = [*chat_template.ask("One?"), {"role": "assistant", "content": "1"}]
    prompt = chat_template.render_prompt(
        tokenizer, [*turns, {"role": "user", "content": "Two?"}], Think.none
    )
    assert prompt == "Question: One?\nAnswer: 1\n\nQuestion: Two?\nAnswer:"


@pytest.mark.parametrize("think", list(Think))
def test_a_training_row_begins_with_the_ids_of_use(tiny_model: Path, think: Think) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    messages = [
        *chat_template.ask("What is lupus?"),
        {"role": "assistant", "content": "A disease."},
    ]
    row = chat_template.encode_row(tokenizer, messages, think)
    prompt = chat_template.render_prompt(tokenizer, messages[:-1], think)
    ids = chat_template.encode_prompt(tokenizer, prompt)
    assert row.input_ids[: len(ids)] == ids


def test_the_labels_are_the_answer_and_the_end_token(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    messages = [
        *chat_template.ask("What is lupus?"),
        {"role": "assistant", "content": "A disease."},
    ]
    row = chat_template.encode_row(tokenizer, messages, Think.none)
    trained = [label for label in row.labels if label != -100]
    assert tokenizer.decode(trained) == "A disease.<|im_end|>"
    assert len(row.labels) == len(row.input_ids)


@pytest.mark.parametrize(
    ("text", "opened", "expected"),
    [
        ("plain", False, ("plain", "", "none")),
        ("<think>why</think>because", False, ("because", "why", "closed")),
        ("why</think>because", True, ("because", "why", "closed")),
        ("a</think>b</think> c", True, ("c", "a</think>b", "closed")),
        ("why and why", True, ("", "why and why", "unclosed")),
        ("<think>why", False, ("", "why", "unclosed")),
    ],
)
def test_a_thought_is_split_from_its_answer(
    text: str, opened: bool, expected: tuple[str, str, str]
) -> None:
    split = chat_template.split_thought(text, opened_in_prompt=opened)
    assert (split.answer, split.reasoning, split.state) == expected


def test_rows_have_the_ids_that_the_tokenizer_gives_text_by_text(tiny_model: Path) -> None:
    """A truncation or padding that an earlier call left set must not reach them."""
    tokenizer = loading.load_tokenizer(tiny_model)
    tokenizer(["one text", "another, longer text"], padding=True, truncation=True, max_length=3)
    answers = ["short", "an answer of many more words than three", "naïve – ünïcode"]
    rows = chat_template.encode_rows(
        tokenizer, [[*chat_template.ask("Why?"), {"role": "assistant", "content": a}]
                    for a in answers], Think.none,
    )  # fmt: skip
    prompt = chat_template.render_prompt(tokenizer, chat_template.ask("Why?"), Think.none)
    for row, answer in zip(rows, answers, strict=True):
        ids = chat_template.encode_prompt(tokenizer, prompt)
        ids += chat_template.encode_continuation(tokenizer, answer)
        assert row.input_ids == [*ids, tokenizer.eos_token_id]


@pytest.mark.parametrize("template", [R1_TEMPLATE, None], ids=["template", "plain"])
def test_rows_of_many_batches_are_those_encoded_one_by_one(
    tiny_model: Path, template: str | None
) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    tokenizer.chat_template = template
    asked = [
        [*chat_template.ask(f"Why {'so ' * (n % 7)}{n}?"), {"role": "assistant", "content": f"{n}"}]
        for n in range(2 * chat_template.ROWS_AT_ONCE + 1)
    ]
    rows = chat_template.encode_rows(tokenizer, asked, Think.empty)
    assert rows == [chat_template.encode_row(tokenizer, one, Think.empty) for one in asked]


def test_no_rows_are_encoded_to_none(tiny_model: Path) -> None:
    assert chat_template.encode_rows(loading.load_tokenizer(tiny_model), [], Think.none) == []

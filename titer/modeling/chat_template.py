"""From messages to token ids, one way for training, generation and scoring.

Invariant: the ids of a training row begin with exactly the ids that the model is given in use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer import files
from titer.config import Think
from titer.errors import BaseMismatch, DataError

THINK_OPEN = "<think>"
THINK_CLOSE = "</think>"
EMPTY_THOUGHT = "<think>\n\n</think>\n\n"

PLAIN_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Chat template of the pocket model: ChatML."""

Messages = Sequence[Mapping[str, str]]

ROWS_AT_ONCE = 256
"""Rows that are tokenised in one call: all of 5,000 at once take an eighth more time a row, since
their encodings are then new memory throughout."""


@dataclass(frozen=True)
class EncodedRow:
    """One training row."""

    input_ids: list[int]
    """Prompt, answer and end token."""
    labels: list[int]
    """The same ids where the loss counts, -100 on the prompt."""


@dataclass(frozen=True)
class SplitText:
    """A generated text taken apart."""

    answer: str
    reasoning: str
    state: str
    """none, closed or unclosed; an unclosed thought has an empty answer."""


def ask(question: str) -> list[dict[str, str]]:
    """The messages of one question, without a system prompt (R1 models advise against one)."""
    return [{"role": "user", "content": question}]


def render_prompt(tokenizer: Any, messages: Messages, think: Think) -> str:
    """Text up to the place where the model answers, the think policy applied.

    A tokenizer without a chat template gets plain `Question:` and `Answer:` lines.
    """
    return _render_prompts(tokenizer, [messages], think)[0]


def _render_prompts(tokenizer: Any, conversations: Sequence[Messages], think: Think) -> list[str]:
    if not tokenizer.chat_template:
        return [_plain_prompt(messages) for messages in conversations]
    from jinja2 import TemplateError

    try:
        texts: list[str] = tokenizer.apply_chat_template(
            [list(one) for one in conversations], tokenize=False, add_generation_prompt=True
        )
    except TemplateError as error:  # such as a system message where the model takes none
        raise DataError(f"the model's chat template refuses messages: {error}") from None
    return texts if think == Think.keep else [_without_thought(text, think) for text in texts]


def _plain_prompt(messages: Messages) -> str:
    """Questions with their answers, a blank line after each; messages without one are joined."""
    solved = ""
    asked: list[str] = []
    for message in messages:
        if message["role"] == "assistant":
            solved += _question(asked) + f" {message['content']}\n\n"
            asked = []
        else:
            asked.append(message["content"])
    return solved + _question(asked)


def _question(texts: Sequence[str]) -> str:
    return "Question: " + "\n".join(texts) + "\nAnswer:"


def _without_thought(text: str, think: Think) -> str:
    stem = text.rstrip()
    if stem.endswith(THINK_OPEN):  # R1 templates open the thought inside the prompt
        text = stem[: -len(THINK_OPEN)]
    return text + EMPTY_THOUGHT if think == Think.empty else text


def encode_prompt(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a rendered prompt; the template has printed the special tokens already."""
    add = not tokenizer.chat_template
    ids: list[int] = tokenizer(text, add_special_tokens=add, verbose=False)["input_ids"]
    return ids


def encode_continuation(tokenizer: Any, text: str) -> list[int]:
    """Token ids of what follows a prompt: an answer or a choice, without special tokens.

    After a plain prompt it begins with a space, after a chat template it does not.
    """
    text = text if tokenizer.chat_template else f" {text}"
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def encode_row(tokenizer: Any, messages: Messages, think: Think) -> EncodedRow:
    """Prompt masked, answer and end token trained.

    Prompt and answer are tokenised apart, so that the prompt's ids are those of use to the token.
    """
    return encode_rows(tokenizer, [messages], think)[0]


def encode_rows(
    tokenizer: Any, conversations: Sequence[Messages], think: Think
) -> list[EncodedRow]:
    """The same for many rows, in their order: a fast tokenizer works in batches."""
    starts = range(0, len(conversations), ROWS_AT_ONCE)
    batches = (conversations[start : start + ROWS_AT_ONCE] for start in starts)
    return [row for batch in batches for row in _encode_batch(tokenizer, batch, think)]


def _encode_batch(
    tokenizer: Any, conversations: Sequence[Messages], think: Think
) -> list[EncodedRow]:
    has_template = bool(tokenizer.chat_template)
    prompts = _render_prompts(tokenizer, [messages[:-1] for messages in conversations], think)
    texts = [messages[-1]["content"] for messages in conversations]
    answers = texts if has_template else [f" {text}" for text in texts]
    prompt_ids = _all_ids(tokenizer, prompts, add_special_tokens=not has_template)
    answer_ids = _all_ids(tokenizer, answers, add_special_tokens=False)
    rows = []
    for prompt, text in zip(prompt_ids, answer_ids, strict=True):
        answer = [*text, tokenizer.eos_token_id]
        rows.append(EncodedRow(prompt + answer, [-100] * len(prompt) + answer))
    return rows


def _all_ids(tokenizer: Any, texts: list[str], *, add_special_tokens: bool) -> list[list[int]]:
    """Ids as `tokenizer(texts)` gives them, without masks and offsets: 1.3 times as fast."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()  # as transformers sets both before every call
    backend.no_padding()
    encoded = backend.encode_batch_fast(texts, add_special_tokens=add_special_tokens)
    return [one.ids for one in encoded]


def split_thought(text: str, *, opened_in_prompt: bool) -> SplitText:
    """Answer and thought: the answer stands after the last closing tag.

    A thought that was opened, in the prompt or in the text, and never closed has no answer: a
    scorer would otherwise read the reasoning as one (lm-evaluation-harness#3382).
    """
    head, tag, tail = text.rpartition(THINK_CLOSE)
    if tag:
        return SplitText(tail.strip(), head.replace(THINK_OPEN, "").strip(), "closed")
    if opened_in_prompt or THINK_OPEN in text:
        return SplitText("", text.replace(THINK_OPEN, "").strip(), "unclosed")
    return SplitText(text.strip(), "", "none")


def opens_thought(prompt: str) -> bool:
    """Whether a rendered prompt ends inside a thought."""
    return prompt.rstrip().endswith(THINK_OPEN)


TRAINED_WITH = "trained_with.json"
"""Beside weights that were trained here: `identity` of the tokenizer of that training."""


def identity(tokenizer: Any) -> dict[str, str]:
    """What a tokenizer must be again when the weights are used: hashes of it and its template."""
    return {
        "tokenizer_sha256": tokenizer_sha256(tokenizer),
        "chat_template_sha256": template_sha256(tokenizer),
    }


def check_trained_with(tokenizer: Any, folder: Path) -> None:
    """Refuse weights whose record names another tokenizer or chat template.

    Args:
        tokenizer: with which they would be used.
        folder: of an adapter or a fine-tune; one without a record was trained elsewhere and passes.

    Raises:
        BaseMismatch: with what differs.
        FormatError: the record is no JSON object.
    """
    record = folder / TRAINED_WITH
    if not record.is_file():
        return
    wanted = files.read_json_object(record)
    for name, value in identity(tokenizer).items():
        if wanted.get(name) != value:
            raise BaseMismatch(
                f"{record}: {name} is {str(wanted.get(name))[:12]}, that of the base {value[:12]}. "
                "Give the base that the weights were trained on"
            )


def template_sha256(tokenizer: Any) -> str:
    """Identity of the chat template, `none` where there is none."""
    return files.sha256_text(tokenizer.chat_template) if tokenizer.chat_template else "none"


def tokenizer_sha256(tokenizer: Any) -> str:
    """Identity of the vocabulary and its merges as the fast tokenizer serialises them."""
    return files.sha256_text(tokenizer.backend_tokenizer.to_str())

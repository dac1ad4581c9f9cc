"""A Modelfile for Ollama: weights, chat template, sampling settings and licence.

Invariant: the template is that of the tokenizer, token by token, on the fixed conversations, or
there is no Modelfile. Ollama itself is not run; its template language is evaluated by go_template.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer.config import GenerationSettings, Think
from titer.errors import DataError
from titer.export import gguf_header, gguf_model, gguf_vocabulary, go_template
from titer.export.go_template import CONTENT, END, RANGE, Messages
from titer.modeling import chat_template, loading

MODELFILE = "Modelfile"
QUOTES = '"""'
CONVERSATION = {"temperature": 0.8, "top_p": 0.92, "top_k": 45, "repeat_penalty": 1.15}
"""Named preset `conversation`: livelier than what was evaluated."""
TURNS = (
    "Which antibody marks lupus?",
    "Anti-dsDNA; IL-6 > 40 pg/mL (95% CI 3.1–4.7).",
    'Two lines:\nα-TNF "blockade", then {braces} and {% tags %}.',
    "Yes.",
    "1. a\n\n2. b\tc – naïve 日本",
)
"""Contents of the fixed conversations. None begins or ends with white space, which some chat
templates strip and Go templates cannot."""
ROLES = ("u", "su", "uau", "suau", "uauau", "suauau")
"""The fixed conversations: system, user, assistant."""
_NAMES = {"s": "system", "u": "user", "a": "assistant"}


@dataclass(frozen=True)
class Segments:
    """What a chat template writes around the contents."""

    opening: str
    """Before everything, where no system message begins."""
    around: Mapping[str, tuple[str, str]]
    """role -> text before and after its content."""
    answer: str
    """After the last message, where the model goes on."""


def template(tokenizer: Any, think: Think, *, adds_bos: bool) -> str:
    """The Go template that renders as the tokenizer's chat template with the think policy.

    Args:
        adds_bos: whether the engine puts the begin token before the text by itself.

    Raises:
        DataError: there is no chat template, or none of our form renders the same.
    """
    if not tokenizer.chat_template:
        raise DataError("the tokenizer has no chat template, so a Modelfile would have none either")
    bos = tokenizer.bos_token if adds_bos else ""

    def rendered(messages: Messages) -> str:
        return chat_template.render_prompt(tokenizer, messages, think).removeprefix(bos)

    given = [conversation(roles) for roles in ROLES if _takes(rendered, roles)]
    text = go_text(
        _segments(rendered, has_system="system" in {m["role"] for c in given for m in c})
    )
    for messages in given:
        expected = chat_template.encode_prompt(tokenizer, rendered(messages))
        if chat_template.encode_prompt(tokenizer, go_template.render(text, messages)) != expected:
            roles = ", ".join(message["role"] for message in messages)
            raise DataError(
                f"the chat template cannot be written as a Go template: {roles} renders otherwise. "
                "Use the GGUF file with an engine that reads Jinja, such as llama.cpp"
            )
    return text


def conversation(roles: str) -> list[dict[str, str]]:
    """A fixed conversation: `suau` is system, user, assistant, user."""
    return [
        {"role": _NAMES[role], "content": TURNS[i % len(TURNS)]} for i, role in enumerate(roles)
    ]


def _takes(rendered: Any, roles: str) -> bool:
    """Whether the chat template accepts a conversation; some refuse a system message."""
    try:
        rendered(conversation(roles))
    except DataError:
        return False
    return True


def _segments(rendered: Any, *, has_system: bool) -> Segments:
    """Take a chat template apart by what it writes between contents that are known."""
    start, between_u_a, a_to_u, u_to_end = _gaps(rendered, "uau")
    before_s, s_to_u = _gaps(rendered, "su")[:2] if has_system else ("", "")
    ends = [start, a_to_u, s_to_u] if has_system else [start, a_to_u]
    user = _shared_start([text[::-1] for text in ends])[::-1]
    after_user = _shared_start([between_u_a, u_to_end])
    if _takes(rendered, "uu"):  # tells where a question ends and the mark of an answer begins
        alone = _gaps(rendered, "uu")[1].removesuffix(user)
        after_user = alone if after_user.startswith(alone) else after_user
    around = {
        "system": (before_s, s_to_u.removesuffix(user)),
        "user": (user, after_user),
        "assistant": (between_u_a.removeprefix(after_user), a_to_u.removesuffix(user)),
    }
    if not has_system:
        del around["system"]
    return Segments(start.removesuffix(user), around, u_to_end.removeprefix(after_user))


def _shared_start(texts: Sequence[str]) -> str:
    """The longest text with which all begin."""
    shortest = min(texts, key=len)
    for n, character in enumerate(shortest):
        if any(text[n] != character for text in texts):
            return shortest[:n]
    return shortest


def _gaps(rendered: Any, roles: str) -> list[str]:
    """What stands before, between and after the contents."""
    marks = [f"titer{i}titer" for i in range(len(roles))]
    messages = [
        {"role": _NAMES[role], "content": mark} for role, mark in zip(roles, marks, strict=True)
    ]
    rest, gaps = rendered(messages), []
    for mark in marks:
        gap, found, rest = rest.partition(mark)
        if not found:
            raise DataError("the chat template does not print every message in its turn")
        gaps.append(gap)
    return [*gaps, rest]


def go_text(segments: Segments) -> str:
    """Segments as a Go template.

    Raises:
        DataError: they hold what a Modelfile cannot quote.
    """
    literal = [
        segments.opening,
        segments.answer,
        *(t for pair in segments.around.values() for t in pair),
    ]
    if any("{{" in text or QUOTES in text for text in literal):
        raise DataError('the chat template prints {{ or """, which a Modelfile cannot hold')
    opening = ""
    if segments.opening:
        opening = '{{ if ne (index .Messages 0).Role "system" }}' + segments.opening + "{{ end }}"
    branches = " else ".join(
        f'if eq .Role "{role}" }}}}{before}{{{{ {CONTENT} }}}}{after}{{{{'
        for role, (before, after) in segments.around.items()
    )
    return f"{opening}{{{{ {RANGE} }}}}{{{{ {branches} {END} }}}}{{{{ {END} }}}}{segments.answer}"


def for_model(
    folder: Path,
    think: Think,
    *,
    adapter: bool,
    parameters: Mapping[str, float],
    system: str | None,
    licence: str,
) -> str:
    """The Modelfile of a model folder's GGUF export.

    Args:
        folder: of the model that was converted; tokenizer and context come from it.
        adapter: whether base and adapter are two files.
        parameters: as of `evaluated`; a context beyond the model's is cut to it.

    Raises:
        DataError: the chat template cannot be written, or a text holds the quotes that end it.
    """
    tokenizer = loading.load_tokenizer(folder)
    header = gguf_header.read(folder)
    vocabulary = gguf_vocabulary.read(folder, header.vocab_size)
    return modelfile(
        model=gguf_model.BASE if adapter else gguf_model.MODEL,
        adapter=gguf_model.ADAPTER if adapter else None,
        template=template(tokenizer, think, adds_bos=vocabulary.adds_bos),
        parameters={**parameters, "num_ctx": min(parameters["num_ctx"], header.context_length)},
        stops=[tokenizer.eos_token] if tokenizer.eos_token else [],
        system=system,
        licence=licence,
    )


def modelfile(
    *,
    model: str,
    adapter: str | None,
    template: str,
    parameters: Mapping[str, float],
    stops: Sequence[str],
    system: str | None,
    licence: str,
) -> str:
    """The text of a Modelfile.

    Args:
        model, adapter: file names beside the Modelfile.
        stops: texts that end an answer.
        system: a system prompt of the user's; what was evaluated had none.

    Raises:
        DataError: a text or a stop holds the quotes that end it.
    """
    lines = [f"FROM ./{model}"]
    if adapter:
        lines.append(f"ADAPTER ./{adapter}")
    lines.append(f"TEMPLATE {_quoted(template)}")
    lines += [f"PARAMETER {name} {value}" for name, value in parameters.items()]
    for text in stops:
        if '"' in text or "\n" in text:
            raise DataError(f"the end token {text!r} holds what a Modelfile cannot write in quotes")
        lines.append(f'PARAMETER stop "{text}"')
    if system:
        lines.append(f"SYSTEM {_quoted(system)}")
    lines.append(f"LICENSE {_quoted(licence.strip())}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    if QUOTES in text:
        raise DataError(
            f"a text of the Modelfile holds {QUOTES}, which would end it: {text[:40]!r}"
        )
    return f"{QUOTES}{text}{QUOTES}"


def evaluated(settings: GenerationSettings, *, seed: int, max_length: int) -> dict[str, float]:
    """Sampling as in the benchmark; what Ollama would add by default is switched off."""
    return {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "top_k": 0,
        "min_p": 0.0,
        "repeat_penalty": 1.0,
        "seed": seed,
        "num_predict": settings.max_new_tokens,
        "num_ctx": max_length + settings.max_new_tokens,
    }

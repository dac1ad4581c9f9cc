"""From messages to the ids that a model is given, and from its ids back to text.

Invariant: template, think policy and tokenizer are those of the evaluation; the text of the pieces,
joined, is the text that the evaluation would have read from the same ids.
"""

import asyncio
import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from titer import files
from titer.errors import BaseMismatch, ConfigError, LoadError
from titer.modeling import chat_template, loading
from titer.modeling.weights import context_length
from titer.serving.engine import Ask, Piece, Servable


@dataclass(frozen=True)
class Prompt:
    """What a model continues."""

    text: str
    ids: list[int]
    max_new_tokens: int
    """As asked, or what the context leaves."""
    opened_thought: bool

    def piece(self, text: str, finish_reason: str | None, n_new_tokens: int) -> Piece:
        """A piece of its answer."""
        return Piece(text, finish_reason, len(self.ids), n_new_tokens, self.opened_thought)


class Prompter:
    """The tokenizer and template of one servable model.

    Not for two threads at once: a fast tokenizer sets its padding anew at every call.
    """

    def __init__(self, servable: Servable, tokenizer: Any, context: int | None) -> None:
        """As `load` finds them."""
        self.servable = servable
        self.tokenizer = tokenizer
        self.context = context
        """Tokens of prompt and answer together; null where the model names no limit."""
        self.ends = end_ids(servable.folder, tokenizer)
        """Ids that end an answer."""
        # another object than encodes: decoding goes on while a prompt is being read
        self._decoder = copy.deepcopy(tokenizer.backend_tokenizer)

    @classmethod
    def load(cls, servable: Servable, *, context: int | None = None) -> Self:
        """Tokenizer of the model's folder.

        Args:
            context: of the server where it holds less than the model could.

        Raises:
            LoadError: there is none that can be used.
            BaseMismatch: its chat template is not that of the evaluation.
        """
        loading.check_model_folder(servable.folder)
        tokenizer = loading.load_tokenizer(servable.folder)
        found = chat_template.template_sha256(tokenizer)
        if found != servable.template_sha256:
            raise BaseMismatch(
                f"{servable.name}: the chat template of {servable.folder} is {found[:12]}, "
                f"evaluated was {servable.template_sha256[:12]}. Give the evaluated folder"
            )
        known = [one for one in (context_length(servable.folder), context) if one is not None]
        return cls(servable, tokenizer, min(known, default=None))

    def prompt(self, ask: Ask) -> Prompt:
        """Render and encode a request.

        Raises:
            ConfigError: no token of an answer would fit behind the prompt.
        """
        text = chat_template.render_prompt(self.tokenizer, ask.messages, self.servable.think)
        ids = chat_template.encode_prompt(self.tokenizer, text)
        room = ask.max_new_tokens if self.context is None else self.context - len(ids)
        if not ids or room < 1:
            raise ConfigError(
                f"{ask.model}: the prompt has {len(ids)} tokens and the model's context "
                f"{self.context}. Send at least one and leave room for an answer"
            )
        opened = chat_template.opens_thought(text)
        return Prompt(text, ids, min(ask.max_new_tokens, room), opened)

    def reader(self) -> "Reader":
        """For one answer."""
        return Reader(self._decoder)


def end_ids(folder: Path, tokenizer: Any) -> set[int]:
    """Ids that end an answer, as `titer.modeling.generation.end_token_ids`, without the weights.

    Raises:
        FormatError: the folder's settings are no JSON object.
        LoadError: they name no ids.
    """
    settings = folder / "generation_config.json"
    file = settings if settings.is_file() else folder / "config.json"
    found = files.read_json_object(file).get("eos_token_id")
    more = [one for one in (found if isinstance(found, list) else [found]) if one is not None]
    if not all(isinstance(one, int) for one in more):
        raise LoadError(f"{file}: eos_token_id is {found!r}, expected an id or a list of ids")
    return {tokenizer.eos_token_id, *more}


class Prompts:
    """The prompts of all models of an engine, rendered by one thread beside the loop."""

    def __init__(self, servables: Sequence[Servable], *, context: int | None = None) -> None:
        """Load each tokenizer.

        Args:
            context: of the server where it holds less than a model could.

        Raises:
            ConfigError: two models share a name.
            LoadError, BaseMismatch: as `Prompter.load`.
        """
        names = sorted(one.name for one in servables)
        if len(set(names)) != len(names):
            raise ConfigError(f"models {names}: a name stands twice. Name each once")
        self.by_name = {one.name: Prompter.load(one, context=context) for one in servables}
        # a tokenizer is not for two threads, and a long prompt must not hold the loop
        self._thread = ThreadPoolExecutor(1, "titer-prompts")

    async def prompt(self, ask: Ask) -> Prompt:
        """Render and encode a request.

        Raises:
            ConfigError: there is no such model, or no room for an answer.
        """
        if ask.model not in self.by_name:
            raise ConfigError(f"{ask.model}: no such model here. Known: {sorted(self.by_name)}")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self.by_name[ask.model].prompt, ask)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()


class Reader:
    """Ids of one answer to text, piece by piece.

    A character of several tokens is given when it is whole.
    """

    def __init__(self, decoder: Any) -> None:
        """Begin an answer; `decoder` is a `tokenizers.Tokenizer`."""
        from tokenizers.decoders import DecodeStream

        self._decoder = decoder
        self._stream = DecodeStream(skip_special_tokens=True)
        self._ids: list[int] = []
        self._given = ""

    @property
    def n_tokens(self) -> int:
        """Tokens read so far."""
        return len(self._ids)

    def read(self, ids: Sequence[int]) -> str:
        """Text that further ids complete; may be empty."""
        self._ids += ids
        text = "".join(self._stream.step(self._decoder, one) or "" for one in ids)
        self._given += text
        return text

    def rest(self) -> str:
        """What the last ids left open: the replacement character of half a character."""
        whole: str = self._decoder.decode(self._ids, skip_special_tokens=True)
        return whole[len(self._given) :]

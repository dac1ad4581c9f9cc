"""What a request may hold; anything else is 422.

Invariant: no field names a path or a file.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from titer.serving.answering import Wish

LONGEST_TEXT = 200_000
"""Characters; the cap on the body comes first unless it was raised."""
LONGEST_NAME = 200


def _whole(text: str) -> str:
    """Refuse half of a surrogate pair, which JSON can write and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair") from None
    return text


Text = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT), AfterValidator(_whole)]
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(_whole)]
Stop = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_whole)]


class Body(BaseModel):
    """Unknown fields are refused, and no type is guessed."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Message(Body):
    """One turn."""

    role: Literal["system", "user", "assistant"]
    content: Text


class StreamOptions(Body):
    """As OpenAI's."""

    include_usage: bool = False


class Completion(Body):
    """Body of `POST /v1/chat/completions`: what OpenAI's holds and Titer can do."""

    model: Name
    messages: Annotated[list[Message], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    n: Literal[1] | None = None
    user: Name | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    consent: bool = False
    """That the person agreed to the conversation being kept and learned from; kept only then."""
    conversation_id: Name | None = None
    """With consent: the kept conversation that the messages continue."""
    domain: Name | None = None
    """With consent and the base as model: what the conversation is about."""

    def wish(self) -> Wish:
        """What of it concerns the answer."""
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Wish(
            messages=tuple(one.model_dump() for one in self.messages),
            max_new_tokens=self.max_completion_tokens or self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed or 0,
            stops=tuple(stops),
        )


class Question(Body):
    """Body of `POST /predict`."""

    question: Text
    domain: Name | None = None


class Chat(Body):
    """Body of `POST /chat`."""

    researcher: Name
    """Who asks; with consent kept as a hash, otherwise nowhere."""
    chatting: Text
    domain: Name | None = None
    consent: bool = False
    """As in a completion; each message is a conversation of its own."""


class Setup(Body):
    """Body of `POST /fine-tuning/setup`: nothing, for what runs is what params.yaml says."""


class Query(BaseModel):
    """Form of `POST /fine-tuning/query`."""

    model_config = ConfigDict(extra="forbid")

    query: Text
    domain: Name | None = None


def question(text: str) -> Wish:
    """A single question, asked as the evaluation asks."""
    return Wish(messages=({"role": "user", "content": text},))

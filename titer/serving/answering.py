"""From a checked request to an answer: which model, which engine, within which time.

Invariant: every answer says which version gave it; the base in place of a version is flagged.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from titer.errors import TiterError, Unavailable
from titer.serving.catalogue import Catalogue, Offer
from titer.serving.engine import Ask, Engine, Piece
from titer.serving.limits import Limits
from titer.serving.metrics import Metrics
from titer.serving.refusals import (
    Refusal,
    broke_off,
    of_engine,
    queue_full,
    too_late,
    unavailable,
    void,
)
from titer.serving.thoughts import AnswerText


@dataclass(frozen=True)
class Wish:
    """What a client may decide about an answer; null is what was evaluated."""

    messages: tuple[dict[str, str], ...]
    max_new_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int = 0
    stops: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chosen:
    """Who answers."""

    offer: Offer
    domain: str | None
    """That was asked for, also where the base answers."""
    engine: Engine
    fallback: bool

    def served_by(self) -> dict[str, Any]:
        """What every reply says."""
        return {
            "domain": self.domain,
            "adapter": self.offer.adapter,
            "version": self.offer.version,
            "base_revision": self.offer.servable.base_revision,
            "engine": self.engine.name,
            "fallback": self.fallback,
        }


class Answers:
    """All answers of one gateway."""

    def __init__(
        self, catalogue: Catalogue, engines: Sequence[Engine], limits: Limits, metrics: Metrics
    ) -> None:
        """Nothing is being answered."""
        self._catalogue = catalogue
        self._engines = engines
        self._limits = limits
        self._metrics = metrics
        self._n_waiting = 0

    def is_alive(self) -> bool:
        """Whether the base can answer, and so everything in some way."""
        return self._engine(self._catalogue.base.servable.name) is not None

    def can_answer(self, name: str) -> bool:
        """Whether an engine has a model now."""
        return self._engine(name) is not None

    async def begin(self, offer: Offer | None, domain: str | None, wish: Wish) -> "Answer":
        """Ask, and wait until the first text is there, so that what fails has its own status.

        Args:
            offer: that is wanted; null where the domain has none.
            domain: that was asked for.
            wish: of the client.

        Raises:
            Refusal: no engine answers, too much is asked, or the prompt is too long.
        """
        if self._n_waiting >= self._limits.n_waiting:
            raise queue_full()
        deadline = asyncio.get_running_loop().time() + self._limits.answer_s
        self._count(1)
        try:
            for chosen in self._candidates(offer, domain):
                pieces = chosen.engine.answer(self._ask(chosen.offer, wish))
                answer = Answer(chosen, pieces, wish, deadline, self._limits, self._done)
                if await answer.first():
                    return answer
            raise unavailable()
        except BaseException:
            self._count(-1)
            raise

    def _candidates(self, offer: Offer | None, domain: str | None) -> list[Chosen]:
        """Who may answer, the wanted one first, the base flagged behind it."""
        base = self._catalogue.base
        wanted = [] if offer is None else [offer]
        found = []
        for one in wanted if offer is base else [*wanted, base]:
            engine = self._engine(one.servable.name)
            if engine is not None:
                found.append(Chosen(one, domain, engine, one is not offer))
        return found

    def _engine(self, name: str) -> Engine | None:
        return next((one for one in self._engines if name in one.models()), None)

    def _ask(self, offer: Offer, wish: Wish) -> Ask:
        measured = offer.servable.generation
        wanted = wish.max_new_tokens or measured.max_new_tokens
        return Ask(
            model=offer.servable.name,
            messages=wish.messages,
            max_new_tokens=min(wanted, self._limits.max_new_tokens),
            temperature=measured.temperature if wish.temperature is None else wish.temperature,
            top_p=measured.top_p if wish.top_p is None else wish.top_p,
            seed=wish.seed,
        )

    def _count(self, change: int) -> None:
        self._n_waiting += change
        self._metrics.waiting.set(self._n_waiting)

    def _done(self) -> None:
        self._count(-1)


@dataclass(frozen=True)
class Finished:
    """How an answer ended."""

    text: str
    finish_reason: str
    """stop or length."""
    n_prompt_tokens: int
    n_new_tokens: int
    thought: str
    """none, closed or unclosed; an unclosed one has no answer."""


class Answer:
    """One answer; a context manager, whose end frees its place whatever happened."""

    def __init__(
        self,
        chosen: Chosen,
        pieces: AsyncIterator[Piece],
        wish: Wish,
        deadline: float,
        limits: Limits,
        done: Callable[[], None],
    ) -> None:
        """Not yet begun, see `first`."""
        self.chosen = chosen
        self._pieces = pieces
        self._deadline = deadline
        self._limits = limits
        self._done = done
        self._text = AnswerText(may_open=chosen.offer.may_open_thought, stops=wish.stops)
        self._first: Piece | None = None
        self._last: Piece | None = None
        self._n_pieces = 0

    async def __aenter__(self) -> Self:
        """Nothing to do: it has begun."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the engine's work."""
        try:
            await self._close()
        finally:
            self._done()

    async def first(self) -> bool:
        """Wait for the first text; false where this engine does not answer.

        Raises:
            Refusal: too much is asked, or the time is over.
        """
        try:
            self._first = await self._next()
        except StopAsyncIteration:
            return False
        except Unavailable:
            return False
        except TiterError as error:
            raise error if isinstance(error, Refusal) else of_engine(error) from None
        except BaseException:
            await self._close()
            raise
        return True

    async def _next(self) -> Piece:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await anext(self._pieces)
        except TimeoutError:
            raise too_late(self._limits.answer_s) from None

    async def _rest(self) -> AsyncIterator[Piece]:
        """All pieces; the last one has a reason.

        Raises:
            Refusal: the engine ended in mid-answer, or the time is over.
        """
        piece = self._first
        while piece is not None:
            self._last = piece
            self._n_pieces += bool(piece.text)
            yield piece
            if piece.finish_reason is not None or self._text.is_stopped:
                return
            try:
                piece = await self._next()
            except (StopAsyncIteration, Unavailable):
                raise broke_off() from None
            except TiterError as error:
                raise error if isinstance(error, Refusal) else broke_off() from None

    async def whole(self) -> Finished:
        """The answer without its thoughts.

        Raises:
            Refusal: the engine ended in mid-answer, or the time is over.
        """
        async for piece in self._rest():
            self._text.feed(piece.text)
        return self.finished()

    async def stream(self) -> AsyncIterator[str]:
        """Texts that, joined, are the answer; `finished` holds the rest afterwards.

        Raises:
            Refusal: as `whole`, or what was sent proved to be a thought.
        """
        async for piece in self._rest():
            new = self._text.feed(piece.text)
            if self._text.is_void:
                raise void()
            if new:
                yield new
        new = self._text.end(opened=self._opened)
        if self._text.is_void:
            raise void()
        if new:
            yield new

    @property
    def _opened(self) -> bool:
        return self._last is not None and self._last.opened_thought

    def finished(self) -> Finished:
        """How it ended; call it after `whole` or `stream`."""
        last = self._last or Piece("")
        text = self._text.answer(opened=self._opened)  # may meet a stop, where all was held back
        return Finished(
            text,
            "stop" if self._text.is_stopped else (last.finish_reason or "stop"),
            last.n_prompt_tokens,
            # where an engine counts at the end alone, an answer ended by a stop has its pieces
            last.n_new_tokens or self._n_pieces,
            self._text.state(opened=self._opened),
        )

    async def _close(self) -> None:
        close = getattr(self._pieces, "aclose", None)
        if close is not None:
            await close()

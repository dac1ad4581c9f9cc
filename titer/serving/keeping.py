"""Conversations with consent: kept after the answer, rated and forgotten by the key that had them.

Invariant: without consent in the request nothing of it is stored. A conversation of another key
and one that never was look the same. What cannot be kept does not cost the answer.
"""

import asyncio
import contextlib
import datetime
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titer.conversations.chats import ID, Consent, Conversation, Rating, Turn, check_turn
from titer.conversations.place import is_there
from titer.errors import DataError, TiterError
from titer.serving.answering import Chosen, Finished
from titer.serving.keys import Key
from titer.serving.people import belongs_to, person
from titer.serving.refusals import Refusal

if TYPE_CHECKING:
    from titer.conversations.store import Store

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """What a client says about keeping; it has agreed to it."""

    domain: str | None
    """What it is about; null before it is known."""
    user: str | None = None
    conversation_id: str | None = None
    """That is continued; null for a new one."""


@dataclass(frozen=True)
class Draft:
    """A conversation whose next answer is being made."""

    key: Key
    wanted: Wanted
    n_kept: int
    """Turns that are in the store."""
    turns: Sequence[Turn]
    """That are not there yet."""
    began: float


def unknown() -> Refusal:
    """Of another key, forgotten, or never there: the client cannot tell which."""
    return Refusal(404, "no_such_conversation", "this key has no kept conversation of that id")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Keeping:
    """The store as the gateway uses it: opened with the first consent, in threads of its own."""

    def __init__(self, place: Path | str) -> None:
        """Nothing is opened.

        Args:
            place: see `titer.conversations.place`.
        """
        self._place = place
        self._store: Store | None = None
        self._one_at_a_time = asyncio.Lock()

    async def begin(
        self, key: Key, wanted: Wanted, messages: Sequence[dict[str, str]], *, began: float
    ) -> Draft:
        """Look whether what is to be said can be kept, before an engine is asked.

        Args:
            key: of the client.
            wanted: of the client.
            messages: the whole conversation so far.
            began: time of the loop, in seconds.

        Raises:
            Refusal: 404 unknown conversation, 409 messages that do not continue it, 422 a text that
                no database holds, 503 the store failed.
        """
        turns = [Turn(one["role"], one["content"]) for one in messages]
        for number, turn in enumerate(turns):
            try:
                check_turn(f"with consent, message {number}", turn)
            except DataError as error:
                raise Refusal(422, "cannot_be_kept", str(error)) from None
        if wanted.conversation_id is None:
            return Draft(key, wanted, 0, turns, began)
        async with self._one_at_a_time:
            row = await asyncio.to_thread(self._own, key, wanted.conversation_id)
        said = [(turn.role, turn.content) for turn in row.turns]
        if row.domain != wanted.domain or said != [(t.role, t.content) for t in turns[: len(said)]]:
            raise Refusal(
                409, "another_conversation",
                "the messages do not continue that conversation. Leave conversation_id out to "
                "begin a new one",
            )  # fmt: skip
        return Draft(key, wanted, len(said), turns[len(said) :], began)

    async def end(self, draft: Draft | None, chosen: Chosen, finished: Finished) -> dict[str, Any]:
        """Keep the conversation with its answer.

        Args:
            draft: null without consent.
            chosen: who answered.
            finished: the answer.

        Returns:
            What the reply says of it: its id and the number of the answer, both null where it could
            not be kept; nothing without consent.
        """
        if draft is None:
            return {}
        latency_s = round(asyncio.get_running_loop().time() - draft.began, 3)
        answer = Turn("assistant", finished.text, chosen.offer.servable.name, latency_s)
        kept: dict[str, Any] = {"conversation_id": None, "turn": None}
        if not finished.text.strip():
            return kept  # an unclosed thought is no answer to learn from
        try:
            async with self._one_at_a_time:
                name = await asyncio.to_thread(self._keep, draft, answer)
        except TiterError:
            logger.exception("a conversation was not kept")
            return kept
        return {"conversation_id": name, "turn": draft.n_kept + len(draft.turns)}

    async def rate(self, key: Key, name: str, satisfaction: float, turn: int | None) -> float:
        """Keep a rating.

        Args:
            key: of the client.
            name: id of the conversation.
            satisfaction: from 0 to 1.
            turn: number of the answer; null for the conversation as a whole.

        Returns:
            Satisfaction with the conversation now.

        Raises:
            Refusal: 404 unknown conversation, 422 no answer of that number, 503 the store failed.
        """
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._rate, key, name, satisfaction, turn)

    async def forget(self, key: Key, name: str) -> None:
        """Delete a conversation for good: its person takes the consent back.

        Raises:
            Refusal: 404 unknown conversation, 503 the store failed.
        """
        async with self._one_at_a_time:
            await asyncio.to_thread(self._forget, key, name)

    def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()

    # ---- in a thread ----------------------------------------------------------------------------

    def _opened(self) -> "Store":
        from titer.conversations.store import Store

        if self._store is None:
            self._store = Store(self._place)
        return self._store

    def _own(self, key: Key, name: str) -> Conversation:
        with _store_errors():
            if not ID.fullmatch(name) or not is_there(self._place):
                raise unknown()
            store = self._opened()
            if not store.known([name]):
                raise unknown()
            row = store.get(name)
        if row.consent is None or not belongs_to(key, row.user):
            raise unknown()
        return row

    def _keep(self, draft: Draft, answer: Turn) -> str:
        name = draft.wanted.conversation_id
        if name is not None:
            if len(self._own(draft.key, name).turns) != draft.n_kept:
                raise DataError("the conversation went on elsewhere meanwhile")
            self._opened().append(name, [*draft.turns, answer])
            return name
        assert draft.wanted.domain is not None  # known before an engine is asked
        now, name = _now(), secrets.token_hex(16)
        how = f"consent in the request, key {draft.key.id}"
        row = Conversation(
            id=name, domain=draft.wanted.domain, created_at=now, turns=[*draft.turns, answer],
            consent=Consent(now, how), user=person(draft.key, draft.wanted.user),
            version=answer.version,
        )  # fmt: skip
        self._opened().put([row])
        return name

    def _rate(self, key: Key, name: str, satisfaction: float, turn: int | None) -> float:
        row = self._own(key, name)
        if turn is not None and not (turn < len(row.turns) and row.turns[turn].role == "assistant"):
            raise Refusal(422, "no_such_answer", f"turn {turn} is no answer of that conversation")
        rating = Rating(satisfaction=satisfaction, turn=turn, at=_now())
        with _store_errors():
            self._opened().rate(name, rating)
        row.ratings.append(rating)
        return row.satisfaction() or 0.0

    def _forget(self, key: Key, name: str) -> None:
        self._own(key, name)
        with _store_errors():
            self._opened().forget(name, at=_now())


@contextlib.contextmanager
def _store_errors() -> Any:
    """A store that fails is no fault of the client's; where it lies is not the client's to know."""
    try:
        yield
    except Refusal:
        raise
    except TiterError:
        logger.exception("the store of conversations failed")
        raise Refusal(503, "no_store", "the conversations cannot be reached now") from None

"""The store of conversations: add, append, rate, read, forget.

Invariant: every call is one transaction. What has consent is there whole; what was forgotten
leaves a tombstone and never comes back.
"""

from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, text

from titer.conversations.chats import (
    ID,
    MAX_TURNS,
    Consent,
    Conversation,
    Rating,
    Turn,
    check,
    check_name,
    check_rating,
    check_text,
    check_turn,
    utc,
    with_utc,
)
from titer.conversations.database import Database
from titer.conversations.schema import CONVERSATIONS, DELETIONS, RATINGS, TURNS
from titer.errors import DataError

ADDED, REPLACED, SAME, FORGOTTEN = "added", "replaced", "already there", "forgotten before"
"""What can become of a conversation that is put into the store."""

CHUNK = 200
"""Conversations per query of a reader: memory stays flat."""


@dataclass(frozen=True)
class Tombstone:
    """What is left of a forgotten conversation."""

    id: str
    deleted_at: str
    reason: str
    n_turns: int
    is_erased: bool
    """Whether the bytes are gone from the files too; on PostgreSQL that is its vacuum's work."""


class Store:
    """Conversations in a SQLite file or a PostgreSQL database; safe with many writers at once."""

    def __init__(self, place: Path | str) -> None:
        """Open the store, making it where there is none.

        Raises:
            TiterError: it cannot be opened, or has another schema version.
        """
        self._database = Database(place)
        self.name = self._database.name

    def close(self) -> None:
        """Let go of every connection."""
        self._database.close()

    def put(self, conversations: Iterable[Conversation]) -> Counter[str]:
        """Keep conversations with their turns and ratings: all of them, or none.

        One whose id is there with other content is replaced; ratings given here stay.

        Returns:
            How many were added, replaced, already there, and refused because they were forgotten.
        Raises:
            DataError: one is not fit to be kept; nothing was changed.
        """
        rows = []
        for conversation in conversations:
            check(conversation)
            rows.append(with_utc(conversation))
        rows.sort(key=lambda row: row.id)  # all writers lock in one order, so none waits in a ring
        with self._database.write() as connection:
            return Counter(_put(connection, row) for row in rows)

    def append(self, conversation_id: str, turns: Sequence[Turn]) -> int:
        """Add turns at the end of a conversation.

        Returns:
            Position of the first one.
        Raises:
            DataError: no such conversation, or a turn that cannot be kept.
        """
        check_name("id", conversation_id)
        for number, turn in enumerate(turns):
            check_turn(f"conversation {conversation_id!r}: new turn {number}", turn)
        with self._database.write() as connection:
            _lock(connection, conversation_id)
            start = _n_turns(connection, conversation_id)
            if start + len(turns) > MAX_TURNS:
                raise DataError(
                    f"conversation {conversation_id!r}: {start:,} turns and {len(turns):,} more; "
                    f"at most {MAX_TURNS:,} are kept"
                )
            _insert_turns(connection, conversation_id, turns, start)
        return start

    def rate(self, conversation_id: str, rating: Rating) -> None:
        """Add a rating; the last one of a turn, or of the whole, is the one that counts.

        Raises:
            DataError: no such conversation or turn, or a rating out of range.
        """
        with self._database.write() as connection:
            _lock(connection, conversation_id)
            n_turns = _n_turns(connection, conversation_id)
            check_rating(f"conversation {conversation_id!r}", rating, n_turns)
            _insert_ratings(connection, conversation_id, [rating])

    def forget(
        self, conversation_id: str, *, at: str, reason: str = "consent withdrawn"
    ) -> Tombstone:
        """Delete a conversation with its turns and ratings and keep a tombstone without content.

        Args:
            at: now, ISO 8601.
            reason: words for a reviewer; nothing personal.

        Raises:
            DataError: no such conversation, or a reason that cannot be kept.
        """
        check_text("the reason", reason, required=True)
        with self._database.write() as connection:
            _lock(connection, conversation_id)
            n_turns = _n_turns(connection, conversation_id)
            connection.execute(delete(CONVERSATIONS).where(CONVERSATIONS.c.id == conversation_id))
            values = {"conversation_id": conversation_id, "deleted_at": utc(at),
                      "reason": reason, "n_turns": n_turns}  # fmt: skip
            connection.execute(insert(DELETIONS), values)
        is_erased = self._database.erase_traces()
        return Tombstone(conversation_id, utc(at), reason, n_turns, is_erased)

    def forgotten(self) -> set[str]:
        """Ids of the conversations that were forgotten."""
        with self._database.read() as connection:
            return set(connection.scalars(select(DELETIONS.c.conversation_id)))

    def known(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that are in the store, in whatever domain."""
        wanted = sorted(name for name in ids if ID.fullmatch(name))
        found: set[str] = set()
        with self._database.read() as connection:
            for start in range(0, len(wanted), CHUNK):
                part = CONVERSATIONS.c.id.in_(wanted[start : start + CHUNK])
                found |= set(connection.scalars(select(CONVERSATIONS.c.id).where(part)))
        return found

    def get(self, conversation_id: str) -> Conversation:
        """One conversation.

        Raises:
            DataError: there is none of that id.
        """
        check_name("id", conversation_id)
        with self._database.read() as connection:
            wanted = select(CONVERSATIONS).where(CONVERSATIONS.c.id == conversation_id)
            found = connection.execute(wanted).all()
            if not found:
                raise _missing(connection, conversation_id)
            return _filled(connection, found)[0]

    def count(self, domain: str | None = None) -> int:
        """Number of conversations, of one domain or of all."""
        query = _of_domain(select(func.count()).select_from(CONVERSATIONS), domain)
        with self._database.read() as connection:
            return int(connection.scalar(query) or 0)

    def newest_first(self, domain: str | None = None) -> Generator[Conversation, None, None]:
        """All conversations, of one domain or of all: the newest first, then by id.

        Read in chunks from one snapshot: what is written meanwhile is not seen.
        """
        order = (CONVERSATIONS.c.created_at.desc(), CONVERSATIONS.c.id)
        query = _of_domain(select(CONVERSATIONS), domain).order_by(*order)
        with self._database.read() as connection:
            for rows in connection.execution_options(yield_per=CHUNK).execute(query).partitions():
                yield from _filled(connection, rows)


def _of_domain(query: Select[Any], domain: str | None) -> Select[Any]:
    if domain is None:
        return query
    check_name("domain", domain)
    return query.where(CONVERSATIONS.c.domain == domain)


def _lock(connection: Connection, conversation_id: str) -> None:
    """Hold the conversation until the transaction ends (SQLite holds the whole store)."""
    check_name("id", conversation_id)
    wanted = select(CONVERSATIONS.c.id).where(CONVERSATIONS.c.id == conversation_id)
    if connection.execute(wanted.with_for_update()).first() is None:
        raise _missing(connection, conversation_id)


def _missing(connection: Connection, conversation_id: str) -> DataError:
    known = _tombstone_query(conversation_id)
    state = "was forgotten" if connection.execute(known).first() else "is not in the store"
    return DataError(f"conversation {conversation_id!r} {state}. See: titer conversations list")


def _tombstone_query(conversation_id: str) -> Select[Any]:
    column = DELETIONS.c.conversation_id
    return select(column).where(column == conversation_id)


def _n_turns(connection: Connection, conversation_id: str) -> int:
    mine = TURNS.c.conversation_id == conversation_id
    return int(connection.scalar(select(func.count()).select_from(TURNS).where(mine)) or 0)


def _put(connection: Connection, row: Conversation) -> str:
    if connection.dialect.name == "postgresql":  # two writers of one new id: no row to lock yet
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:id, 0))"), {"id": row.id}
        )
    wanted = select(CONVERSATIONS).where(CONVERSATIONS.c.id == row.id).with_for_update()
    found = connection.execute(wanted).all()
    # after the lock: whoever forgot it while we waited has left the tombstone by now
    if connection.execute(_tombstone_query(row.id)).first():
        return FORGOTTEN
    if not found:
        connection.execute(insert(CONVERSATIONS), _values(row))
        _insert_turns(connection, row.id, row.turns)
        _insert_ratings(connection, row.id, row.ratings)
        return ADDED
    (old,) = _filled(connection, found)
    new_ratings = [rating for rating in row.ratings if rating not in old.ratings]
    is_edited = _values(row) != _values(old) or row.turns != old.turns
    if not (new_ratings or is_edited):
        return SAME
    mine = CONVERSATIONS.c.id == row.id
    connection.execute(CONVERSATIONS.update().where(mine).values(_values(row)))
    connection.execute(delete(TURNS).where(TURNS.c.conversation_id == row.id))
    _insert_turns(connection, row.id, row.turns)
    gone = (RATINGS.c.conversation_id == row.id) & (RATINGS.c.position >= len(row.turns))
    connection.execute(delete(RATINGS).where(gone))
    _insert_ratings(connection, row.id, new_ratings)
    return REPLACED


def _values(row: Conversation) -> dict[str, Any]:
    assert row.consent is not None  # what has none did not pass `check`
    return {
        "id": row.id,
        "domain": row.domain,
        "created_at": row.created_at,
        "consent": True,
        "consent_at": row.consent.at,
        "consent_how": row.consent.how,
        "person": row.user,
        "version": row.version,
        "language": row.language,
    }


def _insert_turns(
    connection: Connection, conversation_id: str, turns: Sequence[Turn], start: int = 0
) -> None:
    rows = [
        {"conversation_id": conversation_id, "position": position, **turn.to_json()}
        for position, turn in enumerate(turns, start)
    ]
    if rows:
        connection.execute(insert(TURNS), rows)


def _insert_ratings(
    connection: Connection, conversation_id: str, ratings: Sequence[Rating]
) -> None:
    mine = RATINGS.c.conversation_id == conversation_id
    last = connection.scalar(select(func.max(RATINGS.c.number)).where(mine))
    start = 0 if last is None else int(last) + 1
    rows = [
        {
            "conversation_id": conversation_id,
            "number": number,
            "position": rating.turn,
            "satisfaction": rating.satisfaction,
            "thumbs": rating.thumbs,
            "comment": rating.comment,
            "rated_at": None if rating.at is None else utc(rating.at),
        }
        for number, rating in enumerate(ratings, start)
    ]
    if rows:
        connection.execute(insert(RATINGS), rows)


def _filled(connection: Connection, found: Sequence[Row[Any]]) -> list[Conversation]:
    """Conversations with turns and ratings, in the order of the given rows."""
    rows = {row.id: _bare(row) for row in found}
    for turn in connection.execute(_parts(TURNS, TURNS.c.position, list(rows))):
        rows[turn.conversation_id].turns.append(
            Turn(turn.role, turn.content, turn.version, turn.latency_s)
        )
    for given in connection.execute(_parts(RATINGS, RATINGS.c.number, list(rows))):
        rating = Rating(
            given.satisfaction, given.thumbs, given.comment, given.position, given.rated_at
        )
        rows[given.conversation_id].ratings.append(rating)
    return list(rows.values())


def _parts(table: Any, order: Any, ids: list[str]) -> Select[Any]:
    column = table.c.conversation_id
    return select(table).where(column.in_(ids)).order_by(column, order)


def _bare(row: Row[Any]) -> Conversation:
    return Conversation(
        id=row.id,
        domain=row.domain,
        created_at=row.created_at,
        turns=[],
        consent=Consent(row.consent_at, row.consent_how) if row.consent else None,
        user=row.person,
        version=row.version,
        language=row.language,
    )

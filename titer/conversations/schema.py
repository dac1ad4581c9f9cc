"""The tables of the store, in SQLAlchemy: the same on SQLite and on PostgreSQL.

Invariant: a store says which schema version wrote it, and no other version touches it.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
    select,
    text,
)

from titer.errors import DataError

VERSION = 1
"""Of the tables below; a change of theirs adds one and a migration from the version before."""

METADATA = MetaData()

_ID = String(128).with_variant(String(128, collation="C"), "postgresql")
"""Sorted by code point everywhere: PostgreSQL's own order depends on the server's language."""

STORE = Table(
    "titer_store",
    METADATA,
    Column("version", Integer, primary_key=True, autoincrement=False),
)
CONVERSATIONS = Table(
    "conversations",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("domain", String(128), nullable=False),
    Column("created_at", String(20), nullable=False),
    Column("consent", Boolean(create_constraint=True, name="consent_flag"), nullable=False),
    Column("consent_at", String(20), nullable=False),
    Column("consent_how", Text, nullable=False),
    Column("person", Text),
    Column("version", Text),
    Column("language", Text),
    Index("conversations_by_domain", "domain", "created_at", "id"),
)
TURNS = Table(
    "turns",
    METADATA,
    Column("conversation_id", ForeignKey(CONVERSATIONS.c.id, ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("role", String(9), nullable=False),
    Column("content", Text, nullable=False),
    Column("version", Text),
    Column("latency_s", Float),
    CheckConstraint("role IN ('system', 'user', 'assistant')", name="known_role"),
)
RATINGS = Table(
    "ratings",
    METADATA,
    Column("conversation_id", ForeignKey(CONVERSATIONS.c.id, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer),
    Column("satisfaction", Float),
    Column("thumbs", String(4)),
    Column("comment", Text),
    Column("rated_at", String(20)),
    CheckConstraint("satisfaction BETWEEN 0 AND 1", name="satisfaction_range"),
    CheckConstraint("thumbs IN ('up', 'down')", name="known_thumbs"),
    CheckConstraint("satisfaction IS NOT NULL OR thumbs IS NOT NULL", name="says_something"),
)
DELETIONS = Table(
    "deletions",
    METADATA,
    Column("conversation_id", String(128), primary_key=True),
    Column("deleted_at", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("n_turns", Integer, nullable=False),
)

_LOCK = 7_201_606
"""Any number: PostgreSQL lets one session at a time make the tables."""


def prepare(connection: Connection, name: str) -> None:
    """Make the tables in an empty store, or check that they are this version's.

    Args:
        connection: in a transaction that may write.
        name: the store as an error may call it, without a password.

    Raises:
        DataError: tables of another schema version, or of another program.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    present = set(inspect(connection).get_table_names()) & set(METADATA.tables)
    if not present:
        METADATA.create_all(connection)
        connection.execute(STORE.insert().values(version=VERSION))
        return
    found = connection.scalars(select(STORE.c.version)).all() if STORE.name in present else []
    if not found:
        raise DataError(
            f"{name}: holds {', '.join(sorted(present))} but no schema version: not a store of "
            "Titer. Name another file or database"
        )
    if list(found) != [VERSION]:
        raise DataError(
            f"{name}: schema version {', '.join(map(str, found))}; this Titer reads version "
            f"{VERSION}. Use the Titer that wrote it, or export there and import here"
        )

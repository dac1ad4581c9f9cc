"""What a conversation, a turn, a rating and a consent are, and what makes one unfit to be kept.

Invariant: nothing without consent is ever a valid conversation; times are UTC, to the second.
"""

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from titer import files
from titer.errors import DataError
from titer.records import Record

ROLES = ("system", "user", "assistant")
THUMBS = ("up", "down")
MAX_TURNS = 1_000
MAX_CHARACTERS = 1_000_000
"""Of one text: a store of chats is no place for files."""

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""An id, a domain: safe in a path, in a command and in a terminal."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass
class Consent(Record):
    """That somebody agreed to the use of a conversation for training."""

    at: str
    """ISO 8601, UTC."""
    how: str
    """Words for a reviewer: `tick box of the chat page, text of 2026-11-01`."""


@dataclass
class Turn(Record):
    """One message."""

    role: str
    """system, user or assistant."""
    content: str
    version: str | None = None
    """Model and version that wrote it, `autoimmune-qlora@v1.0.0`; null of a person's message."""
    latency_s: float | None = None
    """Seconds from question to answer."""


@dataclass
class Rating(Record):
    """What a person thought of a conversation or of one answer in it."""

    satisfaction: float | None = None
    """From 0 to 1."""
    thumbs: str | None = None
    """up or down."""
    comment: str | None = None
    turn: int | None = None
    """Index of the rated turn, from 0; null for the conversation as a whole."""
    at: str | None = None
    """ISO 8601, UTC; null where nobody wrote it down."""

    @property
    def score(self) -> float:
        """Satisfaction; of a thumb alone 1 or 0."""
        return float(self.thumbs == "up") if self.satisfaction is None else self.satisfaction


@dataclass
class Conversation(Record):
    """A chat with its ratings."""

    id: str
    domain: str
    created_at: str
    """ISO 8601, UTC."""
    turns: list[Turn]
    consent: Consent | None
    """Null only of rows that another program wrote, or whose consent was taken back there."""
    ratings: list[Rating] = field(default_factory=list)
    """In the order in which they were given."""
    user: str | None = None
    """Pseudonym of the person, so that all chats of one person stay in one split."""
    version: str | None = None
    """Model and version that served the conversation."""
    language: str | None = None

    @property
    def cluster(self) -> str:
        """What must not stand in two splits: the person where known, else the conversation."""
        if self.user is None:
            return f"conversation:{self.id}"
        return f"user:{files.sha256_text(self.user)[:16]}"

    def counting_ratings(self) -> list[Rating]:
        """The last rating of each turn and of the whole: who rates again changes their mind."""
        return list({rating.turn: rating for rating in self.ratings}.values())

    def satisfaction(self) -> float | None:
        """Mean score of the ratings that count, from 0 to 1; null where there is none."""
        scores = [rating.score for rating in self.counting_ratings()]
        return round(sum(scores) / len(scores), 6) if scores else None


def utc(text: str) -> str:
    """A date or time in the one form that is stored, `2026-11-25T13:32:26Z`.

    A date alone is its first second; a time without a zone is taken as UTC.

    Raises:
        DataError: not ISO 8601.
    """
    try:
        moment = datetime.datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        raise DataError(
            f"{text[:40]!r} is no date; expected ISO 8601 such as 2026-11-25 or "
            "2026-11-25T13:32:26Z"
        ) from None


def with_utc(conversation: Conversation) -> Conversation:
    """The same conversation with every time in the form that is stored.

    Raises:
        DataError: a time is not ISO 8601.
    """
    consent = conversation.consent
    return replace(
        conversation,
        created_at=utc(conversation.created_at),
        consent=consent and replace(consent, at=utc(consent.at)),
        ratings=[
            replace(rating, at=None if rating.at is None else utc(rating.at))
            for rating in conversation.ratings
        ],
    )


def content_id(domain: str, turns: Sequence[Turn]) -> str:
    """An id for a conversation that brought none: the same for the same domain and messages."""
    said = [[turn.role, turn.content] for turn in turns]
    return files.sha256_bytes(files.dump_json([domain, said]).encode("utf-8", "replace"))[:16]


def check(conversation: Conversation) -> None:
    """Refuse what may not or cannot be kept.

    Raises:
        DataError: no consent, no turns, a text that a database cannot hold, a value out of range.
    """
    where = f"conversation {conversation.id[:130]!r}"
    if conversation.consent is None:
        raise DataError(f"{where}: no consent, so it is not kept. Say when and how it was given")
    check_name("id", conversation.id)
    check_name("domain", conversation.domain)
    if not conversation.turns or len(conversation.turns) > MAX_TURNS:
        n = len(conversation.turns)
        raise DataError(f"{where}: {n:,} turns; expected 1 to {MAX_TURNS:,}")
    utc(conversation.created_at)
    utc(conversation.consent.at)
    said = {"how of the consent": conversation.consent.how, "user": conversation.user,
            "version": conversation.version, "language": conversation.language}  # fmt: skip
    for name, text in said.items():
        check_text(f"{where}: {name}", text, required=name.startswith("how"))
    for number, turn in enumerate(conversation.turns):
        check_turn(f"{where}: turn {number}", turn)
    for rating in conversation.ratings:
        check_rating(where, rating, len(conversation.turns))


def check_name(what: str, name: str) -> None:
    """Refuse an id or a domain that is no plain name.

    Raises:
        DataError: names it and what is allowed.
    """
    if not ID.fullmatch(name):
        raise DataError(
            f"{what} {name[:130]!r}: expected up to 128 letters, digits, '.', '_' or '-'"
        )


def check_turn(where: str, turn: Turn) -> None:
    """Refuse a turn without a role, a text or a possible latency.

    Raises:
        DataError: names what is wrong.
    """
    if turn.role not in ROLES:
        raise DataError(f"{where}: role {turn.role!r}; expected {', '.join(ROLES)}")
    check_text(where, turn.content, required=True)
    check_text(f"{where}: version", turn.version)
    if turn.latency_s is not None and not 0 <= turn.latency_s < float("inf"):
        raise DataError(f"{where}: latency_s {turn.latency_s!r}; expected seconds from 0")


def check_rating(where: str, rating: Rating, n_turns: int) -> None:
    """Refuse a rating that says nothing, or of a turn that is not there.

    Raises:
        DataError: names what is wrong.
    """
    if rating.satisfaction is None and rating.thumbs is None:
        raise DataError(f"{where}: a rating needs a satisfaction from 0 to 1 or a thumb up or down")
    if rating.satisfaction is not None and not 0 <= rating.satisfaction <= 1:
        raise DataError(f"{where}: satisfaction {rating.satisfaction!r}; expected 0 to 1")
    if rating.thumbs not in (None, *THUMBS):
        raise DataError(f"{where}: thumbs {rating.thumbs!r}; expected up or down")
    if rating.turn is not None and not 0 <= rating.turn < n_turns:
        raise DataError(f"{where}: turn {rating.turn} is not there; it has 0 to {n_turns - 1}")
    check_text(f"{where}: comment", rating.comment)
    if rating.at is not None:
        utc(rating.at)


def check_text(where: str, text: str | None, *, required: bool = False) -> None:
    """Refuse what no database holds: NUL, half a surrogate pair, a file instead of a text.

    Raises:
        DataError: names the character and its place.
    """
    if text is None and not required:
        return
    if text is None or (required and not text.strip()):
        raise DataError(f"{where}: an empty text")
    if len(text) > MAX_CHARACTERS:
        raise DataError(f"{where}: {len(text):,} characters; at most {MAX_CHARACTERS:,} are kept")
    bad = _UNSTORABLE.search(text)
    if bad:
        name = "NUL" if bad[0] == "\0" else f"half a surrogate pair (U+{ord(bad[0]):04X})"
        raise DataError(f"{where}: {name} at character {bad.start()}: no text. Remove it")

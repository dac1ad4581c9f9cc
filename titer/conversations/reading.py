"""Conversations from files: chat rows (`messages`) and ShareGPT rows (`conversations`).

A file holds one row per line, or one JSON list. Besides the messages a row may say `id` (or
`conversation_id`), `domain`, `created_at`, `user`, `version`, `language`, `consent: {at, how}`,
`satisfaction`, `thumbs`, `comment` or a list of `ratings`; a message also `version`, `latency_s`.

Invariant: each row becomes a conversation or a fault that names its place; none stops the others.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer import files
from titer.conversations.chats import Consent, Conversation, Rating, Turn, check, content_id
from titer.errors import DataError, FormatError

SPEAKERS = {
    "system": "system",
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt"), "assistant"),
}
"""What a row may call who speaks."""

FORMS = "expected messages (role, content) or conversations (from, value)"


@dataclass(frozen=True)
class Fault:
    """A row that is no conversation to keep."""

    place: str
    """`path:line`, or `path: record n` of a list."""
    reason: str


@dataclass(frozen=True)
class Given:
    """What holds for the rows that do not say it themselves."""

    domain: str
    consent: Consent | None = None
    version: str | None = None


def read(path: Path, given: Given) -> Iterator[Conversation | Fault]:
    """The rows of a file, in order.

    Raises:
        FormatError: no such file, or a JSON list that is damaged.
    """
    for place, row in _rows(path):
        if isinstance(row, str):
            yield Fault(place, row)
            continue
        try:
            conversation = _conversation(row, given)
            check(conversation)
            yield conversation
        except DataError as error:
            yield Fault(place, str(error))


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """Place of each row and the row, or what is wrong with it."""
    try:
        with path.open("rb") as file:
            is_list = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
            file.seek(0)
            rows = _listed(path) if is_list else _lines(path, file)
            yield from rows
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from None


def _listed(path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    try:
        content = files.parse_json(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise FormatError(f"{path}:{line}: not a JSON list: {error}") from None
    for number, row in enumerate(content, 1):
        named = f"a {type(row).__name__}; {FORMS}"
        yield f"{path}: record {number}", row if isinstance(row, dict) else named


def _lines(path: Path, file: Iterable[bytes]) -> Iterator[tuple[str, dict[str, Any] | str]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = files.parse_json(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except ValueError as error:
            yield f"{path}:{number}", f"not JSON: {error}"
            continue
        named = f"a {type(row).__name__}; {FORMS}"
        yield f"{path}:{number}", row if isinstance(row, dict) else named


def _conversation(row: dict[str, Any], given: Given) -> Conversation:
    turns = [_turn(message, number) for number, message in enumerate(_messages(row))]
    domain = _text(row, "domain") or given.domain
    consent = _consent(row, given.consent)
    name = _text(row, "id") or _text(row, "conversation_id")
    return Conversation(
        id=name or content_id(domain, turns),
        domain=domain,
        created_at=_text(row, "created_at") or consent.at,
        turns=turns,
        consent=consent,
        ratings=_ratings(row),
        user=_text(row, "user"),
        version=_text(row, "version") or given.version,
        language=_text(row, "language"),
    )


def _messages(row: dict[str, Any]) -> list[Any]:
    found = row.get("messages", row.get("conversations"))
    if not isinstance(found, list):
        raise DataError(f"{FORMS} (keys: {', '.join(sorted(row))[:200]})")
    return found


def _turn(message: Any, number: int) -> Turn:
    if not isinstance(message, dict):
        raise DataError(f"message {number}: a {type(message).__name__}; expected an object")
    speaker = message.get("role", message.get("from"))
    content = message.get("content", message.get("value"))
    if not isinstance(speaker, str) or speaker not in SPEAKERS:
        raise DataError(
            f"message {number}: from {str(speaker)[:40]!r}; expected {', '.join(SPEAKERS)}"
        )
    if not isinstance(content, str):
        raise DataError(f"message {number}: a {type(content).__name__}; expected a text")
    return Turn(
        SPEAKERS[speaker], content, _text(message, "version"), _number(message, "latency_s")
    )


def _consent(row: dict[str, Any], given: Consent | None) -> Consent:
    """The row's own word first: a refusal is final, whatever is said of the file."""
    found = row.get("consent", given is not None)
    if isinstance(found, dict):
        at, how = _text(found, "at"), _text(found, "how")
        if at and how:
            return Consent(at, how)
    elif found is True and given is not None:
        return given
    raise DataError(
        "no consent, so it is not kept. A row says consent: {at, how}, or the command "
        "--consent HOW --consent-date DATE"
    )


def _ratings(row: dict[str, Any]) -> list[Rating]:
    listed = row.get("ratings", [])
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise DataError("ratings: expected a list of objects")
    own = {"satisfaction", "thumbs"} & row.keys()
    return [_rating(item) for item in [*listed, *([row] if own else [])]]


def _rating(row: dict[str, Any]) -> Rating:
    turn = row.get("turn")
    if turn is not None and (isinstance(turn, bool) or not isinstance(turn, int)):
        raise DataError(f"turn {turn!r}: expected the number of a message, from 0")
    return Rating(
        satisfaction=_number(row, "satisfaction"),
        thumbs=_text(row, "thumbs"),
        comment=_text(row, "comment"),
        turn=turn,
        at=_text(row, "at"),
    )


def _text(row: dict[str, Any], key: str) -> str | None:
    value = row.get(key)
    if value is None or isinstance(value, str):
        return value
    raise DataError(f"{key}: a {type(value).__name__}; expected a text")


def _number(row: dict[str, Any], key: str) -> float | None:
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise DataError(f"{key}: a number that is too large") from None
    raise DataError(f"{key}: a {type(value).__name__}; expected a number")

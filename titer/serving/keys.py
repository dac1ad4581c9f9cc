"""Keys: made here, kept as SHA-256, each opening its domains only.

Invariant: the file holds no key and its mode is 600; what another process writes to it counts from
the next request on.
"""

import datetime
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from titer import files
from titer.errors import ConfigError, DataError, FormatError, NotFound

FILE = "serving/keys.json"
"""Below the project; Git ignores the folder."""
SCHEMA_VERSION = 1
PREFIX = "titer"
N_BYTES = 32
"""Random bytes of a key: 256 bits."""
LONGEST = 128
"""Characters of a header that could be a key."""
ALL = "*"
"""In place of domains: every one, those to come included."""

_NAME = re.compile(r"[A-Za-z0-9][\w .@-]{0,63}")


@dataclass(frozen=True)
class Key:
    """What is kept of a key."""

    id: str
    """Names it in lists and in the audit log; opens nothing."""
    sha256: str
    owner: str
    domains: tuple[str, ...]
    admin: bool
    """May queue pipeline runs."""
    created: str
    """ISO 8601, UTC, as the next two."""
    expires: str | None = None
    revoked: str | None = None

    def opens(self, domain: str | None) -> bool:
        """Whether it may ask models of a domain; the base has none and is open to every key."""
        return domain is None or ALL in self.domains or domain in self.domains

    def is_valid(self, now: datetime.datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        if self.revoked is not None:
            return False
        return self.expires is None or now < datetime.datetime.fromisoformat(self.expires)


def utc_now() -> datetime.datetime:
    """This moment."""
    return datetime.datetime.now(datetime.UTC)


# ---- the file ---------------------------------------------------------------------------------


def read(path: Path) -> tuple[Key, ...]:
    """All keys, revoked and expired ones too; none where there is no file.

    Raises:
        DataError: others may read the file.
        FormatError: Titer did not write it.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return ()
    if stat.S_IMODE(mode) & 0o077:
        raise DataError(f"{path}: mode {stat.S_IMODE(mode):o}, others may read it. chmod 600")
    value = files.read_json_object(path)
    try:
        if value["schema_version"] != SCHEMA_VERSION:
            raise FormatError(f"{path}: schema version {value['schema_version']!r}, expected 1")
        return tuple(_key(row) for row in value["keys"])
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{path}: not a file of `titer keys`: {error!r}") from None


def _key(row: dict[str, Any]) -> Key:
    key = Key(**{**row, "domains": tuple(row["domains"])})
    if len(bytes.fromhex(key.sha256)) != 32:
        raise ValueError("sha256")
    if not all(isinstance(one, str) for one in (key.id, key.owner, *key.domains)):
        raise ValueError("id, owner and domains are texts")
    if not isinstance(row["domains"], list) or not isinstance(key.admin, bool):
        raise ValueError("domains is a list, admin is true or false")
    for end in (key.expires, key.revoked):
        # without its zone it could not be compared with now
        if end is not None and datetime.datetime.fromisoformat(end).tzinfo is None:
            raise ValueError(f"{end} has no time zone")
    return key


def add(
    path: Path,
    owner: str,
    domains: Sequence[str],
    *,
    admin: bool = False,
    expires: datetime.datetime | None = None,
) -> tuple[Key, str]:
    """Make a key.

    Args:
        path: the file.
        owner: who gets it, for lists.
        domains: that it opens; `*` for all, empty for the base alone.
        admin: whether it may queue pipeline runs.
        expires: when it ends; with a time zone.

    Returns:
        What is kept, and the key itself, which is never shown again.
    Raises:
        ConfigError: the owner's name cannot stand in a list, or it would be expired at once.
        DataError, FormatError: the file cannot be used.
    """
    if not _NAME.fullmatch(owner):
        raise ConfigError(
            f"owner {owner[:70]!r}: expected 1 to 64 letters, digits, spaces, or one of .@_-"
        )
    if expires is not None and expires <= utc_now():
        raise ConfigError(f"expiry {expires.isoformat()}: expected a time to come")
    identity = secrets.token_hex(4)
    text = f"{PREFIX}_{identity}_{secrets.token_urlsafe(N_BYTES)}"
    key = Key(
        identity, files.sha256_text(text), owner, tuple(sorted(set(domains))), admin,
        utc_now().isoformat(timespec="seconds"),
        None if expires is None else expires.isoformat(timespec="seconds"),
    )  # fmt: skip
    _change(path, lambda keys: (*keys, key))
    return key, text


def revoke(path: Path, identity: str) -> Key:
    """End a key now; it stays in the list.

    Raises:
        NotFound: no such key, or it is revoked already.
        DataError, FormatError: the file cannot be used.
    """

    def ended(keys: tuple[Key, ...]) -> tuple[Key, ...]:
        if not any(one.id == identity and one.revoked is None for one in keys):
            raise NotFound(f"{identity[:40]}: no such key to revoke. See: titer keys list")
        now = utc_now().isoformat(timespec="seconds")
        return tuple(replace(one, revoked=now) if one.id == identity else one for one in keys)

    return next(one for one in _change(path, ended) if one.id == identity)


def _change(path: Path, change: Callable[[tuple[Key, ...]], tuple[Key, ...]]) -> tuple[Key, ...]:
    with files.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            keys = change(read(path))
            rows = [{**asdict(key), "domains": list(key.domains)} for key in keys]
            value = {"schema_version": SCHEMA_VERSION, "keys": rows}
            _replace(path, (files.dump_json(value, indent=2) + "\n").encode())
    return keys


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let two commands at once both have their way."""
    lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _replace(path: Path, content: bytes) -> None:
    """Write the file whole, readable by its owner alone from its first byte on."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


# ---- in the gateway ---------------------------------------------------------------------------


class KeyRing:
    """The file as the gateway asks it."""

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            DataError, FormatError: it cannot be used.
        """
        self._path = path
        self._state: tuple[int, ...] | None = None
        self._keys: tuple[Key, ...] = ()
        self._refresh()

    def find(self, text: str) -> Key | None:
        """The valid key that a text is.

        Raises:
            DataError, FormatError: the file was changed into something that cannot be used.
        """
        self._refresh()
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        found = None
        for key in self._keys:  # all of them, so that time tells nothing
            if hmac.compare_digest(digest, key.sha256):
                found = key
        return found if found is not None and found.is_valid(utc_now()) else None

    def _refresh(self) -> None:
        try:
            now = self._path.stat()
            state: tuple[int, ...] = (now.st_ino, now.st_mtime_ns, now.st_ctime_ns, now.st_size)
        except FileNotFoundError:
            state = ()
        if state != self._state:
            self._keys = read(self._path)
            self._state = state

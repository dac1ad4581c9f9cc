"""How the store is reached: a SQLite file in WAL mode, or a PostgreSQL server.

Invariant: a password is in no error, no log and no repr; readers see whole transactions only.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url

from titer.conversations import schema
from titer.conversations.place import URL as VARIABLE
from titer.errors import ConfigError, DataError

WAIT_MS = 60_000
"""How long a writer of SQLite waits for another one."""

ALLOWED = (
    "Allowed: postgresql://user:password@host/database, with @ : / % in a name or password written "
    f"as %40 %3A %2F %25. Or unset {VARIABLE}: the project has a SQLite file"
)

SECRET_LENGTH = 8
"""A password this long stands in an error by no chance, unless it is a name; "e" stands in all."""


class Database:
    """An open store."""

    def __init__(self, place: Path | str) -> None:
        """Open it, making file, folder and tables where there are none.

        Args:
            place: path of a SQLite file, or the URL of a PostgreSQL database.

        Raises:
            ConfigError: the URL is of no known kind, or its driver is not installed.
            DataError: it cannot be opened, or has another schema version.
        """
        self._url = _url(place)
        if isinstance(place, Path):
            self.name = str(place)
            self._engine = _sqlite(place, self._url, self.name)
        else:
            self.name = f"the PostgreSQL database {self._url.database!r} on {self._url.host!r}"
            self._engine = _postgresql(self._url)
        try:
            with self.write() as connection:
                schema.prepare(connection, self.name)
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees the store as it was when it began.

        Raises:
            DataError: the store failed.
        """
        with self._one_line(), self._engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection whose changes all happen, or none.

        Raises:
            DataError: the store failed; nothing was changed.
        """
        with self._one_line(), self._engine.connect() as connection:
            connection = connection.execution_options(is_writer=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def erase_traces(self) -> bool:
        """Overwrite what SQLite still holds of deleted rows in its log.

        Returns:
            False where a reader kept the log from being emptied, or where it is PostgreSQL, whose
            old rows go with its vacuum.
        """
        if self._url.get_backend_name() == "postgresql":
            return False
        with self._one_line(), self._engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA busy_timeout = 1000")  # a long reader is not worth a minute
            is_busy = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            driver.execute(f"PRAGMA busy_timeout = {WAIT_MS}")
            return not is_busy

    @contextlib.contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except (exc.DBAPIError, exc.TimeoutError) as error:
            cause = getattr(error, "orig", error)
            words = " ".join(str(cause).split()) or type(cause).__name__
            if _tells_password(words, self._url):
                words = f"{type(cause).__name__}, whose text holds the password and is not shown"
            words = words[:300]
            end = "" if words.endswith((".", "?", "!")) else "."
            raise DataError(
                f"{self.name}: {words}{end} Nothing was changed by this step; check the store "
                "and run the same command again"
            ) from None


def _tells_password(words: str, url: URL) -> bool:
    """Whether an error must not be shown.

    It is shown whole or not at all: with stars in place of the password, known words such as
    "connection" say what they hide. PostgreSQL and its driver repeat no password, so a short one,
    or one that is also the user or database, is in their words by chance; there only the forms
    of a URL and of libpq's settings count.
    """
    if not url.password:
        return False
    password = str(url.password)
    spellings = {password, quote(password, safe="")}
    forms = [form for one in spellings for form in (f":{one}@", f"password={one}")]
    if len(password) >= SECRET_LENGTH and password not in (url.username, url.host, url.database):
        forms += spellings
    return any(form in words for form in forms)


def _url(place: Path | str) -> URL:
    if isinstance(place, Path):
        return URL.create("sqlite+pysqlite", database=str(place))
    try:
        url = make_url(place)
    except (exc.ArgumentError, ValueError):
        # the text may hold a password, so it is not repeated
        raise ConfigError(f"{VARIABLE} cannot be read. {ALLOWED}") from None
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise ConfigError(f"{VARIABLE}: conversations cannot lie in {url.drivername!r}. {ALLOWED}")
    n_signs = str(place).count("@")
    if n_signs > 1 or (n_signs == 1 and url.username is None):
        # a piece of the password would be taken for the host or the database, which errors name
        raise ConfigError(f"{VARIABLE} cannot be read: it holds an @ too many. {ALLOWED}")
    return url.set(drivername="postgresql+psycopg")


def _postgresql(url: URL) -> Engine:
    try:
        return create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            # a database of another encoding than UTF-8 would give bytes, or refuse in the driver
            connect_args={"client_encoding": "utf8"},
            # the row locks are written for it; a server's stricter default fails waiting writers
            isolation_level="READ COMMITTED",
        )
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"PostgreSQL needs the package {error.name}. Run: pip install -e .[postgres]"
        ) from None


def _sqlite(path: Path, url: URL, name: str) -> Engine:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
    except OSError as error:
        raise DataError(
            f"{name}: cannot be written ({error.strerror}). Name another file"
        ) from None
    engine = create_engine(url, hide_parameters=True)
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: Any, _: Any) -> None:
    """Settings of a new SQLite connection; the driver's own transactions are switched off."""
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {WAIT_MS}")
    _switch_to_wal(connection)
    for pragma in ("foreign_keys = ON", "synchronous = FULL", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _switch_to_wal(connection: Any) -> None:
    """Two processes that make the same store at once: SQLite does not wait here by itself."""
    import sqlite3

    until = time.monotonic() + WAIT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _begin(connection: Connection) -> None:
    """A writer takes its turn at once: a reader that turns writer may be refused later."""
    writes = connection.get_execution_options().get("is_writer", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

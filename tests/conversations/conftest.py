"""Places for a store: a SQLite file, and a database of a PostgreSQL server that tests start."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from titer.conversations.store import Store

PASSWORD = "canary-Zx9#/@:p"


@pytest.fixture(scope="session")
def server() -> Iterator[Any]:
    """URL of a fresh PostgreSQL server on loopback, from Debian's packages; skips without one."""
    pytest.importorskip("psycopg")
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    # the server refuses to be root, and pytest's folders are closed to everyone else
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="titer-pg-"))
    try:
        if user:
            shutil.chown(folder, user)
        yield from _running(programs, folder, user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    beside = shutil.which("initdb")
    found = [Path(beside).parent] if beside else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return found[-1] if found else None


def _running(programs: Path, folder: Path, user: str | None) -> Iterator[Any]:
    from sqlalchemy import URL

    def run(name: str, *words: str) -> subprocess.CompletedProcess[bytes]:
        # pg_ctl leaves the server behind, which would hold a pipe open
        with (folder.parent / f"{folder.name}.log").open("ab") as log:
            return subprocess.run(
                [programs / name, *words], user=user, cwd=folder, stdout=log, stderr=log, timeout=60
            )

    (folder / "password").write_text(PASSWORD)
    data, port = folder / "data", _free_port()
    made = run("initdb", "-D", str(data), "-U", "titer", "-A", "scram-sha-256", "-E", "UTF8",
               "--no-sync", f"--pwfile={folder / 'password'}")  # fmt: skip
    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off"
    started = made.returncode == 0 and run("pg_ctl", "-D", str(data), "-w", "-o", options, "start")
    try:
        if not started or started.returncode:
            pytest.skip("PostgreSQL is installed but cannot be started")
        yield URL.create("postgresql", "titer", PASSWORD, "127.0.0.1", port, "postgres")
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        (folder.parent / f"{folder.name}.log").unlink(missing_ok=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def database(server: Any) -> str:
    """URL of the server's database, emptied."""
    import psycopg

    url = str(server.render_as_string(hide_password=False))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return url


@pytest.fixture
def encoded(server: Any) -> Iterator[Callable[[str], str]]:
    """Makes an empty database of an encoding and gives its URL."""
    import psycopg

    url = str(server.render_as_string(hide_password=False))
    names: list[str] = []

    def make(encoding: str) -> str:
        names.append(f"titer_{encoding.lower()}")
        connection.execute(
            f"CREATE DATABASE {names[-1]} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' "
            "TEMPLATE template0"
        )
        return str(server.set(database=names[-1]).render_as_string(hide_password=False))

    with psycopg.connect(url, autocommit=True) as connection:
        yield make
        for name in names:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a store may lie."""
    if request.param == "sqlite":
        return tmp_path / "folder" / "store.db"
    return str(request.getfixturevalue("database"))


@pytest.fixture
def store(place: Path | str) -> Iterator[Store]:
    """An empty store."""
    opened = Store(place)
    yield opened
    opened.close()

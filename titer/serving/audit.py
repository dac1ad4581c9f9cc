"""One line for every request, whatever became of it.

Invariant: lines are only added, whole or not at all; none holds text of a prompt or an answer. A
request whose line could not be written is not answered.
"""

import datetime
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from titer import files
from titer.errors import DataError

FILE = "serving/audit.jsonl"
"""Below the project; Git ignores the folder."""
RESERVE_BYTES = 65_536
"""Kept free beside the log for the lines of answers that are being streamed: about 100 of them."""


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


@dataclass
class Entry:
    """What is known of a request."""

    time: str = field(default_factory=_now)
    """When it came: ISO 8601, UTC."""
    endpoint: str = "unknown"
    """Method and path as the gateway names it, never as the client wrote it."""
    key_id: str | None = None
    domain: str | None = None
    version: str | None = None
    """Name of the model that answered."""
    fallback: bool = False
    prompt_sha256: str | None = None
    """Of the messages as JSON with sorted keys."""
    n_prompt_tokens: int = 0
    n_new_tokens: int = 0
    latency_ms: float = 0.0
    """From the first byte to the last."""
    status: int = 0
    """Of HTTP; of a stream the status with which it began."""
    outcome: str = "ok"
    """ok, or the code of the refusal."""


class AuditLog:
    """The file."""

    def __init__(self, path: Path) -> None:
        """Make it where there is none.

        Raises:
            DataError: it cannot be written.
        """
        self._path = path
        self._reserve = path.with_suffix(".reserve")
        with files.writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(self._open())
        self.make_room()

    def make_room(self) -> None:
        """Keep room for the lines of answers that have begun; called before one begins.

        Raises:
            DataError: the disk is full.
        """
        if self._reserve.exists():
            return
        try:
            with files.writing(self._path), self._reserve.open("xb") as file:
                file.write(b"\0" * RESERVE_BYTES)
                file.flush()
                os.fsync(file.fileno())
        except DataError:
            self._reserve.unlink(missing_ok=True)
            raise

    def write(self, entry: Entry) -> None:
        """Add a line.

        Raises:
            DataError: the disk is full, the reserve used up too; nothing of the line is kept.
        """
        line = (files.dump_json(asdict(entry)) + "\n").encode()
        try:
            self._append(line)
        except DataError:
            self._reserve.unlink(missing_ok=True)
            self._append(line)

    def _append(self, line: bytes) -> None:
        with files.writing(self._path):
            handle = self._open()  # anew each time: a log that was moved away is begun again
            try:
                size = os.fstat(handle).st_size
                done = 0
                try:
                    while done < len(line):
                        done += os.write(handle, line[done:])
                except OSError:
                    if done:
                        os.ftruncate(handle, size)
                    raise
            finally:
                os.close(handle)

    def _open(self) -> int:
        return os.open(self._path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)

"""Raw responses on disk: the journal of a live run.

Invariant: a response exists if and only if its final file exists and its checksum holds, so
`kill -9` costs at most the requests in flight and a second run asks nothing.
Layout: `<cache_dir>/<snapshot>/<kind>/<sha256>`, beside `fetch_log.jsonl` and `lock`.
"""

import fcntl
import gzip
import io
import logging
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from titer import files
from titer.errors import DataError, FormatError, SourceError

log = logging.getLogger(__name__)

SUFFIXES = {
    "pubmed": ".xml.gz",
    "arxiv": ".atom.gz",
    "ids": ".json",
    "europe_pmc": ".json.gz",
    "full_text": ".xml.gz",
    "pmc": ".xml.gz",
    "arxiv_oai": ".xml.gz",
    "retraction_watch": ".csv.gz",
}
"""File suffix of each kind of response."""


def ids_key(ids: Iterable[str]) -> str:
    """Key of an efetch batch: its ids in numerical order."""
    return files.sha256_text(",".join(sorted(ids, key=lambda pmid: (len(pmid), pmid))))


class Cache:
    """The folder of one snapshot."""

    def __init__(self, cache_dir: Path, snapshot: str, *, offline: bool) -> None:
        """Nothing is written before the first response; `offline` refuses a miss."""
        self.folder = cache_dir / snapshot
        self.offline = offline

    def path(self, kind: str, key: str) -> Path:
        """Where a response lies or would lie."""
        return self.folder / kind / f"{key}{SUFFIXES[kind]}"

    def read(self, kind: str, key: str) -> bytes | None:
        """A raw response, or None where it is absent or its checksum fails."""
        path = self.path(kind, key)
        if not path.exists():
            return None
        try:
            body = gzip.decompress(path.read_bytes())
        except (OSError, EOFError, zlib.error):
            body = b""
        if not body:
            log.warning("%s: damaged, so it is fetched again", path)
        return body or None

    def write(self, kind: str, key: str, body: bytes) -> None:
        """Keep a verified response; the gzip header holds neither name nor time."""
        buffer = io.BytesIO()
        with gzip.GzipFile(filename="", fileobj=buffer, mode="wb", mtime=0) as file:
            file.write(body)
        files.write_bytes(self.path(kind, key), buffer.getvalue())

    def read_ids(self, key: str) -> dict[str, Any] | None:
        """What a search found, or None where it is absent or damaged."""
        path = self.path("ids", key)
        if not path.exists():
            return None
        try:
            found = files.read_json(path)
        except FormatError as error:
            log.warning("%s, so it is fetched again", error)
            return None
        return found if isinstance(found, dict) else None

    def write_ids(self, key: str, found: Mapping[str, Any]) -> None:
        """Keep what a search found."""
        files.write_json(self.path("ids", key), found)

    def check_online(self, what: str) -> None:
        """Refuse a request while offline.

        Raises:
            SourceError: `papers.offline` is on and the answer is not here.
        """
        if self.offline:
            raise SourceError(
                f"{what}: not in {self.folder}, and papers.offline=true asks no service. "
                "Set papers.offline=false to fetch it"
            )

    def note(self, row: Mapping[str, Any]) -> None:
        """Append a line to `fetch_log.jsonl`: times and counts never enter data."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "fetch_log.jsonl").open("a", encoding="utf-8") as file:
            file.write(files.dump_json(row) + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one run; a killed run frees it.

        Raises:
            DataError: another run holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DataError(
                    f"{self.folder}: another run is fetching into it. Wait for it to end"
                ) from None
            yield

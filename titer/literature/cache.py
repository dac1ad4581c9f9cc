"""Raw responses on disk: the journal of a live run.

Invariant: a response exists if and only if its final file exists and its checksum holds, so
`kill -9` costs at most the requests in flight and a second run asks nothing.
Layout: `<cache_dir>/<snapshot>/<kind>/<sha256>`, beside `fetch_log.jsonl` and `lock`.
"""

import contextlib
import fcntl
import gzip
import io
import logging
import zlib
from collections.abc import Iterable, Iterator, Mapping
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

IDS = "ids.json"
"""What a snapshot asked and found, beside the folders of its responses."""

KEPT = "what was fetched is kept, and papers.cache_dir names the folder"


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
        with self._kept():
            files.write_bytes(self.path(kind, key), buffer.getvalue())

    def forget(self, kind: str, key: str) -> None:
        """Take out a response that turned out not to fit the others."""
        self.path(kind, key).unlink(missing_ok=True)

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
        with self._kept():
            files.write_json(self.path("ids", key), found)

    def write_snapshot(self, ids: Mapping[str, Any]) -> None:
        """Keep `ids.json`, all that the snapshot asked and found, once.

        Where an older snapshot lies beside this one, the difference of the ids is logged.

        Args:
            ids: as in data/papers, with the sorted ids of the papers under `papers`.
        """
        path = self.folder / IDS
        text = files.dump_json(ids, indent=2) + "\n"
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return
        is_new = not path.exists()
        with self._kept():
            files.write_text(path, text)
        older = sorted(self.folder.parent.glob(f"*/{IDS}"))
        older = [one for one in older if one.parent.name < self.folder.name]
        if is_new and older:
            _log_difference(older[-1], ids["papers"], self.folder.name)

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
        path = self.folder / "fetch_log.jsonl"
        with self._kept(), files.writing(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(files.dump_json(row) + "\n")

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        """Say of a write that fails that the answers before it are safe."""
        try:
            yield
        except DataError as error:
            raise DataError(f"{error}: {KEPT}") from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one run; a killed run frees it.

        Raises:
            DataError: another run holds it.
        """
        path = self.folder / "lock"
        with contextlib.ExitStack() as stack:
            with files.writing(path):
                self.folder.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(path.open("w"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DataError(
                    f"{self.folder}: another run is fetching into it. Wait for it to end"
                ) from None
            for leftover in self.folder.glob("*/.*"):
                leftover.unlink()  # half a file of a run that was killed
            yield


def _log_difference(older: Path, papers: Iterable[str], snapshot: str) -> None:
    """Say how the ids changed from one snapshot to the next."""
    try:
        before = set(files.read_json(older)["papers"])
    except (FormatError, KeyError, TypeError):
        log.warning("%s: damaged, so the snapshots are not compared", older)
        return
    now = set(papers)
    log.info(
        "snapshot %s after %s: %d ids new, %d gone, %d in both",
        snapshot, older.parent.name, len(now - before), len(before - now), len(now & before),
    )  # fmt: skip

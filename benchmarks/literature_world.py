"""What the gates of the literature are measured in: a corpus, a strict server, collections of it.

Invariant: every collection runs in a process of its own, as a stage does, with a key and an address
that must not be found anywhere afterwards.
"""

import contextlib
import gzip
import itertools
import math
import random
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.gates import Gate as Gate
from tests.standin import corpus, live
from tests.standin.faults import Fault
from tests.standin.live import Job
from tests.standin.server import Request, Server
from titer import runner
from titer.config import Config, DomainSettings

CANARY = {"NCBI_EMAIL": "canary.owner@example.org", "NCBI_API_KEY": "c4n4ry0123456789abcdef"}
SNAPSHOT = "2030-12-31"
DOMAIN = DomainSettings("Stand-in", ["words"], ["all:words"], lexicon=[])


@dataclass(frozen=True)
class Scale:
    """How large a measurement is."""

    n_records: int
    n_one_day: int
    """Of the records, those entered on one and the same day."""
    n_entries: int
    batch_size: int
    page_size: int
    """Entries per request of the clean run."""
    small_page: int
    """The same where faults and kills are to be many."""
    pace: float = 1.0
    """Factor of every gap between requests: 1 is what the services ask for."""
    rate_s: float = 15.0
    """Seconds over which a rate is measured."""
    n_parsed: int = 10_000
    timeout_s: float = 2.0
    """Of a stalled answer."""


FULL = Scale(25_000, 10_000, 5_000, 200, 2000, 100)
SMALL = Scale(120, 40, 50, 2, 20, 2, pace=0.02, rate_s=3.0, n_parsed=400, timeout_s=0.5)

ANY = [
    Fault("status", 429, retry_after="0.2"), Fault("status", 429), Fault("status", 500),
    Fault("status", 502), Fault("status", 503, retry_after="0.1"), Fault("reset"),
    Fault("stall", seconds=1), Fault("stall_body", seconds=1), Fault("cut_length"),
    Fault("cut_chunked"), Fault("cut_silent"), Fault("cut_gzip"), Fault("html"), Fault("json"),
    Fault("empty"),
]  # fmt: skip
FAULTS = {
    "esearch": [*ANY, Fault("error"), Fault("drop")],
    "efetch": [*ANY, Fault("error"), Fault("drop"), Fault("dup"), Fault("bad_byte"),
               Fault("bad_utf8"), Fault("new_dtd")],
    "query": [*ANY, Fault("short"), Fault("repeat"), Fault("no_id"), Fault("shuffle")],
}  # fmt: skip


def kind(fault: Fault) -> str:
    """Name of a fault, statuses apart."""
    return f"{fault.kind} {fault.status or ''}{' and wait' if fault.retry_after else ''}".strip()


def faulty(endpoint: str, share: float, stall_s: float) -> deque[Fault | None]:
    """Answers of which a share is faulty, kinds taking turns."""
    listed = [replace(one, seconds=one.seconds and stall_s) for one in FAULTS[endpoint]]
    rng, kinds = random.Random(endpoint), itertools.cycle(listed)
    return deque(next(kinds) if rng.random() < share else None for _ in range(3000))


class World:
    """A server with its corpus, and the folder of everything that is written."""

    def __init__(self, scale: Scale, folder: Path) -> None:
        """Make the corpus; `open` serves it."""
        self.scale = scale
        self.folder = folder
        self.records = corpus.fragments(scale.n_records, days_apart=0.2, one_day=scale.n_one_day)
        self.entries = corpus.entries(scale.n_entries, per_day=4)
        self.config: Config = _config()

    @contextlib.contextmanager
    def open(self, *, n: int = 0, **options: Any) -> Iterator[Server]:
        """Serve all records, or the first n of them, as strictly as the services."""
        records = dict(itertools.islice(self.records.items(), n or None))
        gap_s = 3.0 * self.scale.pace
        with Server(records, self.entries, arxiv_gap_s=gap_s, **options) as server:
            yield server

    def job(self, server: Server, name: str, *, cache: str = "", **arxiv: Any) -> Job:
        """A collection of everything that the server has, below `folder/name`."""
        settings, pace = self.config.papers, self.scale.pace
        pubmed = replace(
            settings.pubmed,
            base_url=server.url,
            max_papers_per_query=0,
            batch_size=self.scale.batch_size,
            gap_s=settings.pubmed.gap_s * pace,
            gap_with_key_s=settings.pubmed.gap_with_key_s * pace,
        )
        fast = {"page_size": self.scale.page_size, "gap_s": settings.arxiv.gap_s * pace}
        changed = replace(
            settings,
            snapshot=SNAPSHOT,
            timeout_s=self.scale.timeout_s,
            max_tries=8,
            pubmed=pubmed,
            arxiv=replace(
                settings.arxiv, base_url=server.url, max_papers_per_query=0, **{**fast, **arxiv}
            ),
        )
        home = self.folder / name
        return Job(changed, DOMAIN, self.folder / (cache or name) / "cache", home / "out")

    def collect(self, job: Job, **env: str) -> tuple[int, str]:
        """Run a collection to its end and keep its log."""
        code, log = live.finish(job, **{**CANARY, **env})
        with job.out.with_suffix(".log").open("a", encoding="utf-8") as file:
            file.write(log)
        return code, log

    def collect_with_kills(self, job: Job, server: Server, moments: Sequence[int]) -> None:
        """Run a collection that dies after so many requests, each time, and then end it."""
        for n_requests in moments:
            process = live.start(job, **CANARY)
            while len(server.journal) < n_requests and process.poll() is None:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        code, log = self.collect(job)
        if code:
            raise RuntimeError(log[-2000:])

    def leaks(self) -> list[str]:
        """Files below the folder, unpacked, that hold the key or the address."""
        forms = [form.encode() for one in CANARY.values() for form in {one, quote(one)}]
        found = []
        for path in sorted(filter(Path.is_file, self.folder.rglob("*"))):
            raw = path.read_bytes()
            content = gzip.decompress(raw) if path.suffix == ".gz" else raw
            if any(form in content for form in forms):
                found.append(str(path.relative_to(self.folder)))
        return found


def minimum(scale: Scale, slices: Iterable[Any], page_size: int) -> dict[str, int]:
    """Requests that a collection needs at least: 2 s - 1 searches, the batches and the pages."""
    return {
        "esearch": 2 * len(list(slices)) - 1,
        "efetch": math.ceil(scale.n_records / scale.batch_size),
        "query": math.ceil(scale.n_entries / page_size),
    }


def per_endpoint(journal: Iterable[Request]) -> dict[str, int]:
    """Requests by endpoint."""
    counts = dict.fromkeys(("esearch", "efetch", "query"), 0)
    for request in journal:
        counts[request.endpoint] += 1
    return counts


def rate(journal: Sequence[Request]) -> float:
    """Requests per second, by the moments at which they arrived."""
    return (len(journal) - 1) / (journal[-1].at - journal[0].at)


def _config() -> Config:
    """The project's settings with live papers."""
    choices, values = runner.load_params()
    return runner.typed(runner.merge({**choices, "papers": "live"}, values))

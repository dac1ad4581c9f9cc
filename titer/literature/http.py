"""How every service is asked: paced, again after a fault, at one host only, secrets masked.

Invariant: an answer that was not verified by its content is never returned, and a text that
leaves this module holds neither key nor e-mail address.
"""

import contextlib
import datetime
import email.utils
import logging
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import NoReturn, TypeVar
from urllib.parse import urlsplit

from titer.errors import ConfigError, RateLimited, SourceError, TiterError, Unavailable
from titer.literature.credentials import Credentials

T = TypeVar("T")

LONGEST_DELAY_S = 60.0
"""Of one pause between two tries; who asks for more is obeyed by stopping."""

LARGEST_ANSWER = 256 * 2**20
"""Bytes of one answer; 200 PubMed records take about 2.5 MB."""

CONTINUE = "What was fetched is kept: run the same command again to continue"

_FATAL = frozenset(range(400, 500)) - {403, 408, 425, 429}
_PERSONAL = {
    "NCBI_API_KEY": re.compile(r"\bapi.key\b.{0,20}\b(invalid|unknown|expired)\b", re.IGNORECASE),
    "NCBI_EMAIL": re.compile(r"\be-?mail\b.{0,20}\b(invalid|missing|needed)\b", re.IGNORECASE),
}
"""The variable to correct, and what a refusal says then."""

log = logging.getLogger(__name__)


class Unusable(Exception):
    """An answer that cannot be used, so the request is made again."""

    def __init__(
        self, reason: str, *, after_s: float | None = None, last_resort: bytes | None = None
    ) -> None:
        """Keep the reason, the server's Retry-After and a body to take when all tries fail."""
        super().__init__(reason)
        self.after_s = after_s
        self.last_resort = last_resort


class NotServed(SourceError):
    """The service has nothing at an address: HTTP 404 or 410."""


class Pacer:
    """Lets one request start per gap, over all threads that share it. Monotonic clock only."""

    def __init__(self, gap_s: float) -> None:
        """Begin with a free slot; `gap_s` are the seconds between two starts."""
        self.gap_s = gap_s
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self) -> None:
        """Return when it is the caller's turn."""
        while (delay := self._take()) > 0:
            time.sleep(delay)

    def _take(self) -> float:
        with self._lock:
            now = time.monotonic()
            if now >= self._free_at:
                self._free_at = now + self.gap_s
                return 0.0
            return self._free_at - now

    def push(self, seconds: float) -> None:
        """Let nobody start for some seconds from now."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic() + seconds)


@dataclass(frozen=True)
class Patience:
    """When a try counts as failed and how often one tries."""

    timeout_s: float
    """Of connecting and of each read; a whole answer may take twenty times as long."""
    max_tries: int
    backoff_s: float = 0.5
    """First pause; each further one is twice as long."""


class Line:
    """The connection to one service: its pace, its patience and a count of what happened."""

    def __init__(
        self, service: str, pacer: Pacer, patience: Patience, credentials: Credentials
    ) -> None:
        """Nothing is sent before `ask`."""
        self.service = service
        self.pacer = pacer
        self.patience = patience
        self.credentials = credentials
        self.retries: Counter[str] = Counter()
        self.n_requests = 0
        self.n_bytes = 0
        self.on_request: Callable[[], object] = lambda: None
        """Called after every request, from whichever thread made it."""
        self._lock = threading.Lock()
        self._random = random.Random(0)

    def ask(self, request: Callable[[], bytes], verify: Callable[[bytes], T], what: str) -> T:
        """Make a request until its answer is verified.

        Args:
            request: sends it and returns the body.
            verify: returns what the body holds.
            what: names the request in errors.

        Raises:
            RateLimited: the service kept saying that too much was asked.
            Unavailable: the last try failed in another way.
            SourceError: the request itself is refused; trying again would not help.
        """
        for number in range(self.patience.max_tries):
            self.pacer.wait()
            try:
                return verify(self._send(request))
            except Unusable as error:
                reason = self.credentials.mask(str(error))
                fault = error
            with self._lock:
                self.retries[reason] += 1
            self.on_request()
            log.debug("%s: %s: try %d: %s", self.service, what, number + 1, reason)
            if number + 1 < self.patience.max_tries:
                self._pause(fault, number, what)
        if fault.last_resort is not None:
            with contextlib.suppress(Unusable):
                return verify(fault.last_resort)
        too_much = "HTTP 429" in reason or "rate limit" in reason.lower()
        kind = RateLimited if too_much else Unavailable
        if _PERSONAL["NCBI_API_KEY"].search(reason):
            raise self.refuse(what, reason)
        tries = f"gave up after {self.patience.max_tries} tries"
        raise kind(f"{self.service}: {self._masked(what)}: {tries}: {reason}. {CONTINUE}")

    def refuse(self, what: str, text: str) -> TiterError:
        """The error for a request that the service will never accept, with the service's words.

        A wrong key or address is a ConfigError that names the variable, never its value.
        """
        for name, pattern in _PERSONAL.items():
            if pattern.search(text):
                return ConfigError(
                    f"{self.service} refuses the value of {name}. Correct it in the environment or "
                    f"in .env. {CONTINUE}"
                )
        return SourceError(f"{self.service}: {self._masked(what)}: {self._masked(text)}")

    def _masked(self, text: str) -> str:
        return self.credentials.mask(" ".join(text.split()))[:300]

    def _send(self, request: Callable[[], bytes]) -> bytes:
        with self._lock:
            self.n_requests += 1
        try:
            body = request()
        finally:
            self.on_request()
        with self._lock:
            self.n_bytes += len(body)
        return body

    def _pause(self, fault: Unusable, number: int, what: str) -> None:
        with self._lock:
            jitter = 0.5 + self._random.random()
        delay = min(self.patience.backoff_s * 2**number * jitter, LONGEST_DELAY_S)
        if fault.after_s is None:
            time.sleep(delay)
            return
        if fault.after_s > LONGEST_DELAY_S:
            wait = f"it asks to wait {fault.after_s:.0f} s"
            raise RateLimited(f"{self.service}: {self._masked(what)}: {wait}. {CONTINUE}")
        self.pacer.push(max(delay, fault.after_s))

    def counts(self) -> dict[str, object]:
        """Requests, bytes and retries by cause so far."""
        retries = dict(sorted(self.retries.items()))
        return {"requests": self.n_requests, "bytes": self.n_bytes, "retries": retries}


def status_fault(
    line: Line, status: int, text: str, headers: Mapping[str, str] | Message, what: str
) -> NoReturn:
    """Raise what an HTTP status other than 200 means.

    Raises:
        SourceError: the request is wrong (most of 400-499); NotServed where nothing is there.
        ConfigError: the key or the address is.
        Unusable: it may work later.
    """
    words = " ".join(text.split())[:160]
    if status in _FATAL:
        error = line.refuse(what, f"HTTP {status}: {words}")
        raise (NotServed(str(error)) if status in (404, 410) else error) from None
    after_s = seconds_of(headers.get("Retry-After"), headers.get("Date"))
    if status == 429 and after_s is None:
        after_s = 0.0  # all workers share the limit, so all of them pause
    raise Unusable(f"HTTP {status}", after_s=after_s) from None


def seconds_of(retry_after: str | None, date: str | None = None) -> float | None:
    """Seconds that a Retry-After header asks for: a number or a date.

    Args:
        retry_after: the header.
        date: the answer's own time, from which a date counts: our clock may be wrong.
    """
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(retry_after)
        now = email.utils.parsedate_to_datetime(date) if date else _now()
        return max(0.0, (moment - now).total_seconds())
    except (TypeError, ValueError, OverflowError):  # no date, or one without a time zone
        return None


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def check_host(address: str, base_url: str) -> None:
    """Refuse an address at another host than the configured one.

    Raises:
        SourceError: scheme, host or port differ.
    """
    asked, allowed = urlsplit(address), urlsplit(base_url)
    if (asked.scheme, asked.netloc) != (allowed.scheme, allowed.netloc):
        place = f"{asked.scheme}://{asked.hostname}"
        raise SourceError(f"refused to ask {place}: only {base_url} is configured (base_url)")


def collected(blocks: Iterable[bytes], *, deadline: float) -> bytes:
    """The joined blocks of an answer.

    Args:
        blocks: parts as they arrive.
        deadline: of `time.monotonic()`; a slow drip must end some time.

    Raises:
        Unusable: too slow or too large.
    """
    parts, size = [], 0
    for block in blocks:
        parts.append(block)
        size += len(block)
        if size > LARGEST_ANSWER:
            raise Unusable(f"more than {LARGEST_ANSWER} bytes")
        if time.monotonic() > deadline:
            raise Unusable("too slow")
    return b"".join(parts)

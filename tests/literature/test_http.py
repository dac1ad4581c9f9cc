"""Pace, patience and size limits."""

import datetime
import email.utils
import itertools
import threading
import time

import pytest

from titer.errors import RateLimited, Unavailable
from titer.literature.credentials import Credentials
from titer.literature.http import Line, Pacer, Patience, Unusable, collected, seconds_of


def line(max_tries: int = 3, backoff_s: float = 0.001) -> Line:
    return Line("Test", Pacer(0), Patience(1, max_tries, backoff_s), Credentials())


def test_the_pacer_spaces_starts_over_all_threads() -> None:
    pacer, starts = Pacer(0.02), []

    def start() -> None:
        pacer.wait()
        starts.append(time.monotonic())

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert min(b - a for a, b in itertools.pairwise(sorted(starts))) >= 0.019


def test_a_push_holds_back_those_who_already_wait() -> None:
    pacer, began = Pacer(0.02), time.monotonic()
    pacer.wait()
    waiting = threading.Thread(target=pacer.wait)
    waiting.start()
    pacer.push(0.15)
    waiting.join()
    assert time.monotonic() - began >= 0.15


def test_seconds_come_from_a_number_or_a_date() -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)
    assert seconds_of("2.5") == 2.5
    assert seconds_of(email.utils.format_datetime(soon, usegmt=True)) == pytest.approx(30, abs=2)
    assert (seconds_of(None), seconds_of("soon")) == (None, None)
    assert seconds_of(f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT") is None


def test_a_date_counts_from_the_time_of_the_answer_not_from_our_clock() -> None:
    asked, answered = "Wed, 21 Oct 2015 07:28:20 GMT", "Wed, 21 Oct 2015 07:28:00 GMT"
    assert seconds_of(asked, answered) == 20
    assert seconds_of(asked, "no date") is None


def test_pauses_double() -> None:
    asked = []

    def request() -> bytes:
        asked.append(time.monotonic())
        raise Unusable("no")

    with pytest.raises(Unavailable):
        line(4, backoff_s=0.04).ask(request, bytes, "it")
    gaps = [b - a for a, b in itertools.pairwise(asked)]
    assert all(0.02 * 2**n <= gap <= 0.06 * 2**n + 0.05 for n, gap in enumerate(gaps))


def test_a_retry_after_is_waited_for() -> None:
    began = time.monotonic()
    faults = iter([Unusable("HTTP 429", after_s=0.1)])

    def request() -> bytes:
        for fault in faults:
            raise fault
        return b"body"

    assert line().ask(request, bytes, "it") == b"body"
    assert time.monotonic() - began >= 0.1


def test_retries_are_counted_by_cause() -> None:
    faults = iter([Unusable("reset"), Unusable("reset"), None])

    def request() -> bytes:
        if fault := next(faults):
            raise fault
        return b"12345"

    asked = line()
    asked.ask(request, bytes, "it")
    assert asked.counts() == {"requests": 3, "bytes": 5, "retries": {"reset": 2}}


def test_the_last_resort_is_taken_only_after_all_tries() -> None:
    bodies = iter([b"bad", b"bad", b"bad"])

    def verify(body: bytes) -> bytes:
        if body == b"bad":
            raise Unusable("malformed", last_resort=b"repaired")
        return body

    assert line().ask(lambda: next(bodies), verify, "it") == b"repaired"
    assert list(bodies) == []


def test_a_body_that_says_rate_limit_is_rate_limited() -> None:
    def request() -> bytes:
        raise Unusable("ERROR: API rate limit exceeded")

    with pytest.raises(RateLimited):
        line().ask(request, bytes, "it")


def test_a_slow_drip_ends() -> None:
    def drip() -> object:
        while True:
            time.sleep(0.01)
            yield b"."

    with pytest.raises(Unusable, match="too slow"):
        collected(drip(), deadline=time.monotonic() + 0.05)  # type: ignore[arg-type]


def test_an_endless_answer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("titer.literature.http.LARGEST_ANSWER", 1000)
    with pytest.raises(Unusable, match="more than 1000 bytes"):
        collected(itertools.repeat(b"x" * 300), deadline=time.monotonic() + 5)

"""The bar of a live run."""

import time

import pytest

from titer.literature import progress
from titer.literature.credentials import Credentials
from titer.literature.http import Line, Pacer, Patience, Unusable


@pytest.fixture
def line() -> Line:
    """A service that fails once."""
    return Line("Service", Pacer(0), Patience(1, 3, 0.001), Credentials())


def shown(line: Line, capsys: pytest.CaptureFixture[str]) -> str:
    faults = iter([Unusable("reset"), None])

    def request() -> bytes:
        if fault := next(faults):
            raise fault
        return b"body"

    with progress.Progress(line) as bar:
        bar.expect(400)
        line.ask(request, bytes, "it")
        time.sleep(0.15)  # the bar is drawn ten times a second at most
        bar.add(100)
    return capsys.readouterr().err


def test_a_short_run_shows_nothing(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(line, capsys) == ""


def test_it_shows_records_of_the_total_requests_retries_and_the_time_left(
    line: Line, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "DELAY_S", 1e-9)
    last = shown(line, capsys).rstrip().split("\r")[-1]
    assert last.startswith("Service:  25%")
    assert "100/400" in last
    assert "2 requests, 1 retries" in last
    assert "<00:0" in last, "the time left"


def test_a_total_grows_with_what_a_page_says(line: Line) -> None:
    with progress.Progress(line) as bar:
        bar.add(20, of=50)
        bar.add(20, of=50)
        assert (bar.bar.n, bar.bar.total) == (40, 50)

"""The report as a browser shows it: no console message, no request, nothing wider than the page.

apt-get install chromium chromium-driver && pytest -m slow tests/report/test_browser.py
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import chromium
from titer.report import html

pytestmark = [pytest.mark.slow, chromium.NEEDED]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium.started() as driver:
        yield driver


@pytest.fixture(params=chromium.WIDTHS)
def page(
    request: Any, browser: Any, tmp_path: Path, stats: dict[str, Any], context: dict[str, Any]
) -> Any:
    """The full report at one width."""
    path = tmp_path / "report.html"
    path.write_text(html.render(stats, context), encoding="utf-8")
    chromium.resize(browser, request.param, 900, mobile=False)
    browser.get(path.as_uri())
    return browser


def test_the_console_stays_empty(page: Any) -> None:
    assert page.get_log("browser") == []


def test_no_request_leaves_the_page(page: Any) -> None:
    page.get_log("performance")
    page.refresh()
    events = [json.loads(row["message"])["message"] for row in page.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert asked == [page.current_url]


def test_nothing_is_wider_than_the_page(page: Any) -> None:
    """A table may scroll in its own box, the page may not."""
    width, inner = page.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert width == inner


def test_text_in_figures_and_tables_can_be_read(page: Any) -> None:
    smallest = page.execute_script(
        """return Math.min(...[...document.querySelectorAll('td, th, p, li, svg text')]
        .filter(one => one.textContent.trim() && one.getBoundingClientRect().height > 0)
        .map(one => one.tagName === 'text' ? one.getBoundingClientRect().height * 0.75
                                           : parseFloat(getComputedStyle(one).fontSize)))"""
    )
    assert smallest >= 7.5


def test_the_verdict_is_on_the_first_screen(page: Any) -> None:
    top = page.execute_script(
        "return document.querySelector('.verdict').getBoundingClientRect().top"
    )
    assert top < 900


def test_folded_parts_open_without_a_script(page: Any) -> None:
    opened = page.execute_script(
        """const one = document.querySelector('details'); one.querySelector('summary').click();
        return [one.open, document.scripts.length]"""
    )
    assert opened == [True, 0]

"""The page in a real Chromium: two versions answer, ratings arrive, nothing leaks or runs.

apt-get install chromium chromium-driver && pytest -m slow tests/serving/test_page_browser.py
"""

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests import chromium
from tests.serving import gateways
from tests.serving.broken import Scripted
from tests.serving.gateways import ACTIVE, BIOLOGY, CHEMISTRY, LUPUS, QUESTION, Opened
from titer.conversations.store import Store
from titer.serving.app import create_app
from titer.serving.catalogue import Catalogue
from titer.serving.engine import BASE
from titer.serving.engines.in_process import InProcess

pytestmark = [pytest.mark.slow, chromium.NEEDED]
CANARY = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
SHOTS = os.environ.get("TITER_SHOTS")
"""A folder for screenshots, to look at."""


@dataclass
class Site:
    """A gateway that listens."""

    gateway: Opened
    url: str


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, served: Catalogue, engine: InProcess
) -> Iterator[Site]:
    """One domain with a real fine-tune, one whose model attacks the page, one without a model."""
    root = tmp_path_factory.mktemp("site")
    (root / "reports").mkdir()
    (root / "reports" / "report.html").write_text("<style>p{color:red}</style><p>The report</p>")
    active = {domain: name for domain, name in served.active.items() if domain != BIOLOGY}
    hostile = Scripted([ACTIVE[CHEMISTRY]], [CANARY[:9], CANARY[9:]])
    gateway = gateways.opened(root, replace(served, active=active), [hostile, engine])
    app = create_app(
        root, replace(served, active=active), [hostile, engine], report_domain=LUPUS
    )  # fmt: skip
    # the engine is that of all tests, so the server's end may not close it
    config = uvicorn.Config(app, port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Site(gateway, f"http://127.0.0.1:{port}")
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium.started() as driver:
        yield driver


class Page:
    """The page as a person uses it."""

    def __init__(self, browser: Any, site: Site, width: int) -> None:
        self.browser = browser
        self.site = site
        self.width = width
        chromium.resize(browser, width, 844, mobile=width < 600)
        for kind in ("browser", "performance"):
            browser.get_log(kind)
        browser.get(site.url)

    def one(self, css: str) -> Any:
        return self.browser.find_element("css selector", css)

    def all(self, css: str) -> list[Any]:
        return list(self.browser.find_elements("css selector", css))

    def texts(self, css: str) -> list[str]:
        return [one.text for one in self.all(css)]

    def wait(self, css: str, n: int = 1) -> None:
        """Until there are so many of them."""
        until = time.monotonic() + 30
        while len(self.all(css)) < n:
            assert time.monotonic() < until, f"{css}: {self.one('body').text}"
            time.sleep(0.05)

    def says(self, words: str) -> None:
        """Until the status line says so."""
        until = time.monotonic() + 30
        while words not in self.one("#status").text:
            assert time.monotonic() < until, self.one("body").text
            time.sleep(0.05)

    def enter(self, owner: str = "admin") -> None:
        from selenium.webdriver.common.keys import Keys

        self.one("#key").send_keys(self.site.gateway.keys[owner], Keys.ENTER)
        self.wait("#panes .pane", 2)

    def choose(self, *names: str) -> None:
        from selenium.webdriver.support.ui import Select

        for select, name in zip(self.all(".pane select"), names, strict=True):
            Select(select).select_by_value(name)

    def ask(self, text: str = QUESTION) -> None:
        from selenium.webdriver.common.keys import Keys

        n = len(self.all(".facts"))
        self.one("#question").send_keys(text, Keys.CONTROL + Keys.ENTER)
        self.wait(".facts", n + 2)
        self.says("Both have answered")

    def press(self, element: Any) -> None:
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def shoot(self, name: str) -> None:
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            self.browser.save_screenshot(f"{SHOTS}/{name}_{self.width}.png")

    def is_quiet(self) -> None:
        """Nothing in the console, no request to anybody else, nothing wider than the page."""
        assert self.browser.get_log("browser") == []
        rows = [
            json.loads(row["message"])["message"] for row in self.browser.get_log("performance")
        ]
        asked = [
            row["params"]["request"]["url"]
            for row in rows
            if row["method"] == "Network.requestWillBeSent"
        ]
        assert asked
        assert [url for url in asked if not url.startswith(self.site.url)] == []
        inner, whole = self.browser.execute_script(
            "const page = document.documentElement; return [page.clientWidth, page.scrollWidth]"
        )
        assert whole == inner


@pytest.fixture(params=chromium.WIDTHS)
def page(request: Any, browser: Any, site: Site) -> Page:
    return Page(browser, site, request.param)


def test_two_versions_answer_side_by_side_and_are_rated(page: Page) -> None:
    page.shoot("entry")
    page.enter(LUPUS)
    page.choose(BASE, LUPUS)
    assert page.all(".rating") == []
    page.press(page.one("#consent"))
    page.ask()
    left, right = page.texts(".facts")
    assert left.startswith("base model, transformers. First words 0.")
    assert right.startswith(f"{ACTIVE[LUPUS]}, transformers. First words 0.")
    assert page.texts(".mine .said") == [QUESTION, QUESTION]
    page.ask("And then?")
    page.press(page.all(".pane:nth-child(2) .rating")[1].find_elements("css selector", "button")[1])
    page.says("Rated: partly.")
    page.press(page.all(".pane:nth-child(1) .rating")[0].find_elements("css selector", "button")[0])
    page.says("Rated: helpful.")
    page.shoot("rated")
    page.is_quiet()

    store = Store(page.site.gateway.root / "conversations" / "store.db")
    rows = list(store.newest_first(LUPUS))[:2]
    assert {len(row.turns) for row in rows} == {4}
    ratings = {row.turns[1].version: [(r.turn, r.score) for r in row.ratings] for row in rows}
    assert ratings == {BASE: [(1, 1.0)], ACTIVE[LUPUS]: [(3, 0.5)]}
    for row in rows:
        store.forget(row.id, at="2026-11-29")


def test_without_consent_nothing_is_kept_and_nothing_can_be_rated(page: Page) -> None:
    page.enter(LUPUS)
    page.ask()
    assert page.all(".rating") == []
    folder = page.site.gateway.root / "conversations"
    assert not folder.exists() or Store(folder / "store.db").count() == 0


def test_what_a_model_says_is_shown_and_not_run(page: Page) -> None:
    page.enter()
    page.choose(CHEMISTRY, BIOLOGY)
    page.ask(CANARY)
    assert page.all(".said")[1].text == CANARY
    assert page.texts(".mine .said") == [CANARY, CANARY]
    assert page.all(".talk img, .talk script") == []
    assert page.browser.title == "Titer: two versions side by side"
    flagged = f"The base model answered in place of {BIOLOGY}."
    assert flagged in page.texts(".pane:nth-child(2) .flag")
    assert flagged not in page.texts(".pane:nth-child(1) .flag")
    page.shoot("canary")
    page.is_quiet()


def test_a_wrong_key_is_said_and_the_right_one_is_forgotten(page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    page.one("#key").send_keys("titer_wrong", Keys.ENTER)
    page.says("Not opened: no valid key")
    (logged,) = page.browser.get_log("browser")
    assert "status of 401" in logged["message"]
    page.one("#key").clear()
    page.enter(LUPUS)
    assert page.one("#key").get_attribute("value") == ""
    held = page.browser.execute_script(
        "return [localStorage.length, sessionStorage.length, document.cookie]"
    )
    assert held == [0, 0, ""]
    page.press(page.one("#close"))
    page.wait("#entry:not([hidden])")
    assert page.all("#panes .pane") == []


def test_everything_can_be_done_with_the_keyboard(page: Page) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def type_keys(*keys: str) -> None:
        ActionChains(page.browser).send_keys(*keys).perform()

    def focused() -> str:
        return str(page.browser.switch_to.active_element.get_attribute("id"))

    type_keys(Keys.TAB, page.site.gateway.keys[LUPUS], Keys.ENTER)
    page.wait("#panes .pane", 2)
    assert focused() == "question"
    for _ in range(20):
        if focused() == "consent":
            break
        ActionChains(page.browser).key_down(Keys.SHIFT).send_keys(Keys.TAB).perform()
        ActionChains(page.browser).key_up(Keys.SHIFT).perform()
    assert focused() == "consent"
    type_keys(Keys.SPACE)
    for _ in range(20):
        if focused() == "question":
            break
        type_keys(Keys.TAB)
    type_keys(QUESTION)
    ActionChains(page.browser).key_down(Keys.CONTROL).send_keys(Keys.ENTER).perform()
    ActionChains(page.browser).key_up(Keys.CONTROL).perform()
    page.wait(".rating", 2)
    page.says("Both have answered")
    for _ in range(20):
        if page.browser.switch_to.active_element.text == "Helpful":
            break
        ActionChains(page.browser).key_down(Keys.SHIFT).send_keys(Keys.TAB).perform()
        ActionChains(page.browser).key_up(Keys.SHIFT).perform()
    type_keys(Keys.ENTER)
    page.says("Rated: helpful.")
    store = Store(page.site.gateway.root / "conversations" / "store.db")
    for row in list(store.newest_first()):
        store.forget(row.id, at="2026-11-29")


def test_every_field_has_a_name(page: Page) -> None:
    page.enter()
    nameless = page.browser.execute_script(
        """return [...document.querySelectorAll('input, select, textarea, button')]
        .filter(one => !(one.labels?.length || one.getAttribute('aria-label')
                         || (one.tagName === 'BUTTON' && one.textContent.trim())))
        .map(one => one.outerHTML)"""
    )
    assert nameless == []
    assert page.one("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(page: Page, scheme: str) -> None:
    """WCAG 2.2 AA: a contrast of 4.5 for every text; fingers find what they aim at, 44 pixels."""
    feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    page.enter()
    page.choose(CHEMISTRY, BIOLOGY)
    page.press(page.one("#consent"))
    page.ask()
    page.shoot(scheme)
    low = page.browser.execute_script(CONTRAST)
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert low == []
    small = page.browser.execute_script(
        """return [...document.querySelectorAll('button, select, textarea')]
        .filter(one => one.offsetParent && one.getBoundingClientRect().height < 44)
        .map(one => one.outerHTML)"""
    )
    assert small == []
    store = Store(page.site.gateway.root / "conversations" / "store.db")
    for row in list(store.newest_first()):
        store.forget(row.id, at="2026-11-29")


CONTRAST = """
const light = (rgb) => {
  const [r, g, b] = rgb.map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
};
const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
const paper = (one) => {
  for (let at = one; at; at = at.parentElement) {
    const found = numbers(getComputedStyle(at).backgroundColor);
    if (found.length === 3 || found[3] === 1) return found.slice(0, 3);
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll('body *')]
  .filter(one => one.offsetParent && !one.disabled)
  .filter(one => [...one.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
  .map(one => {
    const [a, b] = [light(numbers(getComputedStyle(one).color)), light(paper(one))];
    return [one.tagName, one.className, (Math.max(a, b) + .05) / (Math.min(a, b) + .05)];
  })
  .filter(([, , ratio]) => ratio < 4.5);
"""


def test_the_report_opens_in_its_own_window_and_runs_nothing(page: Page) -> None:
    page.enter(LUPUS)
    page.wait("#report:not([hidden])")
    first = page.browser.current_window_handle
    page.press(page.one("#report"))
    until = time.monotonic() + 10
    while len(page.browser.window_handles) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert len(page.browser.window_handles) == 2, page.one("#status").text
    (other,) = set(page.browser.window_handles) - {first}
    page.browser.switch_to.window(other)
    page.wait("p")
    assert page.one("p").text == "The report"
    assert page.one("p").value_of_css_property("color") == "rgba(255, 0, 0, 1)"
    page.browser.close()
    page.browser.switch_to.window(first)
    page.is_quiet()
    page.browser.refresh()
    page.enter(CHEMISTRY)
    assert not page.one("#report").is_displayed()

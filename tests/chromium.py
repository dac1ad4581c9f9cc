"""A real browser for tests: Debian's chromium and chromium-driver.

apt-get install chromium chromium-driver
"""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

NEEDED = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="needs Debian's chromium and chromium-driver",
)
WIDTHS = (1280, 390)
"""Pixels of a screen and of a phone."""


@contextlib.contextmanager
def started() -> Iterator[Any]:
    """Headless Chromium that records its console and its network."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(str(shutil.which("chromedriver")))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def resize(browser: Any, width: int, height: int, *, mobile: bool) -> None:
    """Give the window a size in pixels."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile},
    )

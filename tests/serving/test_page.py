"""The page's files and the report: policies, links that work once, keys that may."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.serving.gateways import CHEMISTRY, LUPUS, RUN, Opened
from titer.serving import report_access
from titer.serving.app import create_app
from titer.serving.catalogue import Catalogue
from titer.serving.engines.in_process import InProcess
from titer.serving.keys import ALL, Key
from titer.serving.report_access import ReportAccess
from titer.serving.routes.page import FOLDER

KINDS = {"/": "text/html", "/page.css": "text/css", "/page.js": "text/javascript",
         "/page.svg": "image/svg+xml"}  # fmt: skip
REPORT = "<!doctype html><title>Report</title><p>helped</p>"


def sent(gateway: Opened, owner: str | None, method: str, path: str) -> Any:
    async def send() -> Any:
        async with gateway.client(gateway.keys[owner] if owner else None) as client:
            return await client.request(method, path)

    return asyncio.run(send())


@pytest.mark.parametrize("path", KINDS)
def test_the_page_is_for_everybody_and_may_load_nothing_else(gateway: Opened, path: str) -> None:
    reply = sent(gateway, None, "GET", path)
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith(KINDS[path])
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_the_page_names_no_other_host_and_sets_no_html() -> None:
    texts = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert set(texts) == {"page.html", "page.css", "page.js", "page.svg"}
    found = {url for text in texts.values() for url in re.findall(r"\w+://[^\s\"']+", text)}
    assert found == {"http://www.w3.org/2000/svg"}
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
                 "localStorage", "sessionStorage", "cookie"):  # fmt: skip
        assert word not in texts["page.js"], word


@pytest.fixture
def reporting(gateway: Opened, served: Catalogue, engine: InProcess) -> Opened:
    """The report is about one domain."""
    (gateway.root / "reports").mkdir()
    (gateway.root / "reports" / "report.html").write_text(REPORT)
    app = create_app(gateway.root, served, [engine], run=RUN, report_domain=LUPUS)
    return Opened(gateway.root, app, gateway.keys)


def test_a_link_opens_the_report_once(reporting: Opened) -> None:
    path = sent(reporting, LUPUS, "POST", "/report").json()["path"]
    reply = sent(reporting, None, "GET", path)
    assert (reply.status_code, reply.text) == (200, REPORT)
    assert "sandbox" in reply.headers["content-security-policy"]
    assert reply.headers["cache-control"] == "no-store"
    assert sent(reporting, None, "GET", path).status_code == 404
    assert path not in str(reporting.lines())


@pytest.mark.parametrize(("owner", "opens"), [(LUPUS, True), ("admin", True), (CHEMISTRY, False)])
def test_the_report_is_for_keys_of_its_domain(reporting: Opened, owner: str, opens: bool) -> None:
    found = sent(reporting, owner, "POST", "/report").json()["path"]
    assert (found is not None) == opens


def test_without_a_key_there_is_no_link(reporting: Opened) -> None:
    assert sent(reporting, None, "POST", "/report").status_code == 401
    assert sent(reporting, None, "GET", "/report/guess").status_code == 404
    assert sent(reporting, None, "GET", "/report").status_code == 405


def test_where_no_report_is_there_is_no_link(gateway: Opened) -> None:
    assert sent(gateway, "admin", "POST", "/report").json() == {"path": None}


def _key(*domains: str) -> Key:
    return Key("id", "00" * 32, "owner", tuple(domains), False, "2026-11-01")


@pytest.mark.parametrize(("domains", "opens"), [((ALL,), True), ((LUPUS,), False), ((), False)])
def test_a_report_of_an_unknown_domain_is_for_keys_of_all(
    tmp_path: Path, domains: Sequence[str], opens: bool
) -> None:
    path = tmp_path / "report.html"
    path.write_text(REPORT)
    assert ReportAccess(path, None).is_open_to(_key(*domains)) == opens


def test_a_link_ends_after_its_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access = ReportAccess(tmp_path, None)
    word = access.link()
    monkeypatch.setattr(report_access, "LASTS_S", -1)
    late = access.link()
    assert (access.use(late), access.use(word), access.use(word)) == (False, True, False)


def test_links_nobody_uses_are_bounded(tmp_path: Path) -> None:
    access = ReportAccess(tmp_path, None)
    first, *_, last = [access.link() for _ in range(report_access.N_LINKS + 1)]
    assert (access.use(first), access.use(last)) == (False, True)

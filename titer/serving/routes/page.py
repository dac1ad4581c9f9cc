"""The page at `/` and its three files, and the report of the last run.

Invariant: the page loads nothing from elsewhere and its policy lets it load nothing else.
"""

import asyncio
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from titer.serving.gateway import Caller, Shared
from titer.serving.refusals import Refusal

router = APIRouter()

FOLDER = Path(__file__).parents[1] / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox"
)
"""The report holds its style and its figures itself, and no script."""
GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def _file(name: str, kind: str) -> Response:
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache", **GUARDS}
    return Response((FOLDER / name).read_bytes(), media_type=kind, headers=headers)


@router.get("/")
async def page() -> Response:
    """The page; whoever has no key can do nothing with it."""
    return _file("page.html", "text/html; charset=utf-8")


@router.get("/page.css")
async def style() -> Response:
    """Its stylesheet."""
    return _file("page.css", "text/css; charset=utf-8")


@router.get("/page.js")
async def script() -> Response:
    """Its script."""
    return _file("page.js", "text/javascript; charset=utf-8")


@router.get("/page.svg")
async def icon() -> Response:
    """Its icon."""
    return _file("page.svg", "image/svg+xml")


@router.post("/report")
async def report_link(gateway: Shared, key: Caller) -> dict[str, Any]:
    """A link that opens the report once within a minute; null where there is none for this key."""
    is_open = gateway.report.is_open_to(key)
    return {"path": f"/report/{gateway.report.link()}" if is_open else None}


@router.get("/report/{word}")
async def report(word: str, gateway: Shared) -> Response:
    """The report of the last run, to read.

    Raises:
        Refusal: 404, the link was used or is too old.
    """
    gone = Refusal(
        404, "no_such_page", "this link was used or is too old. Ask the page for another"
    )
    if not gateway.report.use(word):
        raise gone
    try:
        text = await asyncio.to_thread(gateway.report.path.read_bytes)
    except OSError:
        raise gone from None
    headers = {"Content-Security-Policy": REPORT_POLICY, "Cache-Control": "no-store", **GUARDS}
    return HTMLResponse(text, headers=headers)

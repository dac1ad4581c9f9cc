"""Around every request: its body is bounded, its line is in the audit log before the reply is.

Invariant: no reply begins before there is room for its line; a reply that comes at once begins
after its line is written.
"""

import asyncio
import contextlib
import json
import logging
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from titer.errors import DataError
from titer.serving.audit import AuditLog, Entry
from titer.serving.limits import Limits
from titer.serving.metrics import Metrics
from titer.serving.refusals import Refusal, failed, no_audit

logger = logging.getLogger(__name__)

UNAUDITED = frozenset({"/health", "/metrics"})
"""Asked every few seconds by machines, and telling nothing of anyone."""

CLIENT_GONE = 499
"""Status of a request whose client went before the reply: sent to nobody, for the log alone."""


class Gate:
    """The outermost ASGI application."""

    def __init__(self, app: ASGIApp, audit: AuditLog, limits: Limits, metrics: Metrics) -> None:
        """Around the application `app`."""
        self._app = app
        self._audit = audit
        self._limits = limits
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's request, or the start and end of the server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        entry = Entry()
        scope.setdefault("state", {})["entry"] = entry
        audit = None if scope["path"] in UNAUDITED else self._audit
        reply = _Reply(scope, entry, audit, self._metrics, send)
        try:
            if audit is not None:
                audit.make_room()
            body = await _read(scope, receive, self._limits)
            await self._answer(scope, body, receive, reply)
        except DataError:
            logger.exception("the audit log cannot be written; nothing is answered")
            await reply.refuse(no_audit())
        except Refusal as refusal:
            await reply.refuse(refusal)
        except Exception:
            logger.exception("a request failed")  # the type and place, never the body
            await reply.refuse(failed())
        finally:
            reply.close()

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, reply: "_Reply") -> None:
        """Let the application reply, unless its client goes before it has begun."""
        gone = asyncio.ensure_future(_gone(receive))
        work = asyncio.ensure_future(self._app(scope, _replayed(body, gone), reply.send))
        try:
            await asyncio.wait({gone, work}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and reply.give_up():
                work.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await work
            else:  # a stream sees for itself that its client has gone
                await work
        finally:
            gone.cancel()
            work.cancel()


async def _read(scope: Scope, receive: Receive, limits: Limits) -> bytes:
    """The whole body, which is small.

    Raises:
        Refusal: 413 or 408, or the client has gone.
    """
    too_long = Refusal(413, "body_too_large", f"the body has more than {limits.body_bytes} bytes")
    for name, value in scope["headers"]:
        # a length of more digits than the limit has is longer than it, and int() has bounds too
        if name == b"content-length" and (
            len(value) > 18 or not value.isdigit() or int(value) > limits.body_bytes
        ):
            raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refusal(400, "client_gone", "the body did not come whole")
                body += message.get("body", b"")
                if len(body) > limits.body_bytes:
                    raise too_long
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        text = f"the body did not come within {limits.body_s} s"
        raise Refusal(408, "body_too_slow", text) from None


async def _gone(receive: Receive) -> None:
    """Wait until the client goes, or has its reply."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _replayed(body: bytes, gone: asyncio.Future[None]) -> Receive:
    """The body once, then that the client has gone."""
    given = False

    async def again() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        await asyncio.shield(gone)
        return {"type": "http.disconnect"}

    return again


class _Reply:
    """The reply of one request, with the line written at the right moment."""

    def __init__(
        self, scope: Scope, entry: Entry, audit: AuditLog | None, metrics: Metrics, send: Send
    ) -> None:
        self._scope = scope
        self._entry = entry
        self._audit = audit
        self._metrics = metrics
        self._send = send
        self._began = time.perf_counter()
        self._held: Message | None = None
        self._is_begun = False
        self._is_refused = False
        self._is_written = False

    async def send(self, message: Message) -> None:
        """Pass a message on; the status waits for the first of the body."""
        if message["type"] == "http.response.start":
            self._held = message
            self._entry.status = message["status"]
        elif not self._is_refused:
            await self._send_body(message)

    async def _send_body(self, message: Message) -> None:
        if not message.get("more_body"):
            try:
                self._write()
            except DataError:
                if self._is_begun:  # a stream without its end is seen as broken
                    raise
                logger.exception("the audit log cannot be written; nothing is answered")
                await self.refuse(no_audit())
                return
        if self._held is not None:
            self._is_begun = True
            await self._send(self._held)
            self._held = None
        await self._send(message)

    def give_up(self) -> bool:
        """Whether nothing was sent, so that the work may end; noted as 499 (nginx)."""
        if self._is_begun or self._is_refused:
            return False
        self._entry.status, self._entry.outcome = CLIENT_GONE, "client_gone"
        self._is_refused = True
        return True

    async def refuse(self, refusal: Refusal) -> None:
        """Reply in place of the application, where no reply has begun."""
        if self._is_begun or self._is_refused:
            return
        self._is_refused = True
        self._entry.status, self._entry.outcome = refusal.status, refusal.code
        with contextlib.suppress(DataError):  # tried again in `close`, which says so
            self._write()
        headers = {"Content-Type": "application/json", "Connection": "close", **refusal.headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": refusal.status, "headers": raw})
        body = json.dumps(refusal.body()).encode()
        await self._send({"type": "http.response.body", "body": body})

    def close(self) -> None:
        """Count the request; write the line of a stream whose client has gone."""
        if not self._is_written and self._entry.outcome == "ok":
            self._entry.outcome = "client_gone"
        try:
            self._write()
        except DataError:
            logger.exception("the audit log cannot be written; a line is lost")
        self._metrics.count(self._entry)

    def _write(self) -> None:
        if self._is_written:
            return
        entry = self._entry
        entry.endpoint = _endpoint(self._scope)
        entry.latency_ms = round(1000 * (time.perf_counter() - self._began), 3)
        if self._audit is not None:
            self._audit.write(entry)
        self._is_written = True


def _endpoint(scope: Scope) -> str:
    """Method and path as they are declared; of others nothing, for a client wrote them."""
    route: Any = scope.get("route")
    path = getattr(route, "path", None)
    # a path with another method is a match, too, and is refused before any key is asked for
    is_declared = scope["method"] in (getattr(route, "methods", None) or ())
    method = scope["method"] if is_declared else "other"
    return "unknown" if path is None else f"{method} {path}"

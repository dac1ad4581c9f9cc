"""The gateway as a process: it listens, and on SIGTERM finishes what is under way.

Invariant: no answer that has begun is cut off within the limit, and none begins after the signal.
"""

import asyncio
import signal
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from titer.errors import ConfigError
from titer.serving.limits import Limits

CONNECTIONS = 1_000
"""Open at once; more are answered with 503 before anything is read of them."""
IDLE_S = 5
"""Seconds after which a connection without a request is closed."""


def serve(app: ASGIApp, *, host: str, port: int, limits: Limits) -> None:
    """Answer until SIGTERM or SIGINT.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    config = uvicorn.Config(
        app, host=host, port=port, log_level="warning", access_log=False, server_header=False,
        proxy_headers=False, limit_concurrency=CONNECTIONS, timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=limits.shutdown_s, lifespan="on", ws="none",
    )  # fmt: skip
    server = _Server(config)
    # uvicorn raises the signal again when all is closed; by then it is an end, not a failure
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, _ended)
    try:
        asyncio.run(server.serve())
    except SystemExit:
        raise ConfigError(
            f"{host}:{port}: cannot be listened on. Another program may use it: give --port"
        ) from None


class _Server(uvicorn.Server):
    """Says where it listens once it does."""

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            for server in self.servers:
                for one in server.sockets:
                    host, port = one.getsockname()[:2]
                    print(f"listening on http://{host}:{port}", flush=True)


def _ended(number: int, frame: FrameType | None) -> None:
    """Nothing: the work is done."""

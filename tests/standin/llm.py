"""A stand-in for an OpenAI-compatible service on this machine, with scripted answers."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer of the service: a chat completion, or what goes wrong in its place."""

    text: str | None = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Sent as it is in place of a completion."""
    delay_s: float = 0.0


@dataclass
class Service:
    """The running stand-in and what it was asked."""

    url: str
    script: list[Reply]
    """Used up from the front; the last one is repeated."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)


@contextmanager
def serve(script: Sequence[Reply]) -> Iterator[Service]:
    """Answer POST /v1/chat/completions by the script until the block ends."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                service.requests.append({"path": self.path, **request})
                service.keys.append(self.headers.get("Authorization"))
                one = service.script[0]
                if len(service.script) > 1:
                    del service.script[0]
            time.sleep(one.delay_s)
            message = {"role": "assistant", "content": one.text}
            body = one.body or json.dumps({"choices": [{"message": message}]}).encode()
            self.send_response(one.status)
            for name, value in one.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing: the test run's output is for the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = Service(f"http://127.0.0.1:{server.server_port}/v1", list(script))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""A stand-in for the Hugging Face hub on this machine, over real sockets: what its client asks.

Invariant: like the hub, it answers metadata of a gated model to everybody and its files to nobody
without accepted terms, and it says in headers what went wrong.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repository:
    """One model: its files, and how the hub refuses them."""

    files: Mapping[str, bytes]
    commit: str = COMMIT
    gated: bool = False
    status: int = 200
    """Anything else is what every request for this model is answered with."""


@dataclass
class Reply:
    """Status, headers and body of an answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Hub:
    """Serves while the context is open; `journal` holds method and path of every request."""

    def __init__(self, repositories: Mapping[str, Repository]) -> None:
        self.repositories = dict(repositories)
        self.journal: list[tuple[str, str]] = []

    def __enter__(self) -> Self:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        """For HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def fetched(self) -> list[str]:
        """Names of the files whose content was asked for."""
        parts = [path.split("/resolve/")[1] for way, path in self.journal
                 if way == "GET" and "/resolve/" in path]  # fmt: skip
        return sorted(part.partition("/")[2] for part in parts)

    def reply(self, path: str) -> Reply:
        """The answer to GET or HEAD."""
        path = path.removeprefix("/api/models/").strip("/")
        repo_id, rest = "/".join(path.split("/")[:2]), path.split("/")[2:]
        repository = self.repositories.get(repo_id)
        if repository is None:
            return _refusal(401, "RepoNotFound")
        if repository.status != 200:
            return Reply(repository.status, b"down")
        if rest[:1] in (["revision"], ["tree"], ["resolve"]) and rest[1] not in (
            "main",
            repository.commit,
        ):
            return _refusal(404, "RevisionNotFound")
        if rest[:1] == ["resolve"]:
            return _file(repository, "/".join(rest[2:]))
        return _json(_tree(repository) if rest[:1] == ["tree"] else _info(repo_id, repository))


def _refusal(status: int, code: str) -> Reply:
    return Reply(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})


def _json(value: Any) -> Reply:
    return Reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _info(repo_id: str, repository: Repository) -> dict[str, Any]:
    siblings = [
        {"rfilename": name, "size": len(content), "blobId": _etag(content)}
        for name, content in repository.files.items()
    ]
    return {"_id": "1", "id": repo_id, "sha": repository.commit, "siblings": siblings, "tags": []}


def _tree(repository: Repository) -> list[dict[str, Any]]:
    return [
        {"type": "file", "path": name, "size": len(content), "oid": _etag(content)}
        for name, content in repository.files.items()
    ]


def _file(repository: Repository, name: str) -> Reply:
    if repository.gated:
        return _refusal(403, "GatedRepo")
    if name not in repository.files:
        return _refusal(404, "EntryNotFound")
    content = repository.files[name]
    headers = {"ETag": f'"{_etag(content)}"', "X-Repo-Commit": repository.commit}
    return Reply(200, content, headers)


def _etag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.journal.append((self.command, path))
            reply = hub.reply(path)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(reply.body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    return Handler

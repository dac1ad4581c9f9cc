"""A gateway with real models in a folder of its own, and how tests ask it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from tests.serving.engines import asking
from titer.serving import audit, keys
from titer.serving.app import create_app
from titer.serving.catalogue import Catalogue, Offer
from titer.serving.engine import BASE, Engine
from titer.serving.limits import Limits

LUPUS, CHEMISTRY, BIOLOGY = "lupus", "chemistry", "biology"
ROOT = Path(__file__).resolve().parents[2]
DOMAINS = (LUPUS, CHEMISTRY, BIOLOGY)
ACTIVE = {
    LUPUS: "lupus-qlora@v1.0.0",
    CHEMISTRY: "chemistry-qlora@v2.0.0",
    BIOLOGY: "biology-full@v1.0.0",
}
QUESTION = asking.QUESTIONS[0]
RUN = ("true",)
"""A pipeline run that does nothing."""


def catalogue(models: asking.Models) -> Catalogue:
    """Three domains, each with a model that answers as no other does."""
    base, first, second, full = models.servables()
    named = zip((first, second, full), ACTIVE.items(), strict=True)
    offers = {BASE: Offer(base, may_open_thought=False)}
    for servable, (domain, name) in named:
        adapter, _, version = name.partition("@")
        own = replace(servable, name=name, domain=domain)
        offers[name] = Offer(own, adapter, version, "helped", may_open_thought=False)
    return Catalogue(offers, dict(ACTIVE), frozenset(DOMAINS))


@dataclass
class Opened:
    """A gateway and what belongs to it."""

    root: Path
    app: ASGIApp
    keys: dict[str, str] = field(default_factory=dict)
    """Owner -> key."""

    @property
    def key_file(self) -> Path:
        return self.root / keys.FILE

    def add(self, owner: str, *domains: str, **more: Any) -> str:
        """Make a key."""
        _, self.keys[owner] = keys.add(self.key_file, owner, domains, **more)
        return self.keys[owner]

    def client(self, key: str | None = None, address: str = "192.0.2.1") -> httpx.AsyncClient:
        """A client that stays in this process."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        transport = httpx.ASGITransport(self.app, client=(address, 1))
        return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers)

    def lines(self) -> list[dict[str, Any]]:
        """The audit log."""
        text = (self.root / audit.FILE).read_text()
        return [json.loads(line) for line in text.splitlines()]


def opened(
    root: Path,
    served: Catalogue,
    engines: Sequence[Engine],
    *,
    run: Sequence[str] = RUN,
    **limits: int,
) -> Opened:
    """A gateway with a key for each domain and one for an administrator of all."""
    app = create_app(root, served, engines, limits=replace(Limits(), **limits), run=run)
    gateway = Opened(root, app)
    for domain in DOMAINS:
        gateway.add(domain, domain)
    gateway.add("admin", keys.ALL, admin=True)
    return gateway


def completion(model: str, text: str = QUESTION, **more: Any) -> dict[str, Any]:
    """Body of a chat completion."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def events(text: str) -> list[Any]:
    """Data of a stream's events; the last is the word [DONE] where the answer is whole."""
    data = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    return [one if one == "[DONE]" else json.loads(one) for one in data]

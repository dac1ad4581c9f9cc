"""What the parts of one gateway share, and how a handler comes by it."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from titer.serving.answering import Answers
from titer.serving.audit import AuditLog, Entry
from titer.serving.catalogue import Catalogue
from titer.serving.experiments import Experiment
from titer.serving.jobs import Jobs
from titer.serving.keeping import Keeping
from titer.serving.keys import LONGEST, Key, KeyRing
from titer.serving.limits import Limits
from titer.serving.metrics import Metrics
from titer.serving.pace import Lockout, Rate
from titer.serving.refusals import Refusal, no_key
from titer.serving.report_access import ReportAccess


@dataclass
class Gateway:
    """Everything behind the endpoints."""

    catalogue: Catalogue
    answers: Answers
    keys: KeyRing
    audit: AuditLog
    jobs: Jobs
    limits: Limits
    metrics: Metrics
    keeping: Keeping
    experiments: dict[str, Experiment]
    """Domain -> its running experiment."""
    report: ReportAccess
    lockout: Lockout = field(init=False)
    rate: Rate = field(init=False)

    def __post_init__(self) -> None:
        """Nobody has asked yet."""
        self.lockout = Lockout(self.limits)
        self.rate = Rate(self.limits)


def shared(request: Request) -> Gateway:
    """The gateway of a request."""
    found: Gateway = request.app.state.gateway
    return found


def entry(request: Request) -> Entry:
    """The line of the audit log that a request will have."""
    found: Entry = request.state.entry
    return found


async def authenticated(request: Request) -> Key:
    """The key in the Authorization header; it may ask now.

    Raises:
        Refusal: 401 without a valid key, 429 where it asks too fast or the address is locked out.
    """
    gateway = shared(request)
    address = request.client.host if request.client else ""
    gateway.lockout.check(address)
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    text = text.strip()
    if kind.lower() != "bearer" or not text:
        raise no_key()
    key = gateway.keys.find(text) if len(text) <= LONGEST else None
    if key is None:
        gateway.lockout.failed(address)
        raise no_key()
    entry(request).key_id = key.id
    gateway.rate.take(key.id)
    return key


Caller = Annotated[Key, Depends(authenticated)]
"""The key of the client, for the signature of a handler."""
Shared = Annotated[Gateway, Depends(shared)]
Line = Annotated[Entry, Depends(entry)]


async def administrator(key: Caller) -> Key:
    """A key that may change what is served.

    Raises:
        Refusal: 403.
    """
    if not key.admin:
        raise Refusal(403, "admin_only", "this key may not start pipeline runs")
    return key


Administrator = Annotated[Key, Depends(administrator)]

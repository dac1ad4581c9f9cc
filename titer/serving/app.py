"""The gateway as an ASGI application.

Invariant: every reply without an answer has one shape, whoever refused.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from titer import __version__
from titer.conversations.place import place
from titer.errors import ConfigError, DataError
from titer.serving import audit, experiments, keys
from titer.serving.answering import Answers
from titer.serving.audit import AuditLog
from titer.serving.catalogue import Catalogue
from titer.serving.engine import Engine
from titer.serving.gate import Gate
from titer.serving.gateway import Gateway
from titer.serving.jobs import Jobs
from titer.serving.keeping import Keeping
from titer.serving.keys import KeyRing
from titer.serving.limits import Limits
from titer.serving.metrics import Metrics
from titer.serving.refusals import Refusal, failed
from titer.serving.report_access import ReportAccess
from titer.serving.routes import chat, conversations, fine_tuning, openai, operations, page

ROUTERS = (
    openai.router, chat.router, fine_tuning.router, operations.router,
    conversations.router, page.router,
)  # fmt: skip
CODES = {404: "no_such_page", 405: "method_not_allowed"}


def create_app(
    root: Path,
    catalogue: Catalogue,
    engines: Sequence[Engine],
    *,
    limits: Limits | None = None,
    run: Sequence[str] = ("dvc", "repro"),
    report_domain: str | None = None,
) -> ASGIApp:
    """The application; whoever ends it has closed the engines with it.

    Args:
        root: the project; keys, audit log and job logs lie below `serving/` in it.
        catalogue: what is served.
        engines: that answer, each for the names it has.
        limits: of requests; null for the defaults.
        run: command of a pipeline run.
        report_domain: whose keys may read reports/report.html; null for those that open all.

    Raises:
        DataError, FormatError: the key file or the audit log cannot be used.
        ConfigError: a version of a running experiment is not served.
    """
    limits = limits or Limits()
    metrics = Metrics()
    gateway = Gateway(
        catalogue=catalogue,
        answers=Answers(catalogue, engines, limits, metrics),
        keys=KeyRing(root / keys.FILE),
        audit=AuditLog(root / audit.FILE),
        jobs=Jobs(root, run, n_queued=limits.n_jobs),
        limits=limits,
        metrics=metrics,
        keeping=Keeping(place(root)),
        experiments=_running(root, catalogue),
        report=ReportAccess(root / "reports" / "report.html", report_domain),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await gateway.jobs.close()
        gateway.keeping.close()
        for engine in engines:
            await engine.close()

    # its pages of documentation load scripts from elsewhere
    app = FastAPI(
        title="Titer", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.state.gateway = gateway
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _other)
    app.add_exception_handler(DataError, _unusable)
    app.add_exception_handler(Exception, _failed)
    return Gate(app, gateway.audit, limits, metrics)


def _running(root: Path, catalogue: Catalogue) -> dict[str, experiments.Experiment]:
    """The running experiments, whose versions must all be served."""
    found = experiments.running(root)
    for plan in found.values():
        for version in (plan.a, plan.b):
            if version not in catalogue.offers:
                raise ConfigError(
                    f"experiment {plan.name}: {version} is not served. Start: titer serve "
                    f"{version}; or first: titer ab stop {plan.name}"
                )
    return found


def _reply(request: Request, refusal: Refusal) -> JSONResponse:
    request.state.entry.outcome = refusal.code
    return JSONResponse(refusal.body(), status_code=refusal.status, headers=refusal.headers)


async def _refused(request: Request, error: Any) -> JSONResponse:
    return _reply(request, error)


async def _invalid(request: Request, error: Any) -> JSONResponse:
    """Names the fields that are wrong, not what stood in them."""
    faults = [
        f"{'.'.join(str(part)[:40] for part in one['loc'][1:]) or 'body'}: {one['msg']}"
        for one in error.errors()
    ]
    shown = "; ".join(faults[:5])
    return _reply(request, Refusal(422, "invalid_request", shown))


async def _other(request: Request, error: Any) -> JSONResponse:
    """What the framework refuses: no such page, another method, a body that cannot be read."""
    code = CODES.get(error.status_code, "invalid_request")
    refusal = Refusal(error.status_code, code, str(error.detail))
    refusal.headers |= dict(error.headers or {})
    return _reply(request, refusal)


async def _failed(request: Request, error: Any) -> JSONResponse:
    """A bug: the gate writes it into the log."""
    return _reply(request, failed())


async def _unusable(request: Request, error: Any) -> JSONResponse:
    """The key file became unusable: nobody gets in until it is mended."""
    return _reply(request, Refusal(503, "no_keys", "the keys cannot be read. Tell who runs this"))

"""`/health` and `/metrics`: for machines that watch; no key, and nothing about anyone."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from titer.serving.gateway import Shared

router = APIRouter()


@router.get("/health")
async def health(gateway: Shared) -> Response:
    """200 while the base can answer, else 503."""
    is_alive = gateway.answers.is_alive()
    state: dict[str, Any] = {"status": "ok" if is_alive else "no engine"}
    return JSONResponse(state, status_code=200 if is_alive else 503)


@router.get("/metrics")
async def metrics(gateway: Shared) -> Response:
    """Counters for Prometheus."""
    return Response(gateway.metrics.text(), media_type="text/plain; version=0.0.4")

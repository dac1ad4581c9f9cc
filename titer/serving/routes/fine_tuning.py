"""`/fine-tuning/...`: queue a pipeline run, see what is trained, ask the tuned model."""

from typing import Annotated, Any

from fastapi import APIRouter, Form

from titer.serving.bodies import Query, Setup
from titer.serving.gateway import Administrator, Caller, Gateway, Line, Shared
from titer.serving.routes.chat import respond

router = APIRouter(prefix="/fine-tuning")


@router.post("/setup", status_code=202)
async def setup(gateway: Shared, key: Administrator, body: Setup | None = None) -> dict[str, Any]:
    """Queue a run of the pipeline as params.yaml describes it."""
    job = gateway.jobs.add(key.id)
    return {"job_id": job.id, "state": job.state}


@router.get("/status")
async def status(gateway: Shared, key: Caller) -> dict[str, Any]:
    """What is trained and served in the key's domains; an administrator sees the runs too."""
    domains = {
        name: _state(gateway, name) for name in sorted(gateway.catalogue.domains) if key.opens(name)
    }
    found: dict[str, Any] = {
        "trained": any(one["version"] is not None for one in domains.values()),
        "available": any(one["available"] for one in domains.values()),
        "domains": domains,
    }
    return found | ({"jobs": gateway.jobs.all()} if key.admin else {})


def _state(gateway: Gateway, domain: str) -> dict[str, Any]:
    name = gateway.catalogue.active.get(domain)
    offer = gateway.catalogue.offers.get(name or "")
    return {
        "model": name,
        "version": None if offer is None else offer.version,
        "verdict": None if offer is None else offer.verdict,
        "available": name is not None and gateway.answers.can_answer(name),
    }


@router.post("/query")
async def query(
    form: Annotated[Query, Form()], gateway: Shared, key: Caller, line: Line
) -> dict[str, Any]:
    """Ask the tuned model; the question is a form field."""
    return await respond(gateway, key, line, form.query, form.domain)

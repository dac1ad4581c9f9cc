"""`/feedback` and `/conversations/<id>`: what people thought of answers, and consent taken back."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from titer.serving.bodies import Body, Name
from titer.serving.gateway import Caller, Shared

router = APIRouter()


class Feedback(Body):
    """Body of `POST /feedback`."""

    conversation_id: Name
    satisfaction: Annotated[float, Field(ge=0, le=1)]
    turn: Annotated[int, Field(ge=0, lt=1_000)] | None = None
    """Number of the answer as the reply gave it; null for the conversation as a whole."""


@router.post("/feedback")
async def feedback(body: Feedback, gateway: Shared, key: Caller) -> dict[str, Any]:
    """Rate a kept conversation of one's own, or one answer of it."""
    mean = await gateway.keeping.rate(key, body.conversation_id, body.satisfaction, body.turn)
    return {"conversation_id": body.conversation_id, "satisfaction": mean}


@router.delete("/conversations/{conversation_id}", status_code=204)
async def forget(conversation_id: str, gateway: Shared, key: Caller) -> None:
    """Take the consent back: the conversation is deleted for good."""
    await gateway.keeping.forget(key, conversation_id)

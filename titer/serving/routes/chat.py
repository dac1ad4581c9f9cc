"""`/predict` and `/chat`, the contracts of the source systems, with the key in the header."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from titer.serving import asking, bodies
from titer.serving.audit import Entry
from titer.serving.gateway import Caller, Gateway, Line, Shared
from titer.serving.keys import Key
from titer.serving.refusals import Refusal

router = APIRouter()


async def _no_password(request: Request, key: Caller) -> None:
    """Refuse the old way of logging in, before anything looks at the body.

    Raises:
        Refusal: 400.
    """
    try:
        value = await request.json()
    except (ValueError, RecursionError):
        return  # said by the check of the body
    if isinstance(value, dict) and "password" in value:
        raise Refusal(
            400, "password_in_body",
            "password: keys travel in the header Authorization: Bearer <key>, never in a body",
        )  # fmt: skip


NoPassword = Annotated[None, Depends(_no_password)]


@router.post("/predict")
async def predict(
    _: NoPassword, body: bodies.Question, gateway: Shared, key: Caller, line: Line
) -> dict[str, Any]:
    """Answer one question."""
    return await respond(gateway, key, line, body.question, body.domain)


@router.post("/chat")
async def chat(
    _: NoPassword, body: bodies.Chat, gateway: Shared, key: Caller, line: Line
) -> dict[str, Any]:
    """Answer one message of a researcher."""
    return await respond(gateway, key, line, body.chatting, body.domain)


async def respond(
    gateway: Gateway, key: Key, line: Entry, text: str, domain: str | None
) -> dict[str, Any]:
    """An answer in the form of the source systems.

    Raises:
        Refusal: there is none.
    """
    name = asking.own_domain(gateway, key, domain)
    answer = await asking.begin(gateway, key, line, name, bodies.question(text))
    finished = await asking.whole(answer, line)
    return {"response": finished.text, "served_by": answer.chosen.served_by()}

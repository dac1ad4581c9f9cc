"""`/predict` and `/chat`, the contracts of the source systems, with the key in the header."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from titer.serving import asking, bodies
from titer.serving.audit import Entry
from titer.serving.gateway import Caller, Gateway, Line, Shared
from titer.serving.keeping import Wanted
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
    wanted = Wanted(body.domain, body.researcher) if body.consent else None
    return await respond(
        gateway, key, line, body.chatting, body.domain, user=body.researcher, wanted=wanted
    )


async def respond(
    gateway: Gateway,
    key: Key,
    line: Entry,
    text: str,
    domain: str | None,
    *,
    user: str | None = None,
    wanted: Wanted | None = None,
) -> dict[str, Any]:
    """An answer in the form of the source systems.

    Args:
        gateway: that is asked.
        key: of the client.
        line: of the audit log.
        text: the question.
        domain: null for the only one that the key opens.
        user: who asks, for experiments.
        wanted: null without consent.

    Raises:
        Refusal: there is none.
    """
    wish = bodies.question(text)
    name = asking.served_name(gateway, key, asking.own_domain(gateway, key, domain), user)
    draft = await asking.agreed(gateway, key, name, wish, wanted)
    answer = await asking.begin(gateway, key, line, name, wish)
    finished = await asking.whole(answer, line)
    kept = await gateway.keeping.end(draft, answer.chosen, finished)
    return {"response": finished.text, "served_by": answer.chosen.served_by(), **kept}

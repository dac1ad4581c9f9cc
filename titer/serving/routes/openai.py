"""`/v1/models` and `/v1/chat/completions`, as OpenAI's clients know them."""

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from titer import files
from titer.serving import asking
from titer.serving.answering import Answer, Finished
from titer.serving.audit import Entry
from titer.serving.bodies import Completion
from titer.serving.gateway import Caller, Line, Shared
from titer.serving.keeping import Wanted
from titer.serving.refusals import Refusal

router = APIRouter(prefix="/v1")


@router.get("/models")
async def models(gateway: Shared, key: Caller) -> dict[str, Any]:
    """The names that the key opens."""
    names = gateway.catalogue.open_to(key)
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "titer"} for name in names]
    return {"object": "list", "data": data}


@router.post("/chat/completions")
async def complete(body: Completion, gateway: Shared, key: Caller, line: Line) -> Response:
    """One answer, at once or as a stream of events."""
    wish = body.wish()
    name = asking.served_name(gateway, key, body.model, body.user)
    draft = await asking.agreed(gateway, key, name, wish, _wanted(body))
    answer = await asking.begin(gateway, key, line, name, wish)
    keep = partial(gateway.keeping.end, draft, answer.chosen)
    head = {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "created": int(time.time()),
        "model": answer.chosen.offer.servable.name,
    }
    if body.stream:
        with_usage = body.stream_options is not None and body.stream_options.include_usage
        return _Stream(answer, _events(answer, line, head, keep, with_usage))
    finished = await asking.whole(answer, line)
    message = {"role": "assistant", "content": finished.text}
    choice = {"index": 0, "message": message, "finish_reason": finished.finish_reason}
    return JSONResponse({
        **head, "object": "chat.completion", "choices": [choice], "usage": _usage(finished),
        "served_by": answer.chosen.served_by(), "thought": finished.thought,
        **await keep(finished),
    })  # fmt: skip


def _wanted(body: Completion) -> Wanted | None:
    """Null without consent."""
    return Wanted(body.domain, body.user, body.conversation_id) if body.consent else None


def _usage(finished: Finished) -> dict[str, int]:
    prompt, new = finished.n_prompt_tokens, finished.n_new_tokens
    return {"prompt_tokens": prompt, "completion_tokens": new, "total_tokens": prompt + new}


class _Stream(StreamingResponse):
    """Events; the answer ends with them, also where the client went before the first."""

    def __init__(self, answer: Answer, events: AsyncIterator[str]) -> None:
        super().__init__(
            events, media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._answer:
            await super().__call__(scope, receive, send)


async def _events(
    answer: Answer,
    line: Entry,
    head: dict[str, Any],
    keep: Callable[[Finished], Awaitable[dict[str, Any]]],
    with_usage: bool,
) -> AsyncIterator[str]:
    """Server-sent events; what fails after the first of them is an event with the error."""
    chunk = {**head, "object": "chat.completion.chunk", "served_by": answer.chosen.served_by()}

    def event(delta: dict[str, str], reason: str | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return _event({**chunk, "choices": [choice], **more})

    try:
        yield event({"role": "assistant", "content": ""})
        async for text in answer.stream():
            yield event({"content": text})
        finished = answer.finished()
        asking.note(line, finished)
        yield event({}, finished.finish_reason, **await keep(finished))
        if with_usage:
            yield _event({**chunk, "choices": [], "usage": _usage(finished)})
        yield "data: [DONE]\n\n"
    except Refusal as refusal:
        line.outcome = refusal.code
        yield _event(refusal.body())


def _event(value: dict[str, Any]) -> str:
    return f"data: {files.dump_json(value)}\n\n"

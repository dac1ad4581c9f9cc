"""What a client is told when there is no answer: one shape for all, OpenAI's.

Invariant: no text of a request, no path and no key stands in a refusal.
"""

from typing import Any

from titer.errors import ConfigError, RateLimited, TiterError

WAIT_S = 1
"""Retry-After of a full queue: an answer takes about a second."""


class Refusal(TiterError):
    """A request that is not answered."""

    def __init__(
        self, status: int, code: str, text: str, *, retry_after_s: int | None = None
    ) -> None:
        """As the client is to see it.

        Args:
            status: of HTTP.
            code: for programs; the outcome in the audit log.
            text: for people.
            retry_after_s: when it may ask again.
        """
        super().__init__(text)
        self.status = status
        self.code = code
        self.headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        if status == 401:
            self.headers["WWW-Authenticate"] = "Bearer"

    def body(self) -> dict[str, Any]:
        """The reply's JSON."""
        kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
        kind = kinds.get(self.status)
        kind = kind or ("server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": str(self), "type": kind, "param": None, "code": self.code}}


def no_key() -> Refusal:
    """Without a key, with a wrong, revoked or expired one: the client cannot tell which."""
    return Refusal(
        401, "no_valid_key", "no valid key. Send it in the header Authorization: Bearer <key>"
    )


def no_model() -> Refusal:
    """A model that is not there and one that the key does not open look the same."""
    return Refusal(
        404, "model_not_found", "this key opens no model of that name. See: GET /v1/models"
    )


def unavailable() -> Refusal:
    """No engine answers."""
    return Refusal(
        503, "unavailable", "no engine answers now. Ask again later", retry_after_s=WAIT_S
    )


def broke_off() -> Refusal:
    """The engine ended in mid-answer; half an answer is none."""
    return Refusal(502, "broke_off", "the engine ended in mid-answer. Ask again")


def too_late(limit_s: int) -> Refusal:
    """The time limit is over."""
    return Refusal(504, "time_limit", f"no whole answer within {limit_s} s. Ask for fewer tokens")


def queue_full() -> Refusal:
    """Too much is being answered."""
    return Refusal(
        429, "queue_full", "too many answers are under way. Ask again", retry_after_s=WAIT_S
    )


def void() -> Refusal:
    """Text was streamed that a later tag declared a thought."""
    return Refusal(
        502, "void", "the model closed a thought after text had been sent: that text is no answer"
    )


def failed() -> Refusal:
    """A bug of ours."""
    return Refusal(500, "failed", "the gateway failed; its log says where")


def no_audit() -> Refusal:
    """Nothing is answered that could not be accounted for."""
    return Refusal(503, "no_audit", "the audit log cannot be written. Tell who runs this gateway")


def of_engine(error: TiterError) -> Refusal:
    """The refusal that fits what an engine raised before its first text."""
    if isinstance(error, RateLimited):
        return queue_full()
    if isinstance(error, ConfigError):  # by contract only where the context is too short
        return Refusal(400, "context_length_exceeded", str(error))
    return unavailable()

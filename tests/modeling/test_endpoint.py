"""An endpoint is asked until it answers, and the key goes nowhere else."""

import logging

import pytest

from tests.standin.llm import Reply, serve
from titer.errors import ConfigError, RateLimited, SourceError, Unavailable
from titer.modeling.endpoint import Endpoint

KEY = "sk-very-secret-0123456789"
GOOD = Reply("It is a fever.")


def endpoint(url: str, **changes: object) -> Endpoint:
    settings = {"key": KEY, "timeout_s": 2.0, "max_tries": 3, "backoff_s": 0.01} | changes
    return Endpoint(url, "model-a", **settings)  # type: ignore[arg-type]


def test_a_reply_is_the_text_of_the_completion() -> None:
    with serve([GOOD]) as service:
        asked = endpoint(service.url + "/", temperature=0.5, seed=3, max_new_tokens=9)
        assert asked.ask("What is it?") == "It is a fever."
    assert service.requests == [
        {
            "path": "/v1/chat/completions", "model": "model-a", "temperature": 0.5, "seed": 3,
            "max_tokens": 9, "messages": [{"role": "user", "content": "What is it?"}],
        }
    ]  # fmt: skip
    assert service.keys == [f"Bearer {KEY}"]


def test_without_a_key_none_is_sent() -> None:
    with serve([GOOD]) as service:
        endpoint(service.url, key=None).ask("Why?")
    assert service.keys == [None]


def test_replies_come_in_the_order_of_the_prompts() -> None:
    with serve([Reply("x", delay_s=0.02)]) as service:
        assert endpoint(service.url).ask_all(["a", "b", "c"]) == ["x", "x", "x"]
    assert {r["messages"][0]["content"] for r in service.requests} == {"a", "b", "c"}


def test_a_refusal_without_text_is_an_empty_reply() -> None:
    with serve([Reply(None)]) as service:
        assert endpoint(service.url).ask("Why?") == ""


@pytest.mark.parametrize(
    "fault",
    [
        Reply(status=429),
        Reply(status=429, headers={"Retry-After": "0"}),
        Reply(status=429, headers={"Retry-After": "\u00b2"}),
        Reply(status=500),
        Reply(status=503),
        Reply(body=b"<html>busy</html>"),
        Reply(body=b'{"choices": []}'),
        Reply(body=b'{"choices": [{"message": {"content": 5}}]}'),
        Reply(body=b'{"choices": [{"mess'),
        Reply("late", delay_s=1.5),
    ],
    ids=[
        "429",
        "429 and when",
        "429 and no number",
        "500",
        "503",
        "html",
        "no choice",
        "no text",
        "cut",
        "timeout",
    ],
)
def test_a_fault_that_may_pass_is_asked_again(fault: Reply) -> None:
    with serve([fault, GOOD]) as service:
        assert endpoint(service.url, timeout_s=1.0).ask("Why?") == GOOD.text
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        (
            Reply(status=429),
            RateLimited,
            "gave up after 3 tries: HTTP 429. What was written is kept",
        ),
        (Reply(status=500), Unavailable, "gave up after 3 tries: HTTP 500"),
        (Reply(body=b"{}"), Unavailable, "3 tries: the answer is no chat completion"),
        (Reply(delay_s=0.3), Unavailable, "gave up after 3 tries: ReadTimeout"),
    ],
    ids=["429", "500", "no completion", "timeout"],
)
def test_a_fault_that_stays_is_an_error_that_says_how_to_go_on(
    fault: Reply, error: type[SourceError], text: str
) -> None:
    with serve([fault]) as service, pytest.raises(error, match=text):
        endpoint(service.url, timeout_s=0.1).ask("Why?")
    assert len(service.requests) == 3


@pytest.mark.parametrize(
    ("status", "hint"),
    [(400, "bad model"), (401, "Set TITER_LLM_API_KEY"), (404, "bad model"), (302, "bad model")],
)
def test_a_request_that_is_wrong_is_not_repeated(status: int, hint: str) -> None:
    elsewhere = {"Location": "http://127.0.0.1:9/v1"}
    with (
        serve(
            [Reply(status=status, headers=elsewhere, body=b"bad model " + KEY.encode())]
        ) as service,
        pytest.raises(SourceError, match=hint) as error,
    ):
        endpoint(service.url).ask("Why?")
    assert len(service.requests) == 1
    assert KEY not in str(error.value) and "***" in str(error.value)


def test_the_key_is_in_no_repr_log_or_error(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), serve([Reply(status=500, body=KEY.encode())]) as service:
        one = endpoint(service.url)
        with pytest.raises(Unavailable) as error:
            one.ask("Why?")
    assert KEY not in repr(one) + str(error.value) + caplog.text
    assert "try 3: HTTP 500" in caplog.text


def test_a_wait_that_is_too_long_ends_the_run_at_once() -> None:
    fault = Reply(status=429, headers={"Retry-After": "3600"})
    with serve([fault]) as service, pytest.raises(RateLimited, match="asks to wait 3600 s"):
        endpoint(service.url).ask("Why?")
    assert len(service.requests) == 1


def test_nobody_there_is_one_line() -> None:
    with serve([GOOD]) as service:
        pass
    with pytest.raises(Unavailable, match="ConnectionError"):
        endpoint(service.url).ask("Why?")


def test_an_address_that_would_show_the_key_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--endpoint: models.example .* TITER_LLM_API_KEY"):
        endpoint("http://models.example/v1")


def test_a_plain_address_elsewhere_is_fine_without_a_key() -> None:
    assert "key not set" in repr(endpoint("http://models.example/v1", key=None))

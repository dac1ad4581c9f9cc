"""A language model behind an OpenAI-compatible address: vLLM, llama.cpp, Ollama or a service.

Invariant: the key goes to the configured address only and into no log, error or repr; an answer
that is no chat completion is asked for again and never returned.
"""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NoReturn

from titer import addresses, files
from titer.errors import RateLimited, SourceError, Unavailable

logger = logging.getLogger(__name__)

KEY = "TITER_LLM_API_KEY"
"""Environment variable with the endpoint's key."""
LONGEST_DELAY_S = 60.0
"""Of one pause between two tries; who asks for more is obeyed by stopping."""

CONTINUE = "What was written is kept: run the same command again to continue"

_MAY_PASS = frozenset({408, 425, 429})


class _Unusable(Exception):
    """An answer that cannot be used, so the request is made again."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


@dataclass(frozen=True, repr=False)
class Endpoint:
    """Where and how a model is asked."""

    base_url: str
    """Up to and with /v1."""
    model: str
    key: str | None = None
    """Sent as `Authorization: Bearer`."""
    temperature: float = 0.0
    seed: int = 0
    max_new_tokens: int = 1024
    timeout_s: float = 120.0
    """Of connecting and of each read."""
    max_tries: int = 5
    backoff_s: float = 1.0
    """First pause; each further one is twice as long."""

    def __post_init__(self) -> None:
        """Refuse what is no address, and a key that would travel in the clear.

        Raises:
            ConfigError: with what to give.
        """
        addresses.check(self.base_url, self.key, option="--endpoint", variable=KEY)

    def __repr__(self) -> str:
        """Address and model, never the key."""
        return f"Endpoint({self.base_url}, {self.model}, key {'set' if self.key else 'not set'})"

    def ask_all(self, prompts: Sequence[str]) -> list[str]:
        """Replies in the order of the prompts, all asked at once.

        Raises:
            SourceError: as `ask`, for the first prompt that failed.
        """
        with ThreadPoolExecutor(max(1, len(prompts))) as pool:
            return list(pool.map(self.ask, prompts))

    def ask(self, prompt: str) -> str:
        """The text of one reply; empty where the model refused.

        Raises:
            RateLimited: the service kept saying that too much was asked.
            Unavailable: the last try failed in another way.
            SourceError: the request itself is refused; trying again would not help.
        """
        fault = _Unusable("never asked")
        for number in range(self.max_tries):
            try:
                return self._once(prompt)
            except _Unusable as error:
                fault = error
            logger.debug(
                "%s: try %d: %s",
                self.base_url,
                number + 1,
                self._said(fault),
            )
            if number + 1 < self.max_tries:
                wait = self.backoff_s * 2**number if fault.after_s is None else fault.after_s
                time.sleep(min(wait, LONGEST_DELAY_S))
        kind = RateLimited if "429" in str(fault) else Unavailable
        tries = f"gave up after {self.max_tries} tries"
        raise kind(f"{self.base_url}: {tries}: {self._said(fault)}. {CONTINUE}")

    def _said(self, words: object) -> str:
        return addresses.one_line(str(words), self.key)

    def _once(self, prompt: str) -> str:
        import requests

        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": self.temperature,
            "seed": self.seed,
            "max_tokens": self.max_new_tokens,
        }
        with requests.Session() as session:
            # neither a proxy nor a .netrc of the environment decides where the key goes
            session.trust_env = False
            try:
                answer = session.post(
                    self.base_url.rstrip("/") + "/chat/completions",
                    json=body,
                    headers={"Authorization": f"Bearer {self.key}"} if self.key else {},
                    timeout=self.timeout_s,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                raise _Unusable(type(error).__name__) from None
        if answer.status_code != 200:
            self._refuse(answer.status_code, answer.text, answer.headers.get("Retry-After"))
        return _content(answer.content)

    def _refuse(self, status: int, text: str, retry_after: str | None) -> NoReturn:
        if 300 <= status < 500 and status not in _MAY_PASS:
            hint = f" Set {KEY}" if status in (401, 403) else ""
            raise SourceError(f"{self.base_url}: HTTP {status}: {self._said(text)}.{hint}")
        digits = (retry_after or "").strip()
        after_s = float(digits) if digits.isdecimal() else None
        if after_s is not None and after_s > LONGEST_DELAY_S:
            wait = f"it asks to wait {after_s:.0f} s"
            raise RateLimited(f"{self.base_url}: HTTP {status}: {wait}. {CONTINUE}")
        raise _Unusable(f"HTTP {status}", after_s)


def _content(body: bytes) -> str:
    """The text of a chat completion.

    Raises:
        _Unusable: the body is none.
    """
    try:
        message: dict[str, Any] = files.parse_json(body)["choices"][0]["message"]
        content = message["content"]
    except (ValueError, LookupError, TypeError):
        raise _Unusable("the answer is no chat completion") from None
    if content is None or isinstance(content, str):
        return content or ""
    raise _Unusable("the answer holds no text")

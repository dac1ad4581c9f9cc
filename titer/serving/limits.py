"""How much one client, one key and all of them together may ask; every limit has a status.

Invariant: whatever is over a limit is refused before it costs what the limit guards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from titer.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Limits:
    """Limits of the gateway, all of them at least 1."""

    body_bytes: int = 262_144
    """Bytes of a request's body; more is 413."""
    body_s: int = 10
    """Seconds in which a body must have come; later is 408."""
    n_messages: int = 64
    """Messages of one conversation; more is 422."""
    max_new_tokens: int = 1_024
    """Tokens of an answer: a larger wish is clamped, not refused."""
    n_waiting: int = 64
    """Answers asked for and not finished, over all keys; more is 429."""
    answer_s: int = 60
    """Seconds for an answer, the waiting included; later is 504."""
    shutdown_s: int = 30
    """Seconds in which answers under way may finish after SIGTERM."""
    key_per_minute: int = 120
    """Requests of one key per minute, as many at once; more is 429."""
    n_failures: int = 10
    """Wrong keys from one address within `failure_s`, after which it is locked out."""
    failure_s: int = 300
    """Seconds that a wrong key is remembered."""
    lockout_s: int = 300
    """Seconds that an address is refused with 429, right key or wrong."""
    n_addresses: int = 10_000
    """Addresses with wrong keys that are remembered; the oldest is forgotten first."""
    n_jobs: int = 4
    """Pipeline runs that wait; more is 429."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value < 1:
                raise ConfigError(f"--limit {field.name}={value}: expected at least 1")


def parse(settings: Sequence[str]) -> Limits:
    """Limits from `name=number`.

    Raises:
        ConfigError: no such limit, no whole number, or one below 1.
    """
    known = [field.name for field in fields(Limits)]
    given: dict[str, int] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in known:
            raise ConfigError(
                f"--limit {setting}: no such limit{did_you_mean(name, known)}; "
                f"known: {', '.join(known)}"
            )
        if not value.isascii() or not value.isdigit():
            raise ConfigError(f"--limit {setting}: expected a whole number, as {name}=100")
        given[name] = int(value)
    return replace(Limits(), **given)

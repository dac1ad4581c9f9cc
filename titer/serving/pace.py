"""How fast one key and one address may ask.

Invariant: time comes from a monotonic clock; memory is bounded whatever is sent.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from titer.serving.limits import Limits
from titer.serving.refusals import Refusal

Clock = Callable[[], float]


class Lockout:
    """Addresses that sent too many wrong keys."""

    def __init__(self, limits: Limits, clock: Clock = time.monotonic) -> None:
        """Nobody is locked out."""
        self._limits = limits
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._until: OrderedDict[str, float] = OrderedDict()

    def check(self, address: str) -> None:
        """Refuse an address that is locked out.

        Raises:
            Refusal: 429.
        """
        left = self._until.get(address, 0.0) - self._clock()
        if left > 0:
            raise Refusal(
                429, "locked_out", "too many wrong keys from this address",
                retry_after_s=int(left) + 1,
            )  # fmt: skip
        self._until.pop(address, None)

    def failed(self, address: str) -> None:
        """Count a wrong key."""
        now = self._clock()
        times = self._failures.setdefault(address, deque(maxlen=self._limits.n_failures))
        self._failures.move_to_end(address)
        times.append(now)
        if len(times) == times.maxlen and now - times[0] <= self._limits.failure_s:
            self._until[address] = now + self._limits.lockout_s
            del self._failures[address]
        for known in (self._failures, self._until):
            while len(known) > self._limits.n_addresses:
                known.popitem(last=False)


class Rate:
    """Requests per minute of each key: a bucket that fills evenly."""

    def __init__(self, limits: Limits, clock: Clock = time.monotonic) -> None:
        """Every bucket is full."""
        self._size = limits.key_per_minute
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key_id: str) -> None:
        """Count a request.

        Raises:
            Refusal: 429, with the time until the next is allowed.
        """
        now = self._clock()
        left, since = self._buckets.get(key_id, (float(self._size), now))
        left = min(self._size, left + (now - since) * self._size / 60)
        if left < 1:
            self._buckets[key_id] = (left, now)
            wait_s = int((1 - left) * 60 / self._size) + 1
            raise Refusal(
                429, "rate_limit", f"this key may ask {self._size} times a minute",
                retry_after_s=wait_s,
            )  # fmt: skip
        self._buckets[key_id] = (left - 1, now)

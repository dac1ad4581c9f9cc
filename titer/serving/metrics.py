"""Counters in the form of Prometheus; no label holds what a client wrote."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from titer.serving.audit import Entry

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Those of one gateway: its own registry, so that two in one process do not mix."""

    def __init__(self) -> None:
        """All at zero."""
        self._registry = CollectorRegistry()
        self._latency = Histogram(
            "titer_request_seconds", "From the first byte of a request to the last of its reply",
            ["endpoint"], registry=self._registry, buckets=SECONDS,
        )  # fmt: skip
        self._requests = Counter(
            "titer_requests", "Requests by status and outcome", ["endpoint", "status", "outcome"],
            registry=self._registry,
        )  # fmt: skip
        self._fallbacks = Counter(
            "titer_fallbacks", "Answers of the base in place of a domain's version", ["domain"],
            registry=self._registry,
        )  # fmt: skip
        self._refusals = Counter(
            "titer_refusals", "Requests without an answer, by reason", ["reason"],
            registry=self._registry,
        )  # fmt: skip
        self._tokens = Counter("titer_new_tokens", "Tokens made", registry=self._registry)
        self.waiting = Gauge(
            "titer_waiting", "Answers asked for and not finished", registry=self._registry
        )

    def count(self, entry: Entry) -> None:
        """Take in a request that has ended."""
        self._latency.labels(entry.endpoint).observe(entry.latency_ms / 1000)
        self._requests.labels(entry.endpoint, str(entry.status), entry.outcome).inc()
        self._tokens.inc(entry.n_new_tokens)
        if entry.fallback:
            self._fallbacks.labels(entry.domain or "").inc()
        if entry.outcome != "ok":
            self._refusals.labels(entry.outcome).inc()

    def text(self) -> bytes:
        """What a scraper reads."""
        return generate_latest(self._registry)

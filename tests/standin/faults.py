"""What can go wrong with one answer. A script of faults is a deque; None in it means healthy."""

import re
from dataclasses import dataclass

HTML = (
    b"<!DOCTYPE html><html><head><title>Error Blocked Diagnostic</title></head>"
    b"<body><p>Access Denied</p></body></html>"
)
JSON = b'{"error":"API rate limit exceeded","count":"11"}'
ERROR = (
    b'<?xml version="1.0"?>\n<%s><ERROR>Search Backend failed: Database is not supported: pubmed'
    b"</ERROR></%s>"
)
WARNINGS = (
    b"<ErrorList><PhraseNotFound>wrods</PhraseNotFound></ErrorList><WarningList><OutputMessage>"
    b"No items found.</OutputMessage></WarningList></eSearchResult>"
)
ERROR_FEED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom" '
    b'xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/"><id>https://arxiv.org/api/e</id>'
    b"<title>ArXiv Query</title><updated>2024-01-01T00:00:00Z</updated>"
    b"<opensearch:totalResults>1</opensearch:totalResults><opensearch:startIndex>0"
    b"</opensearch:startIndex><opensearch:itemsPerPage>1</opensearch:itemsPerPage><entry>"
    b"<id>https://arxiv.org/api/errors#x</id><title>Error</title>"
    b"<summary>incorrect id format for 1234</summary><updated>2024-01-01T00:00:00Z</updated>"
    b"<published>2024-01-01T00:00:00Z</published></entry></feed>"
)


KEY_REFUSED = b'{"error":"API key invalid","api-key":"%s","type":"ip","status":"unknown"}'


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Before the records are looked up: status, reset, stall, html, json, error, error_feed.
    With the records: drop, dup, empty, short, repeat, shuffle. With the body: bad_byte, bad_utf8,
    new_dtd, new_tag, no_id, no_summary, total, warning. On the way: cut_length, cut_chunked,
    cut_silent, cut_gzip, gzip, stall_body, drip.
    """

    kind: str
    status: int = 0
    retry_after: str | None = None
    body: bytes = b"<html><body>Server Error</body></html>"
    amount: int = 3
    """Records dropped, repeated or left."""
    seconds: float = 0.0
    """Of a stall, or between two bytes of a drip."""
    location: str | None = None
    """Of a redirect."""

    @property
    def headers(self) -> list[tuple[str, str]]:
        """What the status line is followed by."""
        pairs = [("Retry-After", self.retry_after), ("Location", self.location)]
        return [(name, value) for name, value in pairs if value]


def chosen(fault: Fault | None, wanted: list[str]) -> list[str]:
    """The records that a faulty server gives instead of the wanted ones."""
    if fault is None:
        return wanted
    changed = {
        "drop": wanted[: -fault.amount],
        "dup": wanted + wanted[: fault.amount],
        "empty": [],
        "short": wanted[: fault.amount],
        "shuffle": sorted(wanted, key=lambda one: one[::-1]),
    }
    return changed.get(fault.kind, wanted)


def changed(fault: Fault | None, body: bytes) -> bytes:
    """The body that a faulty server sends instead."""
    edits = {
        "bad_byte": (rb"<ArticleTitle>", b"<ArticleTitle>\x01"),
        "bad_utf8": (rb"<ArticleTitle>", b"<ArticleTitle>\xff"),
        "new_dtd": (rb"pubmed_250101\.dtd", b"pubmed_990101.dtd"),
        "new_tag": (rb"<MedlineJournalInfo>", b"<New>tag</New><MedlineJournalInfo>"),
        "no_id": (rb"<entry><id>.*?</id>", b"<entry>"),
        "no_summary": (rb"<summary>[^<]*</summary>", b""),
        "total": (rb"(totalResults>)\d+<", rb"\g<1>7777<"),
        "warning": (rb"</eSearchResult>", WARNINGS),
    }
    if fault is None or fault.kind not in edits:
        return body
    return re.sub(*edits[fault.kind], body, count=1)

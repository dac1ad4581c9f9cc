"""One request through urllib: with a time limit, to the configured host, read to its end."""

import http.client
import time
import urllib.error
import urllib.request
import zlib
from email.message import Message
from io import BytesIO
from typing import Any

from titer.addresses import is_local
from titer.literature.http import (
    LARGEST_ANSWER,
    Line,
    Unusable,
    check_host,
    collected,
    status_fault,
)


class Answer(BytesIO):
    """A whole answer with what Biopython looks at."""

    def __init__(self, body: bytes, headers: Message, url: str) -> None:
        """Keep the answer in memory."""
        super().__init__(body)
        self.headers = headers
        self.url = url


class Transport:
    """Sends requests made for an official host to the configured one and to no other."""

    def __init__(self, line: Line, official: str, base_url: str) -> None:
        """`official` is the beginning of an address that `base_url` replaces."""
        self.line = line
        self.official = official
        self.base_url = base_url
        handlers: list[urllib.request.BaseHandler] = [_SameHost(base_url)]
        if is_local(base_url):
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)
        self._opener.addheaders = [("User-Agent", "titer")]

    def open(self, request: urllib.request.Request, what: str) -> Answer:
        """The whole answer.

        Raises:
            Unusable: no answer, a cut one, or a status that may pass.
            SourceError: a status that will not pass, or another host.
        """
        address = request.full_url.replace(self.official, self.base_url, 1)
        check_host(address, self.base_url)
        ours = urllib.request.Request(
            address, request.data, {"Accept-Encoding": "gzip"}, method=request.method
        )
        timeout_s = self.line.patience.timeout_s
        try:
            with self._opener.open(ours, timeout=timeout_s) as answer:
                deadline = time.monotonic() + 20 * timeout_s
                body = collected(iter(lambda: answer.read1(65536), b""), deadline=deadline)
                length = answer.headers.get("Content-Length")
                if length is not None and int(length) != len(body):
                    raise Unusable("cut")
                if answer.headers.get("Content-Encoding") == "gzip":
                    body = unzipped(body)
                return Answer(body, answer.headers, address)
        except urllib.error.HTTPError as error:
            status_fault(self.line, error.code, _text(error), error.headers, what)
        except urllib.error.URLError as error:
            raise Unusable(f"no connection to {self.base_url}: {error.reason}") from None
        except (http.client.HTTPException, OSError) as error:
            raise Unusable(type(error).__name__) from None


def unzipped(body: bytes) -> bytes:
    """What a gzip body holds.

    Raises:
        Unusable: it is cut, damaged, or larger than any answer may be.
    """
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = unpacker.decompress(body, LARGEST_ANSWER)
    except zlib.error:
        raise Unusable("damaged gzip") from None
    if unpacker.unconsumed_tail:
        raise Unusable(f"more than {LARGEST_ANSWER} bytes")
    if not unpacker.eof:
        raise Unusable("cut gzip")
    return content


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a redirect within the configured host and refuses any other."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    def redirect_request(
        self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str
    ) -> Any:
        check_host(newurl, self.base_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _text(error: urllib.error.HTTPError) -> str:
    """The beginning of what a refusal says."""
    try:
        with error:
            return error.read(2000).decode("utf-8", "replace")
    except (http.client.HTTPException, OSError):
        return ""

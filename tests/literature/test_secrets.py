"""Key and e-mail address show up nowhere, and nobody but the configured host is asked."""

import json
import logging
import os
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.literature.conftest import EMAIL, KEY
from tests.standin.faults import Fault
from tests.standin.server import Server
from titer.errors import ConfigError, SourceError
from titer.literature.cache import Cache
from titer.literature.credentials import Credentials
from titer.literature.http import check_host

UNTIL = "2030-12-31"


def is_clean(text: str) -> bool:
    return not any(secret in text for secret in (KEY, EMAIL, "someone%40example.org"))


def test_repr_says_only_whether_they_are_set() -> None:
    assert repr(Credentials(EMAIL, KEY)) == "Credentials(email set, api_key set)"
    assert repr(Credentials()) == "Credentials(email not set, api_key not set)"


def test_they_cannot_be_serialised() -> None:
    with pytest.raises(TypeError, match="never serialised"):
        pickle.dumps(Credentials(EMAIL, KEY))


def test_they_come_from_the_environment() -> None:
    found = Credentials.from_environment({"NCBI_EMAIL": f" {EMAIL}", "NCBI_API_KEY": ""})
    assert (found.email, found.api_key) == (EMAIL, None)


def test_a_file_gives_what_the_environment_lacks(tmp_path: Path) -> None:
    before = dict(os.environ)
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"# mine\nNCBI_EMAIL=other@example.org\nexport NCBI_API_KEY='{KEY}$x'\n")
    found = Credentials.from_environment({"NCBI_EMAIL": EMAIL, "NCBI_API_KEY": ""}, dotenv)
    assert (found.email, found.api_key) == (EMAIL, f"{KEY}$x")
    assert dict(os.environ) == before


def test_a_file_may_be_absent_or_empty(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("")
    for name in (".env", "none"):
        found = Credentials.from_environment({}, tmp_path / name)
        assert (found.email, found.api_key) == ("", None)


def test_a_file_that_is_no_text_is_one_line_without_its_content(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(f"NCBI_API_KEY={KEY}\xff".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"\.env: not readable") as caught:
        Credentials.from_environment({}, tmp_path / ".env")
    assert is_clean("".join(traceback.format_exception(caught.value)))


def test_without_either_one_line_says_where_to_put_them() -> None:
    with pytest.raises(ConfigError, match=r"NCBI_EMAIL is not set.*export .*\.env") as caught:
        Credentials.from_environment({}).require_email()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("email", ["", "nobody"])
def test_an_address_is_required(email: str) -> None:
    with pytest.raises(ConfigError, match=r"^NCBI_EMAIL is not"):
        Credentials(email).require_email()


@pytest.mark.parametrize(
    "text", [KEY, EMAIL, "?email=someone%40example.org&x=1", f"&api_key={KEY}'", "api_key=other"]
)
def test_a_masked_text_is_clean(text: str) -> None:
    masked = Credentials(EMAIL, KEY).mask(f"at https://host/{text}")
    assert is_clean(masked)
    assert "***" in masked


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", 503),
        Fault("status", 429),
        Fault("status", 400, body=f"key {KEY} of {EMAIL} invalid".encode()),
        Fault("error"),
        Fault("reset"),
    ],
    ids=["503", "429", "400 that echoes", "ERROR", "reset"],
)
def test_errors_tracebacks_and_logs_are_clean(
    server: Server,
    pubmed_client: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
) -> None:
    caplog.set_level(logging.DEBUG)
    server.faults["esearch"].extend([fault] * 3)
    with pytest.raises(SourceError) as caught:
        pubmed_client().find("words", until=UNTIL)
    assert is_clean("".join(traceback.format_exception(caught.value)))
    assert is_clean(caplog.text)
    assert "\n" not in str(caught.value)


def test_the_cache_is_clean(
    pubmed_client: Callable[..., Any], arxiv_client: Callable[..., Any], cache: Cache
) -> None:
    client = pubmed_client(cache)
    list(client.fetch_each(client.find("words", until=UNTIL).ids))
    arxiv_client(cache).fetch("all:words", until=UNTIL)
    cache.note(client.line.counts())
    for path in filter(Path.is_file, cache.folder.rglob("*")):
        raw = cache.read(path.parent.name, path.name.split(".")[0]) if ".gz" in path.name else None
        assert is_clean((raw or path.read_bytes()).decode()), path
    json.dumps(client.line.counts())


def test_arxiv_never_sees_them(server: Server, arxiv_client: Callable[..., Any]) -> None:
    arxiv_client().fetch("all:words", until=UNTIL)
    assert is_clean(str(server.journal))


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:2/x", "https://127.0.0.1:1/x", "http://127.0.0.1:1@other/x"]
)
def test_another_host_is_refused(address: str) -> None:
    with pytest.raises(SourceError, match=r"only http://127\.0\.0\.1:1 is configured"):
        check_host(address, "http://127.0.0.1:1")


def test_pubmed_follows_no_redirect_to_another_host(
    server: Server, pubmed_client: Callable[..., Any]
) -> None:
    server.faults["esearch"].append(Fault("status", 302, location="http://other.invalid/x"))
    with pytest.raises(SourceError, match=r"refused to ask http://other\.invalid"):
        pubmed_client().find("words", until=UNTIL)


def test_arxiv_follows_no_redirect_to_another_host(
    server: Server, arxiv_client: Callable[..., Any]
) -> None:
    server.faults["query"].append(Fault("status", 302, location="http://other.invalid/x"))
    with pytest.raises(SourceError, match=r"refused to ask http://other\.invalid"):
        arxiv_client().fetch("all:words", until=UNTIL)


def test_a_proxy_is_not_asked_for_this_machine(
    server: Server,
    pubmed_client: Callable[..., Any],
    arxiv_client: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert pubmed_client().find("words", until=UNTIL).ids
    assert arxiv_client().fetch("all:words", until=UNTIL).ids

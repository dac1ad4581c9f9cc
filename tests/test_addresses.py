"""A key goes to an address that is one, over TLS or on this machine, and into no error."""

import pytest

from titer import addresses
from titer.errors import ConfigError

KEY = "sk-very-secret-0123456789"


def check(address: str, key: str | None = KEY) -> None:
    addresses.check(address, key, option="--url", variable="SOME_KEY")


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("localhost:8000/v1", "--url: 'localhost:8000/v1' is no address. Give one like http://"),
        ("ftp://127.0.0.1/v1", "--url: 'ftp://127.0.0.1/v1' is no address"),
        ("http://", "--url: 'http://' is no address"),
        ("http://[::1/v1", "--url: 'http://[::1/v1' is no address"),
        ("http://user:hidden@127.0.0.1/v1", "--url: '127.0.0.1/v1' is no address"),
        ("https://:hidden@models.example/v1", "--url: 'models.example/v1' is no address"),
        ("https://@models.example/v1", "--url: 'models.example/v1' is no address"),
        (f"{KEY}", "--url: '***' is no address"),
        ("http://127.0.0.1:99999/v1", "--url: 'http://127.0.0.1:99999/v1' is no address"),
        ("http://127.0.0.1:abc/v1", "--url: 'http://127.0.0.1:abc/v1' is no address"),
        ("http://exa mple/v1", "--url: 'http://exa mple/v1' is no address"),
        ("http://models.example/v1", "--url: models.example is asked without TLS, and SOME_KEY"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_line_without_secrets(
    address: str, text: str
) -> None:
    with pytest.raises(ConfigError) as error:
        check(address)
    assert str(error.value).startswith(text)
    assert KEY not in str(error.value) and "hidden" not in str(error.value)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("https://models.example/v1", KEY),
        ("http://models.example/v1", None),
        ("http://127.0.0.1:8000/v1", KEY),
        ("http://localhost/v1", KEY),
        ("http://[::1]:8000/v1", KEY),
    ],
)
def test_tls_this_machine_and_no_key_are_fine(address: str, key: str | None) -> None:
    check(address, key)


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY} x", "sk-€", "sk-\x7f"])
def test_a_key_that_no_header_carries_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigError, match=r"^SOME_KEY: holds white space or a char") as error:
        check("https://models.example/v1", key)
    assert key.strip() not in str(error.value)


def test_words_of_a_service_are_one_short_line_without_the_key() -> None:
    shown = addresses.one_line(f"bad\n  key {KEY}\n" + "x" * 500, KEY)
    assert shown.startswith("bad key *** xxx")
    assert len(shown) == addresses.SHOWN_CHARS

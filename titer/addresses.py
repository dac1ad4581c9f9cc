"""Addresses of services that are asked with a key, and what of their answers may be shown.

Invariant: a key that is to be sent somewhere goes over TLS or stays on this machine.
"""

from urllib.parse import urlsplit

from titer.errors import ConfigError

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
"""Hosts that are this machine."""
SHOWN_CHARS = 200
"""Characters of a service's own words in an error."""


def is_local(address: str) -> bool:
    """Whether an address is this machine's."""
    return urlsplit(address).hostname in LOCAL


def check(address: str, key: str | None, *, option: str, variable: str) -> None:
    """Refuse what is no address, and a key that would travel in the clear.

    Args:
        address: of an OpenAI-compatible service, up to and with /v1.
        key: that goes there; null: none.
        option: that names the address, for the message.
        variable: of the environment, that holds the key.

    Raises:
        ConfigError: with what to give; never the key, a user name or a password.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname if parts.scheme in ("http", "https") else None
        _ = parts.port  # raises where it is none
    except ValueError:  # a bracket too few
        host = None
    # a password may stand there without a user name
    if not host or _has_space(address) or "@" in parts.netloc:
        shown = one_line(address.rpartition("@")[2], key)
        raise ConfigError(
            f"{option}: {shown!r} is no address. Give one like http://127.0.0.1:8000/v1, without "
            f"a user name; the key is {variable}"
        )
    if key and (_has_space(key) or not (key.isascii() and key.isprintable())):
        raise ConfigError(
            f"{variable}: holds white space or a character that no header may carry. Set it again"
        )
    if key and parts.scheme == "http" and host not in LOCAL:
        raise ConfigError(
            f"{option}: {host} is asked without TLS, and {variable} would be readable on the way. "
            "Give an https address, or unset the key"
        )


def _has_space(text: str) -> bool:
    return len(text.split()) != 1 or text != text.strip()


def one_line(text: str, key: str | None) -> str:
    """The beginning of a service's words on one line, the key taken out."""
    line = " ".join(text.split())
    return (line.replace(key, "***") if key else line)[:SHOWN_CHARS]

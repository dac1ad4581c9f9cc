"""The two secrets of a live run, read once at the edge and never written anywhere."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Self
from urllib.parse import quote, quote_plus

from titer.errors import ConfigError

_PARAMETERS = re.compile(r"\b(api_key|email)=[^&\s'\"<>]+")


@dataclass(frozen=True, repr=False)
class Credentials:
    """E-mail and key of the user at NCBI; neither shows in repr, logs, errors or pickles."""

    email: str = ""
    """NCBI asks for a valid address with every request."""
    api_key: str | None = None
    """Raises the limit from 3 to 10 requests per second."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str], dotenv: Path | None = None) -> Self:
        """The values of NCBI_EMAIL and NCBI_API_KEY, empty where they are not set.

        Args:
            env: the environment, which wins.
            dotenv: a file of `NAME=value` lines, absent or not; the environment stays as it is.

        Raises:
            ConfigError: the file cannot be read.
        """
        kept = _of_file(dotenv) if dotenv is not None else {}
        email, key = (
            (env.get(name) or kept.get(name) or "").strip()
            for name in ("NCBI_EMAIL", "NCBI_API_KEY")
        )
        return cls(email, key or None)

    def require_email(self) -> None:
        """Refuse to ask PubMed without an address.

        Raises:
            ConfigError: there is no address, or it is none.
        """
        if not self.email:
            raise ConfigError(
                "NCBI_EMAIL is not set: papers.source=live asks PubMed, which wants the e-mail "
                "address of its user. Set it: export NCBI_EMAIL=<your address>, or a line "
                "NCBI_EMAIL=<your address> in .env beside params.yaml"
            )
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", self.email):
            raise ConfigError("NCBI_EMAIL is not an e-mail address: set it to name@host")

    def mask(self, text: str) -> str:
        """The text with both values, also URL-quoted, replaced by `***`."""
        for secret in filter(None, (self.api_key, self.email)):
            for form in {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}:
                text = text.replace(form, "***")
        return _PARAMETERS.sub(r"\1=***", text)

    def __repr__(self) -> str:
        """Whether the values are set, never the values."""
        email, key = ("set" if value else "not set" for value in (self.email, self.api_key))
        return f"Credentials(email {email}, api_key {key})"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled.

        Raises:
            TypeError: always.
        """
        raise TypeError("Credentials are never serialised")


def _of_file(path: Path) -> Mapping[str, str | None]:
    """The lines of a .env file, `$` taken literally."""
    from dotenv import dotenv_values

    try:
        return dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: not readable ({type(error).__name__}): save it as text"
        ) from None

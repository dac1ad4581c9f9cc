"""Names and numbers of versions: `autoimmune-qlora@v1.0.0`, and which number comes next.

Invariant: a number is never given twice, not even where its version was retired.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from titer.errors import ConfigError, did_you_mean
from titer.registry.record import Record

ARMS = ("qlora", "full")

_NAME = re.compile(r"(?P<domain>[A-Za-z0-9][A-Za-z0-9_-]*)-(?P<arm>qlora|full)")
_NUMBER = re.compile(r"v(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})")


@dataclass(frozen=True)
class Name:
    """What is versioned: one fine-tune of one domain."""

    domain: str
    arm: str
    """qlora or full."""

    def __str__(self) -> str:
        """As it stands in tags and under `artifacts:`."""
        return f"{self.domain}-{self.arm}"

    @property
    def path(self) -> str:
        """The model's folder below the project's."""
        return f"models/{self.arm}"


class Number(NamedTuple):
    """A semantic version."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        """`v1.0.0`."""
        return f"v{self.major}.{self.minor}.{self.patch}"


FIRST = Number(1, 0, 0)


def parse_name(text: str, domains: Collection[str]) -> Name:
    """The name that a text spells.

    Raises:
        ConfigError: not `<domain>-qlora` or `<domain>-full`, or a domain without a file.
    """
    found = _NAME.fullmatch(text)
    if found is None or found["domain"] not in domains:
        known = [f"{domain}-{arm}" for domain in sorted(domains) for arm in ARMS]
        raise ConfigError(
            f"{text[:80]!r} is no name of a model; expected one of {', '.join(known)}"
            f"{did_you_mean(text, known)}"
        )
    return Name(found["domain"], found["arm"])


def in_tag(text: str) -> Name | None:
    """The name that a tag bears, of whatever domain; null where it is none of ours."""
    found = _NAME.fullmatch(text)
    return Name(found["domain"], found["arm"]) if found else None


def parse_number(text: str) -> Number:
    """The number that a text spells.

    Raises:
        ConfigError: not of the form v1.0.0.
    """
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ConfigError(f"{text[:80]!r} is no version; expected the form v1.0.0")
    return Number(*map(int, found.groups()))


def parse(text: str, domains: Collection[str]) -> tuple[Name, Number | None]:
    """Name and number of `name@v1.0.0`; of a name alone the number is null.

    Raises:
        ConfigError: the name or the number is wrong.
    """
    name, at, number = text.partition("@")
    return parse_name(name, domains), parse_number(number) if at else None


def next_number(taken: Iterable[Number], last: Record | None, new: Record) -> tuple[Number, str]:
    """The number of the next version and why it is that one.

    A new base raises the first place, other weights the second, another judgement of the same
    weights the third: the rule of semantic versions, with what changes the answers first.

    Args:
        taken: every number ever given, retired ones too.
        last: what the highest of them is bound to; null where there is none.
        new: what is registered.

    Raises:
        ConfigError: nothing changed since the last version.
    """
    numbers = sorted(taken)
    if not numbers or last is None:
        return FIRST, "the first version"
    top = numbers[-1]
    if new.base != last.base:
        return Number(top.major + 1, 0, 0), "a new base model"
    if new.weights_sha256 != last.weights_sha256:
        return Number(top.major, top.minor + 1, 0), _why_other_weights(last, new)
    if new.judgement != last.judgement:
        return Number(top.major, top.minor, top.patch + 1), "the same weights judged anew"
    raise ConfigError(
        f"{top} already has this base, these weights and this verdict; nothing new to register"
    )


def _why_other_weights(last: Record, new: Record) -> str:
    if last.data_sha256 is None or new.data_sha256 is None:
        return "other weights"
    return "new data" if new.data_sha256 != last.data_sha256 else "new settings"

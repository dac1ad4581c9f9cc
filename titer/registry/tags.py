"""Versions and activations as GTO keeps them: annotated Git tags, and no other state.

Invariant: history is only added to. Activations are ordered by the counter in their tags, since
two of them may bear the same second.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from titer import files
from titer.errors import ConfigError, DataError, NotFound, did_you_mean
from titer.registry.names import Name, Number, in_tag, parse_number
from titer.registry.record import Record, from_text

STAGE = "active"
"""GTO's stage of the version that serves."""

ACTIVATE, ROLLBACK, WITHDRAW = "activate", "rollback", "withdraw"


@dataclass(frozen=True)
class Version:
    """One registered version."""

    name: Name
    number: Number
    commit: str
    registered_at: str
    """ISO 8601, UTC: the date of its tag."""
    by: str
    record: Record
    retired: str | None = None
    """Why it was retired; null while it is not."""

    def __str__(self) -> str:
        """`autoimmune-qlora@v1.0.0`."""
        return f"{self.name}@{self.number}"


@dataclass(frozen=True)
class Activation:
    """That a version began to serve, or that the last one stopped."""

    action: str
    """activate, rollback or withdraw."""
    number: Number
    at: str
    """ISO 8601, UTC."""
    by: str
    forced: bool
    verdict: str
    reason: str


@dataclass(frozen=True)
class History:
    """All that happened to one name."""

    name: Name
    versions: dict[Number, Version] = field(default_factory=dict)
    """By number, the lowest first; retired ones too."""
    activations: list[Activation] = field(default_factory=list)
    """The oldest first."""

    @property
    def served(self) -> list[Number]:
        """What served and would again if each later one were rolled back, the oldest first.

        The last one is active, or was withdrawn or retired and none took its place.
        """
        stack: list[Number] = []
        for event in self.activations:
            if event.action == ACTIVATE:
                stack.append(event.number)
            elif event.action == ROLLBACK:
                while stack and stack[-1] != event.number:
                    stack.pop()
        return stack

    @property
    def active(self) -> Version | None:
        """The version that serves; null before the first and since the last was taken away.

        Another clone may have retired it without knowing that it serves here.
        """
        if not self.activations or self.activations[-1].action == WITHDRAW:
            return None
        last = self.versions[self.served[-1]]
        return last if last.retired is None else None

    def get(self, number: Number) -> Version:
        """The version of a number.

        Raises:
            NotFound: there is none; names those that are.
        """
        if number not in self.versions:
            known = [str(one) for one in self.versions]
            there = f"there are {', '.join(known)}{did_you_mean(number, known)}" if known else (
                f"{self.name} has no version yet"
            )  # fmt: skip
            raise NotFound(
                f"{self.name}@{number} is not registered; {there}. See: titer model list"
            )
        return self.versions[number]


def names(root: Path) -> list[Name]:
    """Every name that has a version, in order; of domains too whose file is gone.

    Raises:
        DataError: no Git repository.
    """
    with _gto() as api:
        events = list(api.history(str(root)))
    found = {event["artifact"] for event in events if event["event"] == "registration"}
    return [name for text in sorted(found) if (name := in_tag(text)) is not None]


def read(root: Path, name: Name) -> History:
    """All versions and activations of a name.

    Raises:
        DataError: no Git repository, a tag that Titer did not write, or one that is missing here.
    """
    with _gto() as api:
        events = list(api.history(str(root), str(name)))
    by_kind: dict[str, list[Any]] = {}
    for event in events:
        by_kind.setdefault(event["event"], []).append(event)
    retired = {event["version"]: event["message"] for event in by_kind.get("deregistration", ())}
    found = [_version(name, event, retired) for event in by_kind.get("registration", ())]
    moves = by_kind.get("assignment", []) + by_kind.get("unassignment", [])
    moves = sorted((event for event in moves if event["stage"] == STAGE), key=_counter)
    activations = [_activation(event) for event in moves]
    _check_whole(name, moves, activations)
    versions = {version.number: version for version in sorted(found, key=lambda one: one.number)}
    return History(name, versions, activations)


def _check_whole(name: Name, moves: list[Any], activations: list[Activation]) -> None:
    """Refuse a rollback to what never served here.

    Gaps between the counters are no sign: GTO counts its other stages too, and a tag may be
    deleted.
    """
    for place, one in enumerate(activations):
        before = History(name, activations=activations[:place])
        if one.action == ROLLBACK and one.number not in before.served:
            raise DataError(
                f"{moves[place]['ref']}: goes back to {one.number}, whose activations are missing "
                f"here (first is #{_counter(moves[0])}). Run: git fetch --tags"
            )


def _version(name: Name, event: Any, retired: dict[str, str]) -> Version:
    ref = event["ref"]
    try:
        number = parse_number(event["version"])
    except ConfigError as error:  # GTO's versions may have more parts, such as -rc1
        raise DataError(f"{ref}: {error}. Delete the tag: git tag -d '{ref}'") from None
    return Version(
        name=name,
        number=number,
        commit=event["commit"],
        registered_at=_utc(event),
        by=event["author"],
        record=from_text(event["message"], ref),
        retired=retired.get(event["version"]),
    )


def _activation(event: Any) -> Activation:
    ref = event["ref"]
    try:
        number = parse_number(event["version"])
    except ConfigError:  # GTO names a commit without a version by its hash
        raise DataError(
            f"{ref}: the version that it activates has no tag here. Run: git fetch --tags"
        ) from None
    try:
        said = files.parse_json(event["message"])
        action, forced, verdict, reason = (
            said[key] for key in ("action", "forced", "verdict", "reason")
        )
        if action not in (ACTIVATE, ROLLBACK, WITHDRAW):
            raise ValueError(action)
    except (ValueError, TypeError, KeyError):
        raise _not_ours(ref) from None
    return Activation(action, number, _utc(event), event["author"], forced, verdict, reason)


def _utc(event: Any) -> str:
    return str(event["timestamp"].strftime("%Y-%m-%dT%H:%M:%SZ"))


def _counter(event: Any) -> int:
    counter = event["ref"].rpartition("#")[2]
    if not counter.isdecimal():  # `gto assign --simple true` counts none
        raise _not_ours(event["ref"])
    return int(counter)


def _not_ours(ref: str) -> DataError:
    return DataError(f"{ref}: not a tag of `titer model activate`. Delete it: git tag -d '{ref}'")


def register(root: Path, name: Name, number: Number, record: Record) -> None:
    """Tag the present commit as a version.

    Raises:
        DataError: GTO refuses, such as a commit that is a version already.
    """
    with _gto() as api:
        api.register(str(root), str(name), "HEAD", version=str(number), message=record.to_text())


def activate(root: Path, version: Version, action: str, *, forced: bool, reason: str) -> None:
    """Tag a version as the one that serves, with who asked, when, why and whether by force.

    Raises:
        DataError: GTO refuses.
    """
    message = _message(version, action, forced, reason)
    with _gto() as api:  # force: a version may come to serve more than once
        api.assign(
            str(root), str(version.name), STAGE, version=str(version.number), message=message,
            force=True,
        )  # fmt: skip


def withdraw(root: Path, version: Version, reason: str) -> None:
    """Tag that a version stopped serving and none took its place.

    Raises:
        DataError: GTO refuses.
    """
    message = _message(version, WITHDRAW, True, reason)
    with _gto() as api:
        api.unassign(
            str(root), str(version.name), version=str(version.number), stage=STAGE, message=message
        )


def retire(root: Path, version: Version, reason: str) -> None:
    """Tag a version as one that may not serve again.

    Raises:
        DataError: GTO refuses.
    """
    with _gto() as api:
        api.deregister(str(root), str(version.name), version=str(version.number), message=reason)


def _message(version: Version, action: str, forced: bool, reason: str) -> str:
    verdict = version.record.verdict
    said = {"action": action, "forced": forced, "verdict": verdict, "reason": reason}
    return files.dump_json(said)


@contextmanager
def _gto() -> Iterator[Any]:
    """GTO's functions; what they refuse becomes one line."""
    from gto import api
    from gto.exceptions import GTOException
    from scmrepo.exceptions import SCMError

    try:
        yield api
    except (GTOException, SCMError) as error:
        raise DataError(" ".join(str(error).split()) or type(error).__name__) from None

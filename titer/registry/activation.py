"""Which version serves: activate, roll back, retire.

Invariant: a version without a good verdict serves only by force, and its tag says so for good.
"""

import logging
from pathlib import Path

from titer.errors import AdapterError
from titer.registry import tags
from titer.registry.names import Name, Number
from titer.registry.record import FIT_TO_ACTIVATE, one_line
from titer.registry.tags import Version

log = logging.getLogger(__name__)


def activate(
    root: Path, name: Name, number: Number, *, force: bool = False, reason: str = ""
) -> Version:
    """Make a version the one that serves.

    Args:
        root: the project.
        name: of the model.
        number: of the version.
        force: whatever its verdict; the tag records it.
        reason: for the record; needed with force.

    Raises:
        NotFound: no such version.
        AdapterError: retired, active already, or its verdict is neither helped nor equivalent.
        DataError: force without a reason.
    """
    history = tags.read(root, name)
    version = history.get(number)
    _check_usable(version)
    if history.active == version:
        raise AdapterError(f"{version} is active already")
    forced = not version.record.is_fit
    if forced and not force:
        raise AdapterError(
            f"{version}: its verdict is {version.record.verdict}; only "
            f"{' and '.join(FIT_TO_ACTIVATE)} are activated. If you must: --force --reason 'why', "
            "which is recorded"
        )
    text = one_line("--reason", reason, needed=forced)
    if forced:
        log.warning("%s is activated by force: verdict %s", version, version.record.verdict)
    tags.activate(root, version, tags.ACTIVATE, forced=forced, reason=text)
    return version


def rollback(root: Path, name: Name, *, reason: str = "") -> tuple[Version, Version]:
    """Let the version serve that served before the active one, or before one withdrawn last.

    Each further call goes one more back; a version that was retired since is passed over, one that
    served by force before needs no second force and is marked again.

    Returns:
        The version that served last, and the one that serves now.
    Raises:
        AdapterError: nothing served before.
    """
    history = tags.read(root, name)
    served = history.served
    before = [number for number in served[:-1] if history.get(number).retired is None]
    before = [number for number in before if number != served[-1]]
    if not before:
        raise AdapterError(f"{name}: no other version served before; nothing to go back to")
    left, version = history.get(served[-1]), history.get(before[-1])
    forced, text = not version.record.is_fit, one_line("--reason", reason, needed=False)
    tags.activate(root, version, tags.ROLLBACK, forced=forced, reason=text)
    return left, version


def retire(root: Path, name: Name, number: Number, *, reason: str, force: bool = False) -> Version:
    """Take a version out of use; its tag, its record and its bytes stay.

    Args:
        root: the project.
        name: of the model.
        number: of the version.
        reason: for the record.
        force: also where it serves; then none serves.

    Raises:
        NotFound: no such version.
        AdapterError: retired already, or active.
        DataError: no reason.
    """
    history = tags.read(root, name)
    version = history.get(number)
    _check_usable(version)
    text = one_line("--reason", reason, needed=True)
    if history.active == version:
        if not force:
            raise AdapterError(
                f"{version} is active. First: titer model activate another, or titer model "
                f"rollback {name}; or --force, after which none serves"
            )
        tags.withdraw(root, version, text)
    tags.retire(root, version, text)
    return tags.read(root, name).get(number)


def _check_usable(version: Version) -> None:
    if version.retired is not None:
        raise AdapterError(f"{version} is retired ({version.retired}). See: titer model list")

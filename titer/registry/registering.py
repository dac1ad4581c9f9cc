"""Make the model of the present commit a version."""

from pathlib import Path

from titer.errors import ConfigError
from titer.registry import record, repository, tags
from titer.registry.names import Name, next_number
from titer.registry.tags import Version


def register(root: Path, name: Name, *, domain: str, description: str) -> tuple[Version, str]:
    """Tag the present commit as the next version of a name.

    Args:
        root: the project, its pipeline run and all of it committed.
        name: what is registered.
        domain: that params.yaml chooses.
        description: a line for people.

    Returns:
        The version, and why it has its number.
    Raises:
        ConfigError: the name is of another domain than the results.
        DataError: uncommitted changes, a fine-tune that did not run, or nothing new.
        BaseMismatch: the weights are not those that were judged.
    """
    if name.domain != domain:
        raise ConfigError(
            f"{name}: params.yaml chooses the domain {domain}, so these results are of "
            f"{domain}-{name.arm}"
        )
    repository.check_artifact(root, name.domain, name.arm, name.path)
    repository.check_clean(root)
    new = record.read(root, name.arm, description)
    known = tags.read(root, name)
    last = list(known.versions.values())[-1] if known.versions else None
    number, why = next_number(known.versions, last.record if last else None, new)
    tags.register(root, name, number, new)
    return tags.read(root, name).get(number), why

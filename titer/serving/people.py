"""Who asks, as the store and an experiment know them: pseudonyms that belong to a key.

Invariant: no name that a client sends is kept, only its hash together with the key's id.
"""

from titer import files
from titer.serving.catalogue import Catalogue
from titer.serving.experiments import Experiment
from titer.serving.keys import Key


def person(key: Key, user: str | None) -> str:
    """Pseudonym of a person: the key's id, and a hash of the user where the client names one.

    Without a user the key stands for the person, so give each person a key or name the user.
    """
    if user is None:
        return key.id
    return f"{key.id}.{files.sha256_text(files.dump_json([key.id, user]))[:16]}"


def belongs_to(key: Key, pseudonym: str | None) -> bool:
    """Whether a person is one of a key's."""
    return pseudonym is not None and pseudonym.split(".")[0] == key.id


def assigned(
    catalogue: Catalogue,
    experiments: dict[str, Experiment],
    key: Key,
    name: str,
    user: str | None,
) -> str:
    """The name to ask for: of a domain with a running experiment the version of the person's arm.

    A version that is named is that version; a domain that the key does not open stays as it is, to
    be refused like any other.
    """
    plan = experiments.get(name)
    if plan is None or name not in catalogue.domains or not key.opens(name):
        return name
    return plan.version(person(key, user))

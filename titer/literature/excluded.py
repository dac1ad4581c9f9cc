"""The user's list of papers that nothing may be learned from: data/own/<domain>/excluded.txt.

Invariant: a line is an id or a comment; adding never changes a line that is there.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from titer import files
from titer.errors import ConfigError, FormatError
from titer.literature.links import unversioned

ALLOWED = "Write pmid:<number>, arxiv:<id> or a DOI"

_ID = re.compile(r"pmid:\d+|arxiv:\S+|10\.\d+/\S+")


def read_excluded(path: Path) -> frozenset[str]:
    """Ids on the list: `pmid:1`, `arxiv:2401.00001` or a DOI per line, # comments.

    Raises:
        FormatError: a line is none of these; begins with path:line.
    """
    found = set()
    for number, line in enumerate(files.read_text(path).splitlines(), 1):
        name = line.partition("#")[0].strip().lower()
        if name and not _ID.fullmatch(name):
            raise FormatError(f"{path}:{number}: {name!r} is no id. {ALLOWED}")
        found |= {unversioned(name)} if name else set()
    return frozenset(found)


def exclude(path: Path, names: Iterable[str]) -> list[str]:
    """Append ids to the list, whole or not at all.

    Args:
        names: a bare number is a PMID; `doi:` and an address before a DOI are taken off.
    Returns:
        The ids that were not there before, in the given order.
    Raises:
        ConfigError: a name is no id.
        FormatError: the list holds a line that is no id.
    """
    known = read_excluded(path)
    added = [name for name in dict.fromkeys(map(_spelled, names)) if name not in known]
    if added:
        text = files.read_text(path)
        end = "" if not text or text.endswith("\n") else "\n"
        files.write_text(path, text + end + "".join(f"{name}\n" for name in added))
    return added


def _spelled(name: str) -> str:
    """An id in the spelling of the list."""
    bare = name.strip().lower()
    bare = re.sub(r"^(?:https?://(?:dx\.)?doi\.org/|doi:\s*)", "", bare)
    bare = f"pmid:{bare}" if bare.isdigit() else bare
    if not _ID.fullmatch(bare):
        raise ConfigError(f"{name!r}: not the id of a paper. {ALLOWED}")
    return unversioned(bare)  # the paper is excluded, not one version of it

"""Where the conversations of a project lie."""

import os
from pathlib import Path

URL = "TITER_CONVERSATIONS_URL"
"""Environment variable with the URL of a PostgreSQL database, which holds its password."""


def place(root: Path) -> Path | str:
    """The URL of the environment, else the SQLite file of the project.

    Args:
        root: the project.
    """
    return os.environ.get(URL, "").strip() or root / "conversations" / "store.db"


def is_there(where: Path | str) -> bool:
    """Whether there is a store, or one is named: opening makes it where there is none."""
    return isinstance(where, str) or where.is_file()

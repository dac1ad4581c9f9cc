"""The share of a user's own rows, those of documents among them, in the training rows.

Invariant: what stays depends on the rows and the seed, never on their order; rows are left out of
the side that has too many, none are repeated.
"""

import logging
from collections.abc import Sequence

from titer.config import ExamplesSettings
from titer.examples.caps import place
from titer.examples.decontaminate import Leak
from titer.examples.normalise import DOCUMENT, OWN
from titer.records import Example

logger = logging.getLogger(__name__)

MIX = "cap:mix"
"""Stands for the rule in the ledger."""


def mix(rows: Sequence[Example], settings: ExamplesSettings) -> tuple[list[Example], list[Leak]]:
    """The training rows that stay, sorted by id, and the others for the ledger.

    Args:
        rows: of the training split.
        settings: mix (null: all stay) and the seed.
    """
    share = settings.mix
    own = [row for row in rows if row.source in (OWN, DOCUMENT)]
    others = [row for row in rows if row.source not in (OWN, DOCUMENT)]
    if share is None:
        return list(rows), []
    if not own or not others:
        lacking = "of papers" if own else "of your own"
        logger.warning(
            "examples.mix = %s: no training rows %s, so nothing is mixed", share, lacking
        )
        return list(rows), []
    n_own = round(share / (1 - share) * len(others))
    n_others = round((1 - share) / share * len(own))
    kept, dropped = _first(own, max(1, n_own), settings.seed)
    more, beyond = _first(others, max(1, n_others), settings.seed)
    logger.info(
        "%d training rows of papers and %d of your own set aside: examples.mix = %s, the share of "
        "your own rows, leaves %d and %d",
        len(beyond), len(dropped), share, len(more), len(kept),
    )  # fmt: skip
    ledger = [Leak(row.id, row.paper_id, MIX, f"{share}", "") for row in (*dropped, *beyond)]
    return sorted((*kept, *more), key=lambda row: row.id), ledger


def _first(
    rows: Sequence[Example], n: int, seed: int
) -> tuple[Sequence[Example], Sequence[Example]]:
    order = sorted(rows, key=lambda row: place(seed, row))
    return order[:n], order[n:]

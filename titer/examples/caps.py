"""Balance: so many training examples per journal, per year and per recipe at most.

Invariant: what stays depends on the rows and the seed, never on their order; a limit leaves at
least one row of each journal, year and recipe, so no split is emptied.
"""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from titer.config import ExamplesSettings
from titer.examples.decontaminate import Leak
from titer.records import Example, Paper

logger = logging.getLogger(__name__)

JOURNAL, YEAR, RECIPE = "cap:journal", "cap:year", "cap:recipe"
"""Stand for the rule in the ledger."""


def cap(
    rows: Sequence[Example], papers_by_id: Mapping[str, Paper], settings: ExamplesSettings
) -> tuple[list[Example], list[Leak]]:
    """The training rows that stay, sorted by id, and the others for the ledger.

    A row whose paper names no journal or year, or that has no paper, is bound by recipe_share only.

    Args:
        rows: of the training split.
        papers_by_id: where journal and year stand.
        settings: per_journal and per_year (0: no limit), recipe_share (1: no limit) and the seed.
    """
    order = sorted(rows, key=lambda row: place(settings.seed, row))

    def journal(row: Example) -> str:
        paper = papers_by_id.get(row.paper_id)
        return ((paper.journal if paper else None) or "").casefold()

    def year(row: Example) -> str:
        paper = papers_by_id.get(row.paper_id)
        return ((paper.pub_date if paper else None) or "")[:4]

    order, dropped = _limit(order, journal, settings.per_journal, JOURNAL)
    order, more = _limit(order, year, settings.per_year, YEAR)
    dropped += more
    limit = _recipe_limit(Counter(row.recipe for row in order), settings.recipe_share)
    order, more = _limit(order, lambda row: row.recipe, limit, RECIPE)
    return sorted(order, key=lambda row: row.id), dropped + more


def place(seed: int, row: Example) -> tuple[str, str]:
    """Where a row stands in the order in which rows stay: chance, the same each time."""
    return hashlib.sha256(f"{seed}|cap|{row.id}".encode()).hexdigest(), row.id


def _limit(
    order: Sequence[Example], group_of: Callable[[Example], str], limit: int, rule: str
) -> tuple[list[Example], list[Leak]]:
    """The first `limit` rows of each group; 0 is no limit, and an empty name is no group."""
    kept, dropped = [], []
    seen: dict[str, int] = defaultdict(int)
    for row in order:
        group = group_of(row)
        seen[group] += 1
        if limit and group and seen[group] > limit:
            dropped.append(Leak(row.id, row.paper_id, rule, group, f"more than {limit}"))
        else:
            kept.append(row)
    return kept, dropped


def _recipe_limit(n_rows: Mapping[str, int], share: float) -> int:
    """Rows per recipe for which none has more than its share of all that then stay; 0: no limit.

    Fewer recipes than 1 / share cannot keep it: then all have as many as the smallest.
    """
    if share >= 1 or not n_rows:
        return 0
    if len(n_rows) * share < 1:
        logger.warning(
            "examples.recipe_share = %s: only %d recipes gave training examples, so each has %.2f",
            share, len(n_rows), 1 / len(n_rows),
        )  # fmt: skip
        share = 1 / len(n_rows)
    for limit in range(max(n_rows.values()), 1, -1):
        # the tolerance is for shares like 1/3
        if limit <= share * sum(min(n, limit) for n in n_rows.values()) + 1e-9:
            return limit
    return 1

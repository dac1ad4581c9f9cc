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
DOCUMENTS = "cap:documents"
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


def cap_documents(
    rows: Sequence[Example], settings: ExamplesSettings
) -> tuple[list[Example], list[Leak]]:
    """The rows that stay, in their order, and those beyond `max_examples` for the ledger.

    Only rows of documents count. Each document gives one row in turn, in an order by the seed, so
    that a long one does not crowd out the others.
    """
    by_work: dict[str, list[Example]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: place(settings.seed, row)):
        if row.document is not None:
            by_work[row.cluster_id].append(row)
    turns = [
        (turn, place(settings.seed, row), row)
        for work in by_work.values()
        for turn, row in enumerate(work)
    ]
    turns.sort(key=lambda entry: entry[:2])
    beyond = [row for _, _, row in turns[settings.max_examples :]]
    ids = {row.id for row in beyond}
    detail = f"more than {settings.max_examples}"
    dropped = [Leak(row.id, row.paper_id, DOCUMENTS, "documents", detail) for row in beyond]
    return [row for row in rows if row.id not in ids], dropped


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

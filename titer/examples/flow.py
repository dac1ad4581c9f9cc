"""What became of every record and every example, step by step, for stats.json.

Invariant: every record found and every example made is counted exactly once: a step less what it
leaves out is the next step.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from titer.examples import caps, generated
from titer.examples.build import DUPLICATE, Built, tally
from titer.examples.mix import MIX
from titer.records import Paper

LEAK_RULES = {
    "A": "rule A, same id",
    "B": "rule B, same title",
    "C": "rule C, same words",
    "D": "rule D, same short question",
    "E": "rule E, same meaning",
}
"""Rules of the contamination gate in the words of the flow."""

CAP_RULES = {
    caps.JOURNAL: "limit per journal",
    caps.YEAR: "limit per year",
    caps.RECIPE: "limit per recipe",
    caps.DOCUMENTS: "limit of documents",
    MIX: "share of own rows",
}
"""Rules of the ledger that keep the training rows in balance, in the words of the flow."""

STEPS = {
    "listed": "listed by queries, files",
    "found": "found, each once",
    "read": "readable as papers",
    "selected": "fit to teach",
    "used": "used, one per work",
    "teaching": "papers behind the rows",
    "given": "made, written or given",
    "made": "examples made",
    "clean": "asked by no benchmark",
    "distinct": "distinct",
    "offered": "of papers not held out",
    "rows": "rows to train and validate",
}
"""Steps of the flow in words, short enough for a box of the report's chart."""

ALWAYS = ("found", "used", "made")
"""Steps of the flow that stand in it even where they leave nothing out."""

Step = dict[str, Any]
"""`{step, what, n, left_out: {reason: n}}`; `what` says the step in words."""


def of_papers(
    papers: Sequence[Paper],
    built: Built,
    *,
    n_repeated: int,
    reasons: Mapping[str, Mapping[str, int]],
) -> list[Step]:
    """Steps from what queries or files listed to the papers that teach."""
    skipped, rejected = reasons["skipped"], reasons["rejected"]
    read = [("found", skipped), ("read", rejected)] if skipped else [("found", rejected)]
    left_out = [
        ("listed", {"listed more than once": n_repeated} if n_repeated else {}),
        *read,
        ("selected", reasons["duplicate"]),
        ("used", _idle_papers(papers, built)),
        ("teaching", {}),
    ]
    n_found = len(papers) + sum(sum(found.values()) for found in reasons.values())
    return _steps(n_repeated + n_found, left_out)


def of_examples(built: Built) -> list[Step]:
    """Steps from the examples made to the rows of train and validation.

    Rows of a language model or of a user that never became examples come before them. An example
    that several rules take out counts under the first of them.
    """
    first: dict[str, str] = {}
    for row in sorted(built.removed, key=lambda row: (len(row["rule"]), row["rule"])):
        if row["rule"] != generated.RULE:
            first.setdefault(row["example_id"], row["rule"])
    rules = tally(first.values())
    refused = _refused_rows(built)
    n_made = built.counts["examples_made"]
    n_heldout = n_made - len(first) - len(built.train) - len(built.validation)
    known = {*LEAK_RULES, DUPLICATE}
    left_out = [
        ("given", refused),
        ("made", {text: rules[name] for name, text in LEAK_RULES.items() if name in rules}),
        ("clean", {"equal prompt and answer": rules[DUPLICATE]} if DUPLICATE in rules else {}),
        ("distinct", {"of held-out papers": n_heldout} if n_heldout else {}),
        (
            "offered",
            {CAP_RULES.get(name, name): n for name, n in rules.items() if name not in known},
        ),
        ("rows", {}),
    ]
    return _steps(n_made + sum(refused.values()), left_out)


def _refused_rows(built: Built) -> dict[str, int]:
    """Rows of a language model or of a user that never became examples, by reason."""
    refused = Counter(row["item_id"] for row in built.removed if row["rule"] == generated.RULE)
    for reasons in built.counts.get("own", {}).get("left_out", {}).values():
        refused.update(reasons)
    return dict(sorted(refused.items()))


def _steps(n: int, left_out: Sequence[tuple[str, Mapping[str, int]]]) -> list[Step]:
    """The steps that leave something out, those that are always wanted, and the last one."""
    steps = []
    for name, reasons in left_out:
        if reasons or name in ALWAYS or name == left_out[-1][0]:
            steps.append({"step": name, "what": STEPS[name], "n": n, "left_out": dict(reasons)})
        n -= sum(reasons.values())
    return steps


def _idle_papers(papers: Sequence[Paper], built: Built) -> dict[str, int]:
    """Why a paper that was used has no row in train or validation."""
    heldout = {paper.paper_id for paper in built.heldout_papers}
    teaching = {row.paper_id for row in (*built.train, *built.validation)}
    emptied = {row["paper_id"] for row in built.removed}

    def fate(name: str) -> str:
        if name in heldout:
            return "held out"
        return "every example taken out" if name in emptied else "no recipe fits"

    return tally(fate(p.paper_id) for p in papers if p.paper_id not in teaching)


def n_repeated(ids: Mapping[str, Any], lists: Mapping[str, Sequence[Any]]) -> int:
    """How often a record was listed again, by another query or in another file."""
    listed = [
        (one["query_id"].partition(":")[0], name)
        for one in queries(ids)
        for name in one.get("ids", [])
    ]
    if listed:
        return len(listed) - len(set(listed))
    n_records: int = sum(one["records"] for one in ids.get("files", []))
    n_distinct = len(ids.get("papers", [])) + len(lists["skipped"])
    return max(0, n_records - n_distinct)


def queries(ids: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The queries of all services, as ids.json holds them."""
    return [one for name in ("pubmed", "arxiv") for one in ids.get(name, []) if one.get("query_id")]

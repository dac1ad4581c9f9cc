"""What the papers became, in numbers: stats.json, from which data card and report are written.

Invariant: no times and no order by chance. In `flow` every record found and every example made is
counted exactly once: a step less what it leaves out is the next step.
"""

import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from titer.examples.build import DUPLICATE, Built
from titer.records import Paper

NOT_KNOWN = "not known"
"""Stands for a licence that no source states."""

NOT_GIVEN = "not given"
"""Stands for what a record leaves out."""

LEAK_RULES = {
    "A": "rule A, same id",
    "B": "rule B, same title",
    "C": "rule C, same words",
    "D": "rule D, same short question",
    "E": "rule E, same meaning",
}
"""Rules of the contamination gate in the words of the flow."""

CAP_RULES = {
    "cap:journal": "limit per journal",
    "cap:year": "limit per year",
    "cap:recipe": "limit per recipe",
}
"""Rules of the ledger that keep the training rows in balance, in the words of the flow."""

NOT_GROUNDED = "grounding"
"""Rule of the ledger for rows of a language model that never became examples."""

WORD_EDGES = (0, 5, 10, 20, 40, 80, 160, 320, 640)
"""Lower ends of the bins of lengths in words; the last bin is open."""

SERVICES = {"europe_pmc": "Europe PMC", "retraction_watch": "Retraction Watch"}
"""Names of further sources of retractions, by their names in ids.json."""

RECORD_MARKS = "marks of the records themselves"
"""The source of retractions that costs no request: publication types and links of PubMed records,
withdrawal comments of arXiv."""

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


def of(
    *,
    papers: Sequence[Paper],
    copies: Sequence[Paper],
    built: Built,
    ids: Mapping[str, Any],
    lists: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:
    """Every count beyond those of `build`.

    Args:
        papers: one per work, those that examples were made from.
        copies: the other records of these works.
        built: what the papers became.
        ids: what was asked and found, as in ids.json.
        lists: rows with a reason each: skipped, rejected, duplicate.
    """
    reasons = {name: tally(_reason(row) for row in rows) for name, rows in lists.items()}
    rows = [*built.train, *built.validation]
    return {
        "found": len(papers) + sum(map(len, lists.values())),
        **{f"{name}_papers": found for name, found in reasons.items()},
        "flow": {
            "papers": paper_flow(papers, built, n_repeated=n_repeated(ids, lists), reasons=reasons),
            "examples": example_flow(built),
        },
        "asked": asked(ids),
        "missing_ids": [r["paper_id"] for r in lists["rejected"] if _reason(r) == "missing"],
        "retraction_sources": [
            RECORD_MARKS,
            *(SERVICES.get(name, name) for name in ids.get("retraction_sources", [])),
        ],
        **of_papers(papers),
        "sanitised_papers": sum(paper.sanitised for paper in (*papers, *copies)),
        "recipe_versions": {row.recipe: row.recipe_version for row in rows},
        "weak_examples": sum(row.weak for row in rows),
        "generated_examples": sum(row.generator is not None for row in rows),
        "words": {
            "prompts": word_lengths(row.prompt for row in rows),
            "answers": word_lengths(row.answer for row in rows),
        },
    }


def of_papers(papers: Sequence[Paper]) -> dict[str, Any]:
    """Years, sources, types, languages, licences and kind of text of the papers used."""
    years: dict[str, list[str]] = {}
    for paper in papers:
        years.setdefault((paper.pub_date or "")[:4] or NOT_GIVEN, []).append(paper.source)
    return {
        "papers_by_year": {year: tally(years[year]) for year in sorted(years)},
        "paper_licences": tally((p.license or {}).get("id") or NOT_KNOWN for p in papers),
        "publication_types": tally(t for p in papers for t in p.pub_types or [NOT_GIVEN]),
        "languages": tally(code for p in papers for code in p.language or [NOT_GIVEN]),
        "texts": tally("full text" if paper.body else "abstract" for paper in papers),
        "preprints": sum(paper.is_preprint for paper in papers),
        "papers_with_concern": sum(paper.concern for paper in papers),
        "synthetic_papers": sum(paper.synthetic for paper in papers),
    }


def paper_flow(
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


def example_flow(built: Built) -> list[Step]:
    """Steps from the examples made to the rows of train and validation.

    Rows of a language model or of a user that never became examples come before them. An example
    that several rules take out counts under the first of them.
    """
    first: dict[str, str] = {}
    for row in sorted(built.removed, key=lambda row: (len(row["rule"]), row["rule"])):
        if row["rule"] != NOT_GROUNDED:
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
    refused = Counter(row["item_id"] for row in built.removed if row["rule"] == NOT_GROUNDED)
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
        for one in _queries(ids)
        for name in one.get("ids", [])
    ]
    if listed:
        return len(listed) - len(set(listed))
    n_records: int = sum(one["records"] for one in ids.get("files", []))
    n_distinct = len(ids.get("papers", [])) + len(lists["skipped"])
    return max(0, n_records - n_distinct)


def asked(ids: Mapping[str, Any]) -> dict[str, Any]:
    """Source, snapshot, queries with hits and warnings, files with their records, files ignored."""
    keys = ("query_id", "query", "until", "count", "warnings")
    return {
        "source": ids.get("source"),
        "snapshot": ids.get("snapshot"),
        "queries": [
            {**{key: one.get(key) for key in keys}, "n_ids": len(one.get("ids", []))}
            for one in _queries(ids)
        ],
        "files": [{"name": one["name"], "records": one["records"]} for one in ids.get("files", [])],
        "ignored": list(ids.get("ignored", [])),
    }


def _queries(ids: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for name in ("pubmed", "arxiv") for one in ids.get(name, []) if one.get("query_id")]


def word_lengths(texts: Iterable[str]) -> dict[str, Any]:
    """Histogram and quartiles of lengths in words: `{edges, counts, quartiles}`.

    `edges` are the lower ends of the bins, the last one open; `quartiles` are minimum, quartiles
    and maximum, empty without a text.
    """
    lengths = sorted(len(text.split()) for text in texts)
    bins = Counter(bisect_right(WORD_EDGES, n) - 1 for n in lengths)
    return {
        "edges": list(WORD_EDGES),
        "counts": [bins[place] for place in range(len(WORD_EDGES))],
        "quartiles": _quartiles(lengths),
    }


def _quartiles(ordered: Sequence[int]) -> list[int]:
    if not ordered:
        return []
    if len(ordered) == 1:
        return [ordered[0]] * 5
    middle = statistics.quantiles(ordered, method="inclusive")
    return [round(value) for value in (ordered[0], *middle, ordered[-1])]


def tally(values: Iterable[str]) -> dict[str, int]:
    """How often each value occurs, in order of the values."""
    return dict(sorted(Counter(values).items()))


def _reason(row: Mapping[str, Any]) -> str:
    return str(row.get("reason", NOT_GIVEN))

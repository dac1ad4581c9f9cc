"""What the papers became, in numbers: stats.json, from which data card and report are written.

Invariant: no times and no order by chance.
"""

import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from titer.examples import flow
from titer.examples.build import NOT_GIVEN, NOT_KNOWN, Built, tally
from titer.records import Paper

WORD_EDGES = (0, 5, 10, 20, 40, 80, 160, 320, 640)
"""Lower ends of the bins of lengths in words; the last bin is open."""

SERVICES = {"europe_pmc": "Europe PMC", "retraction_watch": "Retraction Watch"}
"""Names of further sources of retractions, by their names in ids.json."""

RECORD_MARKS = "marks of the records themselves"
"""The source of retractions that costs no request: publication types and links of PubMed records,
withdrawal comments of arXiv."""


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
            "papers": flow.of_papers(
                papers, built, n_repeated=flow.n_repeated(ids, lists), reasons=reasons
            ),
            "examples": flow.of_examples(built),
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


def asked(ids: Mapping[str, Any]) -> dict[str, Any]:
    """Source, snapshot, queries with hits and warnings, files with their records, files ignored."""
    keys = ("query_id", "query", "until", "count", "warnings")
    return {
        "source": ids.get("source"),
        "snapshot": ids.get("snapshot"),
        "queries": [
            {**{key: one.get(key) for key in keys}, "n_ids": len(one.get("ids", []))}
            for one in flow.queries(ids)
        ],
        "files": [{"name": one["name"], "records": one["records"]} for one in ids.get("files", [])],
        "ignored": list(ids.get("ignored", [])),
    }


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


def _reason(row: Mapping[str, Any]) -> str:
    return str(row.get("reason", NOT_GIVEN))

"""Papers and training examples in tables and sentences, for report, Markdown and model cards.

Invariant: made from stats.json of data/papers and the training records; what is not known is
printed beside what is.
"""

from typing import Any

from titer.report import flow, paper_figures, provenance, words
from titer.report.tables import Table
from titer.report.words import Data, pick

MAX_NAMES = 10
"""Names that are counted in one sentence; the rest is summed up."""

NO_PROOF = "that no mark was found proves nothing"


def of_flow(papers: Data) -> Table:
    """Each step from found to used with what it leaves out."""
    rows = [
        [
            name,
            words.text(step.get("what")),
            words.count(step.get("n")),
            flow.reasons_words(step.get("left_out") or {}) or "-",
        ]
        for key, name in flow.CHAINS
        for step in pick(papers, "flow", key) or []
    ]
    head = ["Chain", "Step", "Number", "Left out before the next step"]
    return Table("From found to used", head, rows, frozenset({0, 1, 3}))


def of_licences(papers: Data) -> Table:
    """Papers and rows under each licence, the largest first."""
    of_papers, of_rows = pick(papers, "paper_licences") or {}, pick(papers, "licences") or {}
    names = [name for name, _ in flow.ordered({**of_rows, **of_papers})]
    found = [[of_papers.get(name, 0), of_rows.get(name, 0)] for name in names]
    rows = [[name, *map(words.count, pair)] for name, pair in zip(names, found, strict=True)]
    return Table("Licences of papers and rows", ["Licence", "Papers", "Rows"], rows)


def of_recipes(papers: Data) -> Table:
    """Rows of each recipe in train and validation, chosen recipes even at zero."""
    by_split = pick(papers, "recipes") or {}
    rows = [
        [words.label(name)]
        + [words.count((by_split.get(split) or {}).get(name, 0)) for split in paper_figures.SPLITS]
        for name in paper_figures.recipe_names(papers)
    ]
    return Table("Rows per recipe", ["Recipe", "Train", "Validation"], rows)


def asked(papers: Data) -> list[tuple[str, str]]:
    """What was asked of the services, or which files were read, each with its numbers."""
    found = pick(papers, "asked") or {}
    queries = [(words.text(one.get("query_id")), _query(one)) for one in found.get("queries") or []]
    files = [
        (words.text(one.get("name")), f"{words.count(one.get('records'))} records")
        for one in found.get("files") or []
    ]
    ignored = [(words.text(name), "left alone: no papers") for name in found.get("ignored") or []]
    return provenance.shortened(queries + files + ignored)


def _query(one: Data) -> str:
    warnings = "; ".join(one.get("warnings") or []) or "none"
    return (
        f"{words.count(one.get('count'))} hits, {words.count(one.get('n_ids'))} asked for: "
        f"{words.text(one.get('query'))}; warnings: {warnings}"
    )


def of_lengths(context: Data) -> Table:
    """Lengths of prompts and answers in words."""
    found = pick(context, "papers", "words") or {}
    rows = [
        [words.label(name), *map(words.count, lengths["quartiles"])]
        for name, lengths in found.items()
        if pick(lengths, "quartiles")
    ]
    head = ["Words in", "Fewest", "A quarter below", "Half below", "Three quarters below", "Most"]
    return Table("Lengths in words", head, rows)


def facts(context: Data) -> list[tuple[str, str]]:
    """What the papers are, as names with values."""
    papers = pick(context, "papers") or {}
    missing = papers.get("missing_ids")
    return [
        ("Source", words.text(pick(papers, "asked", "source"))),
        ("Snapshot", words.text(pick(papers, "asked", "snapshot") or "none")),
        ("Kind of text", _counted(papers.get("texts"))),
        ("Publication types", _counted(papers.get("publication_types"))),
        ("Languages", _counted(papers.get("languages"))),
        ("Preprints", words.count(papers.get("preprints"))),
        ("With an expression of concern", words.count(papers.get("papers_with_concern"))),
        (
            "Listed and never delivered",
            words.NOT_RECORDED if missing is None else str(len(missing)),
        ),
        ("Retractions", retractions(papers)),
        ("Synthetic papers", words.count(papers.get("synthetic_papers"))),
        ("Rows by a language model", words.count(papers.get("generated_examples"))),
        ("Section labels not understood", _counted(papers.get("unassigned_labels"))),
        ("Row lengths in tokens", _tokens(context)),
    ]


def _counted(found: Any) -> str:
    """Names with their numbers, the largest first, the smaller ones summed up."""
    if found is None:
        return words.NOT_RECORDED
    ordered = flow.ordered(found)
    shown, rest = ordered[:MAX_NAMES], ordered[MAX_NAMES:]
    said = [f"{words.label(name)} ({words.count(n)})" for name, n in shown]
    said += [f"{len(rest)} others ({words.count(sum(n for _, n in rest))})"] if rest else []
    return ", ".join(said) or "none"


def acknowledgement(papers: Data) -> str:
    """What NLM asks for where its records were used; empty where all papers are synthetic."""
    n_pubmed = sum(
        by_source.get("pubmed", 0) for by_source in (papers.get("papers_by_year") or {}).values()
    )
    if not n_pubmed or papers.get("synthetic_papers") == papers.get("papers"):
        return ""
    return (
        "Records of PubMed come courtesy of the U.S. National Library of Medicine, which has "
        "neither reviewed nor endorsed this work."
    )


def retractions(papers: Data) -> str:
    """Which sources were consulted, and what that does not show."""
    consulted = pick(papers, "retraction_sources")
    if not consulted:
        return words.NOT_RECORDED
    return f"consulted: {'; '.join(consulted)}; {NO_PROOF}"


def _tokens(context: Data) -> str:
    found = paper_figures.trained_tokens(context)
    if not found:
        return words.NOT_RECORDED
    arm, lengths = found
    limit = pick(context, "training", arm, "run", "settings", "max_length")
    return paper_figures.tokens_words(lengths, limit)


def sentences(context: Data) -> dict[str, str]:
    """What figures and tables show in one sentence per subject; for pages without figures."""
    papers = pick(context, "papers") or {}
    found = {name: pick(papers, "flow", key) for key, name in flow.CHAINS}
    said = {name: flow.chain_words(steps) for name, steps in found.items() if steps}
    by_year = paper_figures.grouped_years(papers.get("papers_by_year") or {})
    totals = {year: sum(by_source.values()) for year, by_source in by_year.items()}
    rows = [f"{words.count(n)} {split}" for split, n in (papers.get("examples") or {}).items()]
    said["Rows"] = ", ".join(
        [*rows, f"papers held out: {words.count(papers.get('heldout_papers'))}"]
    )
    said["Papers per source"] = _counted(paper_figures.sources(by_year) if by_year else None)
    years = [f"{year} ({words.count(n)})" for year, n in totals.items()]
    said["Papers per year"] = ", ".join(years) or words.NOT_RECORDED
    licences = [_counted(papers.get(key)) for key in ("paper_licences", "licences")]
    said["Licences"] = f"papers: {licences[0]}; rows: {licences[1]}"
    said["Rows per recipe, train + validation"] = _recipe_words(papers)
    return said


def _recipe_words(papers: Data) -> str:
    rows = of_recipes(papers).rows
    return (
        ", ".join(f"{name} {train} + {check}" for name, train, check in rows) or words.NOT_RECORDED
    )

"""Papers to training rows: recipes, contamination gate, duplicates, split, caps.

Invariant: the same papers, settings and benchmark give the same rows in the same order, and no
paper cluster stands in two splits.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from titer.config import ExampleSources, ExamplesSettings, OnLeak
from titer.errors import DataError, LeakError
from titer.examples.caps import cap, cap_documents
from titer.examples.decontaminate import Leak, find_leaks, leak_text
from titer.examples.documents.taught import Documents
from titer.examples.mix import mix
from titer.examples.paraphrase import Similar
from titer.examples.placebo import exchanged
from titer.examples.recipes import paper_examples
from titer.examples.sections import unassigned_labels
from titer.examples.split import assign
from titer.records import BenchmarkText, Example, Paper

DUPLICATE = "duplicate"
"""Stands for the rule in the ledger where an equal prompt and answer was there before."""

NOT_KNOWN = "not known"
"""Stands for a licence that no source states."""

NOT_GIVEN = "not given"
"""Stands for what a record leaves out."""


@dataclass(frozen=True)
class Built:
    """Everything that the papers became, and what was taken out."""

    train: list[Example]
    """Sorted by id."""
    validation: list[Example]
    """Sorted by id."""
    heldout_papers: list[Paper]
    """Sorted by paper_id; no example comes from their clusters."""
    heldout_rows: list[dict[str, Any]]
    """Rows of heldout.jsonl: of these papers, or of a user's own rows where there are no others."""
    removed: list[dict[str, Any]]
    """The ledger: `{example_id, paper_id, rule, item_id, matched}`; rule A-E, duplicate, grounding
    (the item is the reason), cap:journal, cap:year, cap:recipe or cap:documents."""
    counts: dict[str, Any]


def build(
    papers: Sequence[Paper],
    settings: ExamplesSettings,
    benchmark: Sequence[BenchmarkText],
    *,
    duplicates: Sequence[Paper] = (),
    documents: Documents | None = None,
    extra: Sequence[Example] = (),
    rejected: Sequence[Leak] = (),
    similar: Similar | None = None,
) -> Built:
    """Examples and held-out papers of a collection.

    Args:
        papers: filtered and deduplicated, each with its `cluster_id`.
        settings: recipes, shares, seed and what a leak leads to.
        benchmark: every question that is asked, in every wording.
        duplicates: the clusters' other members; no example comes from them, but the ids and
            titles of a whole cluster count as its own.
        documents: a user's own with their examples; where their cluster is held out they are
            held-out texts like papers.
        extra: rows that no recipe made; leak check, repeats and split by `cluster_id` as for all,
            but no row is held out that no held-out paper stands for, unless all rows are own.
        rejected: rows that never became examples, for ledger and counts.
        similar: the text encoder of rule E; null leaves the rule out.

    Raises:
        LeakError: the benchmark asks an example and `on_leak` is fail.
        DataError: no example is left.
    """
    from tqdm.auto import tqdm

    bar = tqdm(papers, desc="examples", unit="paper", delay=5)
    made = [example for paper in bar for example in _examples(paper, settings)]
    documents = documents or Documents()
    made += [*extra, *documents.examples]
    papers_by_id = {paper.paper_id: paper for paper in (*duplicates, *documents.records, *papers)}
    leaks = find_leaks(
        made, papers_by_id, benchmark, similar=similar, threshold=settings.encoder_threshold
    )
    if leaks and settings.on_leak == OnLeak.fail:
        raise LeakError(leak_text(leaks))
    leaked = {leak.example_id for leak in leaks}
    kept, repeats = without_repeats(example for example in made if example.id not in leaked)
    if not kept:
        raise DataError(_nothing_text(papers, made, leaked, settings))
    kept, beyond = cap_documents(kept, settings)
    of_papers = [*papers, *documents.kept]
    splits = _splits(kept, {paper.cluster for paper in of_papers}, settings)
    rows = {name: _rows(kept, splits, name) for name in ("train", "validation")}
    rows["train"], capped = cap(rows["train"], papers_by_id, settings)
    rows["train"], unmixed = mix(rows["train"], settings)
    capped += unmixed
    if settings.exchange_answers:
        rows["train"] = exchanged(rows["train"], seed=settings.seed)
    heldout = [paper for paper in of_papers if splits.get(paper.cluster) == "heldout"]
    heldout.sort(key=lambda paper: paper.paper_id)
    removed = sorted(
        (asdict(leak) for leak in (*rejected, *leaks, *repeats, *beyond, *capped)),
        key=_ledger_order,
    )
    counts = _counts(papers, made, rows, heldout) | _removal_counts(
        leaks, repeats, [*beyond, *capped]
    )
    counts["rejected_rows"] = tally(leak.item_id for leak in rejected)
    counts |= documents.outcome([*rows["train"], *rows["validation"]], heldout, removed)
    aside = [row for row in kept if splits[row.cluster_id] == "heldout"]
    counts["heldout_examples"] = len(aside)
    texts = [heldout_row(paper) for paper in heldout]
    if settings.sources == ExampleSources.own:
        rows_aside = own_heldout_rows(row for row in aside if row.document is None)
        texts = sorted((*texts, *rows_aside), key=lambda row: row["paper_id"])
        counts["heldout_own"] = len(rows_aside)
    return Built(rows["train"], rows["validation"], heldout, texts, removed, counts)


def heldout_row(paper: Paper) -> dict[str, Any]:
    """The row of heldout.jsonl: `{paper_id, title, text, n_bytes}`, n_bytes of the UTF-8 text."""
    text = paper.abstract
    return {
        "paper_id": paper.paper_id,
        "title": paper.title,
        "text": text,
        "n_bytes": len(text.encode()),
    }


def own_heldout_rows(examples: Iterable[Example]) -> list[dict[str, Any]]:
    """Rows of heldout.jsonl of a user's own rows: one per source, its answers in order of id.

    Besides the keys of `heldout_row`, `example_ids` names the rows.
    """
    by_cluster: dict[str, list[Example]] = defaultdict(list)
    for example in sorted(examples, key=lambda example: example.id):
        by_cluster[example.cluster_id].append(example)
    found = []
    for rows in by_cluster.values():
        text = "\n\n".join(row.answer for row in rows)
        found.append(
            {
                "paper_id": rows[0].paper_id,
                "title": rows[0].title,
                "text": text,
                "n_bytes": len(text.encode()),
                "example_ids": [row.id for row in rows],
            }
        )
    return sorted(found, key=lambda row: (row["paper_id"], row["example_ids"]))


def without_repeats(examples: Iterable[Example]) -> tuple[list[Example], list[Leak]]:
    """The first example, by id, of each prompt and answer; the others for the ledger."""
    first: dict[tuple[str, str], Example] = {}
    repeats = []
    for example in sorted(examples, key=lambda example: example.id):
        kept = first.setdefault((example.prompt, example.answer), example)
        if kept is not example:
            matched = "equal prompt and answer"
            repeats.append(Leak(example.id, example.paper_id, DUPLICATE, kept.id, matched))
    return list(first.values()), repeats


def _examples(paper: Paper, settings: ExamplesSettings) -> list[Example]:
    return paper_examples(
        paper, recipes=settings.recipes, per_paper=settings.per_paper, seed=settings.seed
    )


def _splits(
    kept: Sequence[Example], of_papers: set[str], settings: ExamplesSettings
) -> dict[str, str]:
    splits = assign(
        {example.cluster_id for example in kept},
        seed=settings.seed,
        validation_share=settings.validation_share,
        heldout_share=settings.heldout_share,
    )
    if settings.sources == ExampleSources.own:
        return splits
    for cluster, split in splits.items():
        if split == "heldout" and cluster not in of_papers:  # a row cannot be held out
            splits[cluster] = "train"
    return splits


def _year(paper: Paper | None) -> str:
    return ((paper.pub_date if paper else None) or "")[:4] or NOT_GIVEN


def _rows(kept: Sequence[Example], splits: Mapping[str, str], name: str) -> list[Example]:
    rows = [replace(row, split=name) for row in kept if splits[row.cluster_id] == name]
    return sorted(rows, key=lambda row: row.id)


def _ledger_order(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (row["paper_id"], row["example_id"], row["rule"], row["item_id"])


def _nothing_text(
    papers: Sequence[Paper],
    made: Sequence[Example],
    leaked: set[str],
    settings: ExamplesSettings,
) -> str:
    if settings.sources == ExampleSources.own and not made:
        return (
            "no training example: examples.sources=own and there are no rows of your own. Put "
            "files into data/own/<domain>/training, or set examples.sources=papers"
        )
    if made:
        return (
            f"no training example is left: the benchmark asks all {len(leaked)} that {len(papers)} "
            f"papers gave. Add papers that the benchmark was not made from"
        )
    return (
        f"no training example: none of {len(papers)} papers fits a recipe of examples.recipes. "
        f"Add papers with abstracts, or recipes (section_question, summarise)"
    )


def _counts(
    papers: Sequence[Paper],
    made: Sequence[Example],
    rows: Mapping[str, Sequence[Example]],
    heldout: Sequence[Paper],
) -> dict[str, Any]:
    used = [row for name in rows for row in rows[name]]
    by_id = {paper.paper_id: paper for paper in papers}
    years = (_year(by_id.get(row.paper_id)) for row in used)
    return {
        "papers": len(papers),
        "papers_without_examples": len(by_id.keys() - {example.paper_id for example in made}),
        "clusters": len({paper.cluster for paper in papers}),
        "heldout_papers": sum(paper.document is None for paper in heldout),
        "examples_made": len(made),
        "examples": {name: len(rows[name]) for name in rows},
        "recipes": {name: tally(row.recipe for row in rows[name]) for name in rows},
        "licences": tally(row.license or NOT_KNOWN for row in used),
        "sources": tally(row.source for row in used),
        "years": tally(years),
        "synthetic": sum(row.synthetic for row in used),
        "unassigned_labels": unassigned_labels(papers),
    }


def _removal_counts(
    leaks: Sequence[Leak], repeats: Sequence[Leak], capped: Sequence[Leak]
) -> dict[str, Any]:
    return {
        "leaked_examples": len({leak.example_id for leak in leaks}),
        "leaks": tally(leak.rule for leak in leaks),
        "duplicates": len(repeats),
        "capped": tally(leak.rule for leak in capped),
    }


def tally(values: Iterable[str]) -> dict[str, int]:
    """How often each value occurs, in order of the values."""
    return dict(sorted(Counter(values).items()))

"""Why a row is in the training data, and why a paper is not: the chain, read from data/papers.

Invariant: nothing is made again or guessed; what the folder does not hold is said to be unknown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from titer import files
from titer.errors import DataError
from titer.examples import flow, folder
from titer.examples.normalise import DOCUMENT, normal_id, paper_ids
from titer.examples.recipes import rebuild_answer
from titer.examples.spans import page_of
from titer.records import Example, Paper

SPLITS = ("train", "validation")
FATES = {
    "skipped": "no paper: {reason}",
    "rejected": "rejected: {reason} ({detail})",
    "duplicate": "a duplicate of {canonical}: {reason}",
    "documents_left_out": "left out: {reason} ({detail})",
}
"""List of the folder and what standing in it means."""

HELD_OUT = "held out: its text measures bits per byte, no example comes from it"

MIN_PREFIX = 6
"""Characters of an example's id from which its beginning is enough."""


@dataclass(frozen=True)
class Trail:
    """One paper with all that the folder says of it; or only the examples of a user's own rows."""

    paper: Paper | None
    examples: list[Example] = field(default_factory=list)
    """Of the paper, or the one that was asked for; train before validation, then by id."""
    removed: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the ledger about the paper or the example."""
    fate: list[str] = field(default_factory=list)
    """What happened to the paper, in words: used, held out, a duplicate, rejected, skipped."""
    cluster: list[str] = field(default_factory=list)
    """paper_ids of all records of the same work, the paper included."""


class Collection:
    """The folder data/papers, read once."""

    def __init__(self, papers_folder: Path) -> None:
        """Read papers, examples and ledgers.

        Raises:
            DataError: the folder holds no collection.
        """
        if not (papers_folder / folder.STATS).is_file():
            raise DataError(f"{papers_folder}: no papers yet. Run: dvc repro fetch_papers")
        self.papers = {paper.paper_id: paper for paper in folder.read_papers(papers_folder)}
        self.examples = [
            row for name in SPLITS for row in folder.read_examples(papers_folder, name)
        ]
        self.ids: dict[str, Any] = files.read_json(papers_folder / folder.IDS)
        self.removed = list(files.read_jsonl(papers_folder / folder.REMOVED))
        self.lists = {name: _listed(papers_folder / f"{name}.jsonl") for name in FATES}
        heldout = list(files.read_jsonl(papers_folder / folder.HELDOUT))
        self.heldout = {str(row["paper_id"]) for row in heldout}
        self.heldout_examples = {
            str(name): str(row["paper_id"])
            for row in heldout
            for name in row.get("example_ids", [])
        }

    def trail(self, name: str) -> Trail:
        """The chain of an example or of a paper.

        Args:
            name: an example's id or its beginning, a PMID, an arXiv id or a DOI, with or without
                `pmid:`, `arxiv:` or `doi:`; or `document:` and the path of a document.
        Raises:
            DataError: the folder holds nothing of that name.
        """
        named = self._examples_named(name)
        if named:
            return self._of_example(named)
        paper_id = self._paper_named(name)
        if paper_id is None:
            raise DataError(
                f"{name!r}: neither an example nor a paper of this collection ({len(self.papers)} "
                f"papers, {len(self.examples)} examples). Give an example's id, pmid:<number>, "
                "arxiv:<id>, a DOI or document:<path>"
            )
        return self._of_paper(paper_id)

    def _examples_named(self, name: str) -> list[str]:
        """Ids of the examples, kept or removed, that the name is or begins."""
        known = {row.id for row in self.examples} | {str(r["example_id"]) for r in self.removed}
        known |= self.heldout_examples.keys()
        if name in known or len(name) < MIN_PREFIX:
            return [name] if name in known else []
        return sorted(one for one in known if one.startswith(name))

    def _of_example(self, names: Sequence[str]) -> Trail:
        if len(names) > 1:
            listed = ", ".join(names[:5])
            raise DataError(f"{len(names)} examples begin so: {listed}. Give more of the id")
        if names[0] in self.heldout_examples:
            return Trail(None, fate=[f"{self.heldout_examples[names[0]]}: {HELD_OUT}"])
        kept = [row for row in self.examples if row.id == names[0]]
        removed = [row for row in self.removed if row["example_id"] == names[0]]
        paper_id = kept[0].paper_id if kept else str(removed[0]["paper_id"])
        whole = self._of_paper(paper_id)
        return Trail(whole.paper, kept, removed, whole.fate, whole.cluster)

    def _paper_named(self, name: str) -> str | None:
        wanted = normal_id(name)
        for paper in self.papers.values():
            if wanted in paper_ids(paper):
                return paper.paper_id
        listed = (str(row["paper_id"]) for rows in self.lists.values() for row in rows)
        own = (row.paper_id for row in self.examples)
        return next(
            (
                one
                for one in (*listed, *own, *sorted(self.heldout))
                if name == one or normal_id(one) == wanted
            ),
            None,
        )

    def _of_paper(self, paper_id: str) -> Trail:
        paper = self.papers.get(paper_id)
        top = paper.cluster if paper else paper_id
        cluster = [one.paper_id for one in self.papers.values() if one.cluster_id == top]
        return Trail(
            paper=paper,
            examples=[row for row in self.examples if row.paper_id == paper_id],
            removed=[row for row in self.removed if row["paper_id"] == paper_id],
            fate=list(self._fate(paper_id)),
            cluster=sorted({*cluster, paper_id}),
        )

    def _fate(self, paper_id: str) -> Iterator[str]:
        for name, text in FATES.items():
            for row in self.lists[name]:
                if row["paper_id"] == paper_id:
                    yield text.format(**row)
        n = sum(row.paper_id == paper_id for row in self.examples)
        paper = self.papers.get(paper_id)
        if n:
            yield f"used: {n} examples"
        elif paper_id in self.heldout:
            yield HELD_OUT
        elif paper is not None and paper.cluster_id in ("", paper_id):
            yield "used, but no example: none fits a recipe, or all were removed"

    def queries(self, paper: Paper) -> list[dict[str, Any]]:
        """The searches that found a paper; none where papers came from files."""
        return [row for row in flow.queries(self.ids) if row["query_id"] in paper.query_ids]


def _listed(path: Path) -> list[dict[str, Any]]:
    """Rows of a list by paper_id; none where there were no documents and so no list of them."""
    rows = files.read_jsonl(path) if path.is_file() else ()
    return [
        {"paper_id": f"{DOCUMENT}:{row['path']}", **row} if "path" in row else row for row in rows
    ]


def support(example: Example, paper: Paper) -> list[tuple[str, str]]:
    """What stands at the example's spans: name of the section and text, in order."""
    found = []
    for number, start, end in example.spans:
        if number < 0:
            found.append(("title", paper.title[start:end]))
            continue
        section = paper.texts[number]
        if paper.document is not None:
            page = page_of(paper.document["pages"], start)
            where = f"page {page}, characters" if page else "characters"
            found.append((f"{where} {start} to {end}", section["text"][start:end]))
            continue
        name = section.get("label") or section.get("category") or f"section {number + 1}"
        found.append((name.lower(), section["text"][start:end]))
    return found


def is_rebuilt(example: Example, paper: Paper) -> bool | None:
    """Whether the spans give the answer again; None for a row that a language model wrote."""
    if example.generator is not None:
        return None
    try:
        return rebuild_answer(example, paper) == example.answer
    except DataError:
        return False

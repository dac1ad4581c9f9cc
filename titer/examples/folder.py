"""data/papers as it lies on disk: papers, examples, held-out rows, ledgers, counts and the card.

Invariant: no times and no order by chance, so equal collections give equal bytes.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from titer import files
from titer.config import ExamplesSettings
from titer.examples import counts, data_card
from titer.examples.build import Built
from titer.examples.documents.taught import Documents
from titer.examples.formats import chat, text_records
from titer.records import Example, Paper

logger = logging.getLogger(__name__)

PAPERS = "papers.jsonl.gz"
COPIES = "copies.jsonl.gz"
DOCUMENTS = "documents.jsonl.gz"
DOCUMENTS_LEFT_OUT = "documents_left_out.jsonl"
EXAMPLES = "examples"
HELDOUT = "heldout.jsonl"
STATS = "stats.json"
IDS = "ids.json"
REMOVED = "removed.jsonl"
EXPORT = "text_records.json"
CARD = "DATA_CARD.md"

CONTENTS = {
    CARD: "this page",
    PAPERS: "papers that examples were made from, one record per work, sorted by paper_id",
    COPIES: "the other records of these works, preprints for instance; nothing is made from them",
    f"{EXAMPLES}/train.jsonl": "rows to train on: messages, recipe, paper and spans of the answer",
    f"{EXAMPLES}/validation.jsonl": "rows that measure the loss during training",
    HELDOUT: "papers kept out of all examples, for bits per byte",
    EXPORT: "the training rows as plain texts with source, paper_id and title",
    "skipped.jsonl": "records that are no paper, each with its reason",
    "rejected.jsonl": "papers that may not teach, each with its reason",
    "duplicate.jsonl": "records that repeat another one, with that one and the reason",
    REMOVED: "examples that were made and taken out: rule, benchmark item, matched words",
    "ids.json": "what was asked or read: queries or files, and every id",
    STATS: "every number of this page",
}
"""Every file below data/papers with what it holds, for the card."""

DOCUMENT_CONTENTS = {
    DOCUMENTS: "the user's documents, duplicates included: text, headings, pages, file and hash",
    DOCUMENTS_LEFT_OUT: "files of the user's documents that teach nothing, each with its reason",
}
"""The same of the files that only a user's own documents bring."""

OF_DOCUMENTS = ("documents", "max_examples")
"""Settings that stand under `documents` in stats.json, where there are any."""


def write(
    out: Path,
    *,
    papers: Sequence[Paper],
    copies: Sequence[Paper],
    built: Built,
    ids: Mapping[str, Any],
    lists: Mapping[str, Sequence[Mapping[str, Any]]],
    settings: ExamplesSettings,
    title: str,
    documents: Documents | None = None,
    tags: Sequence[str] = (),
    wording: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Write the whole folder.

    Args:
        papers: those that examples were made from.
        copies: their duplicates, which the leak check looks at too.
        ids: what was asked and found, for ids.json.
        lists: name -> rows with a reason each: skipped, rejected, duplicate.
        settings: how the examples were made.
        title: of the domain.
        documents: the user's own; null or without a file they leave no trace.
        tags: of the domain, for the card.
        wording: phrases of the domain in place of the card's.
    Returns:
        The counts, as in stats.json.
    """
    ordered = sorted(papers, key=lambda paper: paper.paper_id)
    files.write_jsonl(out / PAPERS, [paper.to_json() for paper in ordered])
    files.write_jsonl(out / COPIES, [p.to_json() for p in sorted(copies, key=lambda p: p.paper_id)])
    chat.write(out / EXAMPLES / "train.jsonl", built.train)
    chat.write(out / EXAMPLES / "validation.jsonl", built.validation)
    files.write_jsonl(out / HELDOUT, built.heldout_rows)
    files.write_jsonl(out / REMOVED, built.removed)
    for name, rows in lists.items():
        files.write_jsonl(out / f"{name}.jsonl", rows)
    contents = dict(CONTENTS)
    if documents and documents.counts:
        files.write_jsonl(out / DOCUMENTS, [paper.to_json() for paper in documents.records])
        files.write_jsonl(out / DOCUMENTS_LEFT_OUT, [one.to_json() for one in documents.left_out])
        contents |= DOCUMENT_CONTENTS
    files.write_json(out / IDS, ids)
    text_records.write(out / EXPORT, built.train)
    stats = files.rounded(
        {
            **built.counts,
            **counts.of(papers=ordered, copies=copies, built=built, ids=ids, lists=lists),
            "settings": {k: v for k, v in asdict(settings).items() if k not in OF_DOCUMENTS},
        }
    )
    files.write_json(out / STATS, stats)
    card = data_card.render(stats, title=title, tags=tags, wording=wording, contents=contents)
    files.write_text(out / CARD, card)
    return dict(stats)


def log(stats: Mapping[str, Any]) -> None:
    """Say in two lines what the papers became."""
    rejected = sum(stats["rejected_papers"].values())
    logger.info(
        "%d records found, %d rejected, %d duplicates, %d papers used (%d held out)",
        stats["found"], rejected, sum(stats["duplicate_papers"].values()), stats["papers"],
        stats["heldout_papers"],
    )  # fmt: skip
    logger.info(
        "%d examples to train, %d to validate; %d removed as leaks, %d as repeats",
        stats["examples"]["train"], stats["examples"]["validation"], stats["leaked_examples"],
        stats["duplicates"],
    )  # fmt: skip


def read_examples(folder: Path, name: str) -> list[Example]:
    """Examples of one split, train or validation."""
    return chat.read(folder / EXAMPLES / f"{name}.jsonl")


def read_papers(folder: Path) -> list[Paper]:
    """The papers that examples were made from, their duplicates, and the user's documents."""
    names = [PAPERS, COPIES, *([DOCUMENTS] if (folder / DOCUMENTS).is_file() else [])]
    return [Paper.from_json(row) for name in names for row in files.read_jsonl(folder / name)]

"""The folder of documents, from files to examples, with a count and a reason for the rest.

Invariant: the same files give the same documents and examples in the same order; each file is
either a document or listed as left out.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from titer import files
from titer.config import ExampleSources, ExamplesSettings
from titer.examples.documents import chunking, found, passages, works
from titer.examples.documents.extracted import Unreadable
from titer.examples.documents.isolated import Reading
from titer.examples.documents.taught import Documents, LeftOut
from titer.examples.normalise import words
from titer.records import Paper

Deduplicate = Callable[[Sequence[Paper]], Any]
"""titer.literature.dedupe.deduplicate: gives each record its cluster, `kept` and `duplicates`."""


def read_wanted(folder: Path, settings: ExamplesSettings, **named: Any) -> Documents:
    """The documents, where a user's own are wanted; says what was read. `named` as in `read`."""
    is_wanted = settings.sources != ExampleSources.papers
    texts = read(folder, settings, **named) if is_wanted else Documents()
    texts.log()
    return texts


def read(
    folder: Path,
    settings: ExamplesSettings,
    *,
    deduplicate: Deduplicate,
    papers: Sequence[Paper] = (),
    rejected: Iterable[Mapping[str, Any]] = (),
    excluded: Iterable[str] = frozenset(),
) -> Documents:
    """The documents below a folder and their examples.

    Args:
        folder: data/own/<domain>/documents.
        settings: how they are cut, which recipes run, the fewest words.
        deduplicate: finds records of the same work.
        papers: the collection; a document of one of them joins its cluster.
        rejected: `{paper_id, reason}` of those that may not teach; a document of a retracted one
            is left out.
        excluded: ids of the user's exclusion list; a document with one of them is left out.
    """
    reasons = {row["paper_id"]: row["reason"] for row in rejected}
    retracted = [paper for paper in papers if reasons.get(paper.paper_id) == "retracted"]
    banned = works.bans(excluded, retracted)
    paths, left_out = found.files_below(
        folder, max_bytes=round(settings.documents.max_file_mb * 1e6)
    )
    records, unread = _records(folder, paths, settings)
    left_out += unread
    allowed = []
    for paper in records:
        reason = _fault(paper, settings, banned)
        if reason is None:
            allowed.append(paper)
        else:
            left_out.append(LeftOut(_name(paper), *reason))
    kept, copies, repeats = _distinct(allowed, deduplicate)
    left_out += repeats
    taught = [paper for paper in papers if paper.paper_id not in reasons]
    several = works.join([*kept, *copies], taught)
    left_out += [
        LeftOut(_name(paper), "holds several papers", "they stand in clusters of their own")
        for paper in kept
        if paper.paper_id in several
    ]
    kept = [paper for paper in kept if paper.paper_id not in several]
    clusters = {paper.cluster for paper in taught}
    documents = Documents(kept, copies, sorted(left_out, key=lambda one: one.path))
    if kept or left_out:
        documents.counts = {
            "files": len(kept) + len(left_out),
            "used": len(kept),
            "characters": sum(len(paper.abstract) for paper in kept),
            "left_out": dict(sorted(Counter(one.reason for one in left_out).items())),
            "of_papers": sum(paper.cluster_id in clusters for paper in kept),
            "settings": {**asdict(settings.documents), "max_examples": settings.max_examples},
        }
        _teach(documents, settings)
    return documents


def _records(
    folder: Path, paths: Sequence[Path], settings: ExamplesSettings
) -> tuple[list[Paper], list[LeftOut]]:
    """The files as records, and those that give no text."""
    from tqdm.auto import tqdm

    records, unread = [], []
    limits = settings.documents
    with Reading(timeout_s=limits.timeout_s, max_pages=limits.max_pages) as reading:
        for path in tqdm(paths, desc="documents", unit="file", delay=5):
            name = path.relative_to(folder).as_posix()
            try:
                text = reading.read(path)
                records.append(works.record(name, files.sha256_file(path), text))
            except Unreadable as fault:
                unread.append(LeftOut(name, fault.reason, fault.detail))
            except OSError as error:
                unread.append(LeftOut(name, "unreadable", str(error.strerror)))
    return records, unread


def _fault(
    paper: Paper, settings: ExamplesSettings, banned: Mapping[str, str]
) -> tuple[str, str] | None:
    n_words = len(paper.abstract.split())
    if n_words < settings.min_words:
        return "too short", f"{n_words} words, at least {settings.min_words}"
    reason = works.is_banned(paper, banned)
    return (reason, "a paper of the exclusion list or retracted") if reason else None


def _distinct(
    records: Sequence[Paper], deduplicate: Deduplicate
) -> tuple[list[Paper], list[Paper], list[LeftOut]]:
    """One document per work, the others, and these as rows with the reason."""
    first: dict[str, Paper] = {}
    same: list[tuple[Paper, str]] = []
    for paper in sorted(records, key=lambda paper: paper.paper_id):
        original = first.setdefault(files.sha256_text(" ".join(words(paper.abstract))), paper)
        if original is not paper:
            same.append((paper, original.paper_id))
    unique = deduplicate(list(first.values()))
    clusters = {paper.paper_id: paper.cluster_id for paper in first.values()}
    rows = [(row["paper_id"], row["canonical"], row["reason"]) for row in unique.duplicates]
    for paper, name in same:
        paper.cluster_id = clusters[name]
        rows.append((paper.paper_id, name, "same text"))
    copies = [paper for paper in first.values() if paper.paper_id != paper.cluster_id]
    left_out = [
        LeftOut(name.partition(":")[2], "duplicate", f"{reason}: {original.partition(':')[2]}")
        for name, original, reason in rows
    ]
    return unique.kept, [*copies, *(paper for paper, _ in same)], left_out


def _teach(documents: Documents, settings: ExamplesSettings) -> None:
    """Fill in the examples and their counts."""
    from tqdm.auto import tqdm

    seen: dict[str, str] = {}
    n_chunks = n_repeated = n_long = 0
    for paper in tqdm(documents.kept, desc="chunks", unit="document", delay=5):
        text = works.extracted(paper)
        parts = chunking.sections(text)
        chunks, n = chunking.cut(text.text, parts, settings.documents)
        fresh = [
            chunk
            for chunk in chunks
            if seen.setdefault(
                files.sha256_text(" ".join(words(text.text[chunk.start : chunk.end]))),
                paper.paper_id,
            )
            == paper.paper_id
        ]
        n_chunks, n_long = n_chunks + len(fresh), n_long + n
        n_repeated += len(chunks) - len(fresh)
        documents.examples += passages.examples(paper, text, parts, fresh, settings)
    documents.counts |= {
        "chunks": n_chunks,
        "repeated_chunks": n_repeated,
        "long_sentences": n_long,
    }


def _name(paper: Paper) -> str:
    return paper.paper_id.partition(":")[2]

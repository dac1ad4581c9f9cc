"""Documents as records, and which of them are the same work as a paper of the collection.

Invariant: a document that is a paper of the collection stands in that paper's cluster, so that
neither of them trains a model that the other one measures.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from titer.examples.documents.extracted import Extracted
from titer.examples.normalise import DOCUMENT, normal_id, paper_ids, runs, words
from titer.records import Paper

HEAD_CHARS = 5_000
"""Of a document: where an id is its own and not that of something it cites."""

ANCHORS = 12
"""Stretches of eight words that are looked for, spread over an abstract."""

MIN_ANCHOR_SHARE = 0.5
"""Of an abstract's anchors that a document of the same work holds."""

MIN_TITLE_WORDS = 5
"""Shorter titles ("Annual report") repeat without being the same work."""

_DOI = re.compile(r"\b10\.\d{4,9}/[^\s\"<>|]*[^\s\"<>|.,;:)\]]")
_ARXIV = re.compile(r"\barXiv:\s?(\d{4}\.\d{4,5})(?:v\d+)?", re.IGNORECASE)
_PMID = re.compile(r"\bPMID:?\s?(\d{1,8})\b")


def record(name: str, sha256: str, found: Extracted) -> Paper:
    """A document as a record whose only section is its text.

    An id in the first characters is the document's own if no other of its kind stands there.

    Args:
        name: path below the folder of documents.
        sha256: of the file.
        found: its text.
    """
    head = found.text[:HEAD_CHARS]
    return Paper(
        paper_id=f"{DOCUMENT}:{name}",
        source=DOCUMENT,
        title=found.title or re.sub(r"[_\s]+", " ", Path(name).stem).strip(),
        sections=[{"label": "", "category": "", "text": found.text}],
        keywords=list(found.keywords),
        doi=_only(_DOI.findall(head)),
        arxiv_id=_only(_ARXIV.findall(head)),
        pmid=_only(_PMID.findall(head)),
        raw_sha256=sha256,
        document={
            "path": name,
            "sha256": sha256,
            "extractor": found.extractor,
            "version": found.version,
            "headings": found.headings,
            "pages": found.pages,
        },
    )


def _only(found: Sequence[str]) -> str | None:
    distinct = {one.lower() for one in found}
    return found[0] if len(distinct) == 1 else None


def extracted(paper: Paper) -> Extracted:
    """The text and its parts again, from the record."""
    known = paper.document or {}
    return Extracted(
        text=paper.abstract,
        extractor=known["extractor"],
        version=known["version"],
        title=paper.title,
        keywords=list(paper.keywords),
        headings=known["headings"],
        pages=known["pages"],
    )


def join(documents: Sequence[Paper], papers: Sequence[Paper]) -> dict[str, str]:
    """Give the cluster of a paper to each document of the same work, and to its duplicates.

    The same work is what has an id or a title of a paper, or holds half of its abstract.

    Args:
        documents: with their `cluster_id`, which changes.
        papers: of the collection, with theirs.
    Returns:
        Cluster of documents -> cluster of the paper.
    """
    by_id = {name: paper for paper in papers for name in paper_ids(paper)}
    by_title = {" ".join(words(paper.title)): paper for paper in papers}
    anchors = _Anchors(papers)
    joined: dict[str, str] = {}
    for document in sorted(documents, key=lambda paper: paper.paper_id):
        same = [by_id[name] for name in sorted(paper_ids(document) & by_id.keys())]
        title = words(document.title)
        if len(title) >= MIN_TITLE_WORDS and " ".join(title) in by_title:
            same.append(by_title[" ".join(title)])
        same += anchors.held_by(document)
        if same:
            joined.setdefault(document.cluster_id, same[0].cluster_id or same[0].paper_id)
    for document in documents:
        document.cluster_id = joined.get(document.cluster_id, document.cluster_id)
    return joined


class _Anchors:
    """Some eight-word stretches of every abstract."""

    def __init__(self, papers: Sequence[Paper]) -> None:
        self.papers = papers
        self.of_paper: list[set[str]] = []
        self.holders: dict[str, list[int]] = {}
        for number, paper in enumerate(papers):
            found = runs(words(paper.abstract))
            chosen = {found[place * len(found) // ANCHORS] for place in range(ANCHORS) if found}
            self.of_paper.append(chosen)
            for anchor in chosen:
                self.holders.setdefault(anchor, []).append(number)

    def held_by(self, document: Paper) -> Iterator[Paper]:
        """Papers of whose anchors the document holds enough, the best first."""
        held: dict[int, int] = {}
        for run in set(runs(words(document.abstract))) & self.holders.keys():
            for number in self.holders[run]:
                held[number] = held.get(number, 0) + 1
        enough = [n for n in held if held[n] >= MIN_ANCHOR_SHARE * len(self.of_paper[n])]
        for number in sorted(enough, key=lambda n: (-held[n], self.papers[n].paper_id)):
            yield self.papers[number]


def is_banned(document: Paper, banned: Mapping[str, str]) -> str | None:
    """Why the document may not teach, by any of its ids; None if it may."""
    return next((banned[name] for name in sorted(paper_ids(document) & banned.keys())), None)


def bans(excluded: Iterable[str], retracted: Sequence[Paper]) -> dict[str, str]:
    """Id to reason, for the user's exclusion list and for papers that are retracted."""
    found = {name: "retracted" for paper in retracted for name in paper_ids(paper)}
    return {**found, **{normal_id(name): "excluded" for name in excluded}}

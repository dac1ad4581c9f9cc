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
"""Stretches of eight words that are looked for, spread over a text."""

MIN_ANCHOR_SHARE = 0.5
"""Of a text's anchors that a document of the same work holds."""

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


def join(documents: Sequence[Paper], papers: Sequence[Paper]) -> set[str]:
    """Bring documents of one work, and of a paper's work, into one cluster.

    The same work is what has an id or a title of a paper, or holds half of its abstract or half of
    another document. Clusters of papers stay as they are.

    Args:
        documents: with their `cluster_id`, which may change.
        papers: of the collection, with theirs.
    Returns:
        paper_ids of the documents that are several papers' works; they fit no cluster.
    """
    clusters = _Clusters(papers)
    by_id = {name: paper for paper in papers for name in paper_ids(paper)}
    by_title = {" ".join(words(paper.title)): paper for paper in papers}
    anchors = _Anchors([*papers, *documents])
    several = set()
    for document in sorted(documents, key=lambda paper: paper.paper_id):
        same = [by_id[name] for name in sorted(paper_ids(document) & by_id.keys())]
        title = words(document.title)
        if len(title) >= MIN_TITLE_WORDS and " ".join(title) in by_title:
            same.append(by_title[" ".join(title)])
        same += anchors.held_by(document)
        if not all(clusters.join(document.cluster, other.cluster) for other in same):
            several.add(document.paper_id)
    for document in documents:
        document.cluster_id = clusters.top(document.cluster)
    return several


class _Clusters:
    """Names of clusters that became one; that of a paper stands, else the first in order."""

    def __init__(self, papers: Sequence[Paper]) -> None:
        self.fixed = {paper.cluster for paper in papers}
        self.above: dict[str, str] = {}

    def top(self, name: str) -> str:
        while name in self.above:
            name = self.above[name]
        return name

    def join(self, one: str, other: str) -> bool:
        """Make them one; False where both are clusters of papers, which stay apart."""
        one, other = self.top(one), self.top(other)
        if one == other:
            return True
        if one in self.fixed and other in self.fixed:
            return False
        stands, ends = sorted((one, other), key=lambda name: (name not in self.fixed, name))
        self.above[ends] = stands
        return True


class _Anchors:
    """Some eight-word stretches of every text."""

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
        """Records of whose anchors the document holds enough, the best first; itself among them."""
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

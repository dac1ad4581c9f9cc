"""What joins records of one work: shared names, and links that one record has to another.

Invariant: a name that many different papers carry joins none of them.
"""

import re
from collections import defaultdict
from collections.abc import Container, Hashable, Iterator, Sequence
from typing import Generic, TypeVar

from titer.records import Paper

T = TypeVar("T", bound=Hashable)

VERSION_LINKS = (
    "UpdateIn",
    "UpdateOf",
    "CorrectedandRepublishedIn",
    "CorrectedandRepublishedFrom",
)
"""RefTypes that join two versions of one work. `RetractedandRepublishedFrom` is none: what was
published again is not what was retracted."""

MOST_VERSIONS = 5
"""Papers that one DOI or title may join. A supplement of conference abstracts has one DOI for all,
and a yearly report one title."""

_ARXIV_DOI = "10.48550/arxiv."
_VERSIONED = re.compile(r"^((?:arxiv:|10\.48550/arxiv\.).+?)(?:v\d+)?$")


class Clusters(Generic[T]):
    """Disjoint sets of hashable things; what was never joined is a set of its own."""

    def __init__(self) -> None:
        """Begin with every thing alone."""
        self._parent: dict[T, T] = {}

    def top(self, one: T) -> T:
        """The thing that stands for the set."""
        while (above := self._parent.get(one, one)) != one:
            self._parent[one] = self._parent.get(above, above)  # halves the way for the next time
            one = above
        return one

    def join(self, one: T, other: T) -> None:
        """Make one set of two; the first one's top stands for both."""
        high = self.top(other)
        if (low := self.top(one)) != high:
            self._parent[high] = low


def linked_ids(paper: Paper, kinds: Container[str | None]) -> list[str]:
    """paper_ids that the record names in its corrections of these kinds."""
    return [
        f"pmid:{row['pmid']}" for row in paper.corrections if row["type"] in kinds and row["pmid"]
    ]


def unversioned(name: str) -> str:
    """An id or DOI in lower case; of arXiv's without the version that PDFs print behind it."""
    return _VERSIONED.sub(r"\1", name)


def dois(paper: Paper) -> list[str]:
    """The DOI, and the arXiv id as the DOI that arXiv gives it, without a version."""
    own = [f"{_ARXIV_DOI}{paper.arxiv_id.lower()}"] if paper.arxiv_id else []
    given = unversioned((paper.doi or "").lower())
    return own + ([given] if given and given not in own else [])


def distinct_dois(papers: Sequence[Paper]) -> list[list[str]]:
    """Of each paper its `dois`, those left out that more than `MOST_VERSIONS` titles share."""
    titles: dict[str, set[str]] = defaultdict(set)
    found = [dois(paper) for paper in papers]
    for paper, names in zip(papers, found, strict=True):
        for name in names:
            titles[name].add(" ".join(paper.title.lower().split()))
    return [[name for name in names if len(titles[name]) <= MOST_VERSIONS] for names in found]


def works(papers: Sequence[Paper]) -> Clusters[str]:
    """Sets of paper_ids and DOIs of one work, also through papers that are not among these.

    A paper_id is in its set in lower case as well, as users write it.
    """
    clusters: Clusters[str] = Clusters()
    for paper, names in zip(papers, distinct_dois(papers), strict=True):
        for name in (paper.paper_id.lower(), *names, *versions(paper)):
            clusters.join(paper.paper_id, name)
    return clusters


def versions(paper: Paper) -> Iterator[str]:
    """paper_ids of the other versions that the record names."""
    yield from linked_ids(paper, VERSION_LINKS)
    if paper.version_of:
        yield paper.version_of

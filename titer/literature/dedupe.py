"""Records of the same work: clusters, and the one record that stands for each.

Invariant: the result depends on the set of papers, never on their order, and no name that many
works share (a title of every year's report, the DOI of a supplement) joins them.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from titer.literature import links
from titer.literature.similarity import normal_words, similar
from titer.records import Paper

TITLE_WORDS = 5
"""Shorter titles ("Editorial") repeat without being the same work."""

YEARS_APART = 2
"""Of a preprint and its publication."""

COMMERCIAL_LICENCES = ("cc0", "cc-by", "cc-by-sa", "cc-by-nd")
"""Those of PubMed Central's commercial use group."""

Link = tuple[int, int, str]


@dataclass
class Deduplicated:
    """One paper per cluster, and the others with the reason."""

    kept: list[Paper]
    """In order of paper_id, each with its `cluster_id`."""
    duplicates: list[dict[str, str]]
    """`{paper_id, canonical, reason}`."""


def deduplicate(papers: Sequence[Paper]) -> Deduplicated:
    """Join records of the same work and choose one of each.

    Every paper given gets its `cluster_id`, so that the ids of the others can be guarded as well.
    Five steps: same id; same DOI; a link between versions; same title with the same first author
    or years close by; similar abstracts. Published goes before preprint, a licence that allows
    commercial use before others, a structured and then a longer abstract before others.
    """
    ordered = sorted(papers, key=_rank)
    clusters: links.Clusters[int] = links.Clusters()
    reasons: dict[int, str] = {}
    for one, other, reason in _links(ordered, clusters):
        reasons.setdefault(one, reason)
        reasons.setdefault(other, reason)
        # the lowest index has the best rank: it is the canonical record
        clusters.join(*sorted((clusters.top(one), clusters.top(other))))
    kept, duplicates = [], []
    for index, paper in enumerate(ordered):
        top = clusters.top(index)
        paper.cluster_id = ordered[top].paper_id
        if top == index:
            kept.append(paper)
        else:
            row = {"paper_id": paper.paper_id, "canonical": paper.cluster_id}
            duplicates.append({**row, "reason": reasons[index]})
    kept.sort(key=lambda paper: paper.paper_id)
    duplicates.sort(key=lambda row: (row["canonical"], row["paper_id"]))
    return Deduplicated(kept, duplicates)


def not_taken(papers: Sequence[Paper], taken: Sequence[Paper]) -> list[Paper]:
    """Records of works that are taken by another record, as members of its cluster.

    A record without a licence is rejected while its preprint stays: its ids and title are still
    those of the work, and the contamination gate looks at both.

    Args:
        papers: all that were collected.
        taken: those that `deduplicate` was given; it has set their `cluster_id`.
    """
    works = links.works(papers)
    clusters = {works.top(paper.paper_id): paper.cluster_id for paper in taken}
    known = {paper.paper_id for paper in taken}
    found = [
        replace(paper, cluster_id=clusters[top])
        for paper in papers
        if paper.paper_id not in known and (top := works.top(paper.paper_id)) in clusters
    ]
    return sorted(found, key=lambda paper: paper.paper_id)


def _rank(paper: Paper) -> tuple[Hashable, ...]:
    """Sorts the best record of a work first; equal only for equal texts of one id."""
    licence = (paper.license or {}).get("id")
    abstract = paper.abstract
    return (
        paper.missing,
        paper.is_preprint,
        bool(links.linked_ids(paper, ("CorrectedandRepublishedIn",))),
        licence not in COMMERCIAL_LICENCES,
        len(paper.sections) < 2,
        -len(abstract),
        -(paper.arxiv_version or 0),
        paper.paper_id,
        paper.title,
        paper.raw_sha256,
        abstract,
    )


def _links(papers: Sequence[Paper], clusters: links.Clusters[int]) -> Iterator[Link]:
    """The links of each step; a step sees in `clusters` what those before it joined."""
    yield from _same([[paper.paper_id] for paper in papers], "same id")
    yield from _same(links.distinct_dois(papers), "same DOI")
    yield from _versions(papers)
    yield from _same_title(papers, clusters)
    for one, other in similar(paper.abstract for paper in papers):
        yield one, other, "similar abstract"


def _same(names: Sequence[Sequence[str]], reason: str) -> Iterator[Link]:
    first: dict[str, int] = {}
    for index in range(len(names)):
        for name in names[index]:
            other = first.setdefault(name, index)
            if other != index:
                yield other, index, reason


def _versions(papers: Sequence[Paper]) -> Iterator[Link]:
    index_of = {paper.paper_id: index for index, paper in reversed(list(enumerate(papers)))}
    for index, paper in enumerate(papers):
        for name in links.versions(paper):
            other = index_of.get(name)
            if other is not None and other != index:
                yield index, other, "linked version"


def _same_title(papers: Sequence[Paper], clusters: links.Clusters[int]) -> Iterator[Link]:
    groups: dict[str, list[int]] = defaultdict(list)
    for index, paper in enumerate(papers):
        title = normal_words(paper.title)
        if len(title) >= TITLE_WORDS:
            groups[" ".join(title)].append(index)
    n_works = [len({clusters.top(index) for index in group}) for group in groups.values()]
    for group, n in zip(groups.values(), n_works, strict=True):
        yield from _one_titled(papers, group, is_generic=n > links.MOST_VERSIONS)


def _one_titled(papers: Sequence[Paper], group: list[int], *, is_generic: bool) -> Iterator[Link]:
    """Links among papers of one title: each joins the first work that it may belong to.

    It has to fit every paper of that work, or a report of every other year would become one work.
    Under a title of many works both the author and the years have to agree.
    """
    works: dict[str, list[list[int]]] = defaultdict(list)
    agree = all if is_generic else any
    for index in group:
        paper = papers[index]
        bucket = works[_author(paper) if is_generic else ""]
        for work in bucket:
            if all(agree(_agreements(paper, papers[member])) for member in work):
                yield work[0], index, "same title"
                work.append(index)
                break
        else:
            bucket.append([index])


def _agreements(one: Paper, other: Paper) -> tuple[bool, bool]:
    """Whether the first authors are the same, and the years close by; both have to be known."""
    same_author = bool(_author(one)) and _author(one) == _author(other)
    years = [int(paper.pub_date[:4]) for paper in (one, other) if paper.pub_date]
    return same_author, len(years) == 2 and abs(years[0] - years[1]) <= YEARS_APART


def _author(paper: Paper) -> str:
    """Last name of the first author; empty if there is none."""
    words = normal_words(paper.authors[0])[-1:] if paper.authors else []
    return words[0] if words else ""

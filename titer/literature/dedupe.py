"""Records of the same work: clusters, and the one record that stands for each.

Invariant: the result depends on the set of papers, never on their order.
Reference: Broder (1997), MinHash.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from titer.records import Paper

TITLE_WORDS = 5
"""Shorter titles ("Editorial") repeat without being the same work."""

YEARS_APART = 2
"""Of a preprint and its publication."""

SHINGLE_WORDS = 5
MINHASH_WORDS = 20
"""Shorter abstracts are not compared: they are mostly set phrases."""

PERMUTATIONS, BANDS, ROWS = 128, 32, 4
"""An S-curve with its middle near 0.42."""

SIMILARITY = 0.4
"""Jaccard of 5-word shingles. Usual thresholds (0.7) miss preprints whose words were edited by
10 %; among 1,000 distinct real abstracts no pair is above 0.02."""

_ARXIV_DOI = "10.48550/arxiv."
_OPEN_LICENCE = re.compile(r"cc0|cc[- ]by(?![- ]n)", re.IGNORECASE)

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
    or years close by; similar abstracts. Published goes before preprint, an open licence before a
    closed one, a structured and then a longer abstract before others.
    """
    ordered = sorted(papers, key=_rank)
    parent = list(range(len(ordered)))
    reasons: dict[int, str] = {}
    for one, other, reason in _links(ordered):
        reasons.setdefault(one, reason)
        reasons.setdefault(other, reason)
        low, high = sorted((_top(parent, one), _top(parent, other)))
        parent[high] = low  # the lowest index has the best rank: it is the canonical record
    kept, duplicates = [], []
    for index, paper in enumerate(ordered):
        paper.cluster_id = top = ordered[_top(parent, index)].paper_id
        if parent[index] == index:
            kept.append(paper)
        else:
            row = {"paper_id": paper.paper_id, "canonical": top, "reason": reasons[index]}
            duplicates.append(row)
    kept.sort(key=lambda paper: paper.paper_id)
    duplicates.sort(key=lambda row: (row["canonical"], row["paper_id"]))
    return Deduplicated(kept, duplicates)


def _rank(paper: Paper) -> tuple[Hashable, ...]:
    licence = (paper.license or {}).get("id") or ""
    return (
        paper.missing,
        paper.is_preprint,
        not _OPEN_LICENCE.search(licence),
        len(paper.sections) < 2,
        -len(paper.abstract),
        -(paper.arxiv_version or 0),
        paper.paper_id,
        paper.title,
    )


def _top(parent: list[int], index: int) -> int:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = parent[index]
    return index


def _links(papers: Sequence[Paper]) -> Iterator[Link]:
    yield from _same(papers, [[paper.paper_id] for paper in papers], "same id")
    yield from _same(papers, [_doi_names(paper) for paper in papers], "same DOI")
    yield from _versions(papers)
    yield from _same_title(papers)
    yield from _similar_abstract(papers)


def _same(papers: Sequence[Paper], names: Sequence[Sequence[str]], reason: str) -> Iterator[Link]:
    first: dict[str, int] = {}
    for index in range(len(papers)):
        for name in names[index]:
            other = first.setdefault(name, index)
            if other != index:
                yield other, index, reason


def _doi_names(paper: Paper) -> list[str]:
    """The DOI, and the arXiv id as the DOI that arXiv gives it."""
    arxiv = [f"{_ARXIV_DOI}{paper.arxiv_id.lower()}"] if paper.arxiv_id else []
    return arxiv + ([re.sub(r"^(10\.48550/arxiv\..+)v\d+$", r"\1", paper.doi)] if paper.doi else [])


def _versions(papers: Sequence[Paper]) -> Iterator[Link]:
    index_of = {paper.paper_id: index for index, paper in reversed(list(enumerate(papers)))}
    for index, paper in enumerate(papers):
        linked = [
            f"pmid:{row['pmid']}"
            for row in paper.corrections
            if row["type"] in ("UpdateIn", "UpdateOf")
        ]
        for name in [*linked, paper.version_of]:
            other = index_of.get(name or "")
            if other is not None and other != index:
                yield index, other, "linked version"


def _same_title(papers: Sequence[Paper]) -> Iterator[Link]:
    groups: dict[str, list[int]] = defaultdict(list)
    for index, paper in enumerate(papers):
        title = normal_words(paper.title)
        if len(title) >= TITLE_WORDS:
            groups[" ".join(title)].append(index)
    for group in groups.values():
        for at, one in enumerate(group):
            for other in group[at + 1 :]:
                if _may_be_one_work(papers[one], papers[other]):
                    yield one, other, "same title"


def _may_be_one_work(one: Paper, other: Paper) -> bool:
    authors = [normal_words(paper.authors[0])[-1:] for paper in (one, other) if paper.authors]
    if len(authors) == 2 and authors[0] and authors[0] == authors[1]:
        return True
    years = [int(paper.pub_date[:4]) for paper in (one, other) if paper.pub_date]
    return len(years) == 2 and abs(years[0] - years[1]) <= YEARS_APART


def normal_words(text: str) -> list[str]:
    """Words in lower case without accents and punctuation."""
    plain = unicodedata.normalize("NFKD", text).lower()
    return re.findall(r"[^\W_]+", "".join(c for c in plain if not unicodedata.combining(c)))


def _shingles(words: Sequence[str]) -> set[str]:
    spans = range(len(words) - SHINGLE_WORDS + 1)
    return {" ".join(words[at : at + SHINGLE_WORDS]) for at in spans}


def _similar_abstract(papers: Sequence[Paper]) -> Iterator[Link]:
    from datasketch import MinHash, MinHashLSH

    words = [normal_words(paper.abstract) for paper in papers]
    long = [index for index, found in enumerate(words) if len(found) >= MINHASH_WORDS]
    shingles = {index: _shingles(words[index]) for index in long}
    index = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, ROWS))
    encoded = ([one.encode() for one in sorted(shingles[at])] for at in long)
    hashes = MinHash.generator(encoded, num_perm=PERMUTATIONS, seed=1)
    for at, minhash in zip(long, hashes, strict=True):
        for other in sorted(index.query(minhash)):
            if _jaccard(shingles[at], shingles[other]) >= SIMILARITY:
                yield other, at, "similar abstract"
        index.insert(at, minhash)


def _jaccard(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)

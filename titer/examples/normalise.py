"""Texts, titles and ids in the one spelling in which the contamination gate compares them."""

import re
import unicodedata
from collections.abc import Sequence

from titer.records import Paper

N = 8
"""Words in a row that make a match (ConTAM, arXiv 2411.03923)."""

MIN_TITLE_WORDS = 4
"""Statement and question form are compared only of titles with so many words left."""


def words(text: str) -> list[str]:
    """Lower-case words and numbers, without accents and punctuation."""
    plain = text.lower()
    if not plain.isascii():
        decomposed = unicodedata.normalize("NFKD", plain)
        plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return re.findall(r"[^\W_]+", plain)


def normal_id(text: str) -> str:
    """One spelling per paper: `pmid:`, `doi:` or `arxiv:` without version, prefix or case."""
    bare = text.strip().lower()
    bare = re.sub(r"^(?:https?://)?(?:dx\.)?(?:doi\.org/|arxiv\.org/(?:abs|pdf)/)", "", bare)
    bare = re.sub(r"^(?:doi|arxiv|pmid)\s*:\s*", "", bare).removeprefix("10.48550/arxiv.")
    if bare.startswith("10."):
        return f"doi:{bare}"
    if re.fullmatch(r"(?:\d{4}\.\d{4,5}|[a-z.-]+/\d{7})(?:v\d+)?", bare):
        return "arxiv:" + re.sub(r"v\d+$", "", bare)
    return f"pmid:{bare}"


def paper_ids(paper: Paper) -> set[str]:
    """All ids of a paper in the spelling of `normal_id`."""
    given = (paper.paper_id, paper.pmid, paper.arxiv_id, paper.doi, paper.version_of)
    return {normal_id(text) for text in given if text}


def runs(text: Sequence[str]) -> list[str]:
    """All stretches of eight neighbouring words, in order."""
    return [" ".join(text[start : start + N]) for start in range(len(text) - N + 1)]


# a statement becomes a question by moving or adding one of these
_AUXILIARIES = frozenset(
    (
        *("is", "are", "was", "were", "be", "do", "does", "did", "has", "have", "had", "not"),
        *("can", "could", "may", "might", "should", "shall", "will", "would", "must"),
        *("a", "an", "the"),
    )
)
_ENDING = re.compile(r"(?:ed|es|e|s)$")


def title_forms(title: Sequence[str]) -> set[str]:
    """The title as it stands, and without what changes between statement and question."""
    if not title:
        return set()
    core = [_ENDING.sub("", word) for word in title if word not in _AUXILIARIES]
    forms = {" ".join(title)}
    return forms | {"~" + " ".join(core)} if len(core) >= MIN_TITLE_WORDS else forms

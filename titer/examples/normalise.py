"""Texts, titles and ids in the one spelling in which the contamination gate compares them.

Invariant: whoever pastes a text through a web page, a PDF, Markdown or another keyboard changes
none of its words. Letters of another alphabet that only look alike are not unified.
"""

import html
import re
import sys
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from titer import scripts
from titer.records import Example, Paper

N = 8
"""Words in a row that make a match (ConTAM, arXiv 2411.03923)."""

MIN_TITLE_WORDS = 4
"""Statement and question form are compared only of titles with so many words left."""

OWN = "own"
"""Source of a user's own rows; their paper_id is `own:<file>` or `own:<file>#<id they gave>`."""

DOCUMENT = "document"
"""Source of a user's own documents and their rows; their paper_id is `document:<path>`."""

_INLINE = "a|abbr|b|cite|code|del|em|font|i|ins|kbd|mark|q|s|small|span|strong|sub|sup|tt|u|var"
_BLOCK = (
    "article|blockquote|body|br|caption|center|dd|div|dl|dt|figcaption|figure|footer|h[1-6]|head|"
    "header|hr|html|img|li|main|ol|p|pre|section|table|tbody|td|tfoot|th|thead|title|tr|ul"
)
_INLINE_TAG = re.compile(rf"</?(?:{_INLINE})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_BLOCK_TAG = re.compile(rf"<!--.*?-->|</?(?:{_BLOCK})(?:\s[^<>]*)?/?>", re.IGNORECASE | re.DOTALL)
_LINK = re.compile(r"\]\([^()\s]*(?:\s\"[^\"]*\")?\)|\]\[[^\[\]]*\]")
"""The target of a Markdown link, which stands between its text and the next word."""
_ESCAPED_SPACE = re.compile(r"\\[nrt]")
"""A line break that was escaped twice on its way through JSON."""
_JOINING = re.compile("['`*~\u2018\u2019\u02bc\u2032]")
"""Apostrophes and Markdown's marks, which may stand inside a word, are no gap between two."""
_SOFT_BREAK = re.compile("\u00ad\\s*\\n\\s*|\u00b4")
"""A word divided at the end of a line; an accent typed as an apostrophe, which NFKD takes apart."""
_GREEK = re.compile(r"(?<![\u0370-\u03ff])[\u03b1-\u03c9](?![\u0370-\u03ff])")
_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Lower-case words and numbers of any text, without accents, mark-up and punctuation."""
    return plain_words(plain(text))


def plain_words(text: str) -> list[str]:
    """Words and numbers of a text that is `plain` already."""
    return _WORD.findall(text)


def plain(text: str) -> str:
    """The text in lower case, without accents, mark-up, entities and characters of no width.

    Line breaks and punctuation stay, so that sentences can still be told apart. A Greek letter
    that stands alone is spelled out: TNF-\u03b1 and TNF-alpha are one word pair.
    """
    for _ in range(2):  # entities are sometimes escaped twice
        if "&" in text:
            text = html.unescape(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKD", _SOFT_BREAK.sub("", text).casefold())
        for letter in _unseen().intersection(text):
            text = text.replace(letter, "")
        text = _GREEK.sub(_spelled_out, text)
    text = _JOINING.sub("", text)
    if "<" in text:
        text = _BLOCK_TAG.sub(" ", _INLINE_TAG.sub("", text))
    if "](" in text or "][" in text:
        text = _LINK.sub(" ", text)
    if "\\" in text:
        text = _ESCAPED_SPACE.sub(" ", text)
    return scripts.joined(text).lower()


@lru_cache(maxsize=1)
def _unseen() -> frozenset[str]:
    """Accents, and characters without a width: joiners, soft hyphens, marks of direction."""
    letters = map(chr, range(sys.maxunicode + 1))
    hidden = (one for one in letters if unicodedata.category(one) in ("Cf", "Mn", "Me"))
    return frozenset((*hidden, *"\u115f\u1160\u3164\uffa0"))


def _spelled_out(letter: re.Match[str]) -> str:
    name = unicodedata.name(letter[0]).rpartition(" ")[2].lower()
    return f" {name.replace('lamda', 'lambda')} "


_ADDRESS = re.compile(
    r"^(?:https?://)?(?:www\.|dx\.)?"
    r"(?:doi\.org/|arxiv\.org/(?:abs|pdf)/|pubmed\.ncbi\.nlm\.nih\.gov/|ncbi\.nlm\.nih\.gov/pubmed/)"
)


_NUMBERED = re.compile(
    r"(\d{4}\.\d{4,5}(?:v\d+)?|[a-z.-]+/\d{7}(?:v\d+)?|\d{1,8})"
    r"(?:\.0)?(?:\.pdf)?/?(?:[?#]\S*)?(?:\s+\[[a-z.-]+\])?"
)
"""An id of arXiv or PubMed with what an address, arXiv's own citation or a column of numbers with
gaps (pandas) puts behind it."""


def normal_id(text: str) -> str:
    """One spelling per paper: `pmid:`, `doi:` or `arxiv:` without version, prefix or case."""
    bare = _ADDRESS.sub("", text.strip().lower()).rstrip("/")
    bare = re.sub(r"^(?:doi|arxiv|pmid|pubmed)(?:\s*:|\s)\s*", "", bare)
    bare = bare.removeprefix("10.48550/arxiv.")
    if bare.startswith("10."):
        return f"doi:{bare}"
    if whole := _NUMBERED.fullmatch(bare):
        bare = whole[1]
    if re.fullmatch(r"(?:\d{4}\.\d{4,5}|[a-z.-]+/\d{7})(?:v\d+)?", bare):
        return "arxiv:" + re.sub(r"v\d+$", "", bare)
    return f"pmid:{bare}"


def paper_ids(paper: Paper) -> set[str]:
    """All ids of a paper in the spelling of `normal_id`."""
    given = (paper.paper_id, paper.pmid, paper.arxiv_id, paper.doi, paper.version_of)
    return {normal_id(text) for text in given if text}


def example_ids(example: Example) -> set[str]:
    """The ids that an example itself names, in the spelling of `normal_id`."""
    if example.source != OWN:
        return {normal_id(example.paper_id)}
    given = example.paper_id.partition("#")[2]
    return {normal_id(given)} if given else set()


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

"""Licences in one spelling, whoever states them.

Invariant: an id is given only where the wording leaves no doubt; anything else is kept as text with
the id null, so that a policy by licence never lets a guess through.

What a licence covers: the text that a record holds. arXiv's terms put the abstract of an e-print
under CC0 while the e-print keeps its own licence; with papers.arxiv_oai the stricter one of the
two, the e-print's, is taken for the abstract as well.
Sources: creativecommons.org/licenses; arXiv API terms of use; arXiv help on licences.
"""

import re

from titer.records import Paper

Licence = dict[str, str | None]
"""`{id, url, source}`, and `text` where the id is null."""

ARXIV_TERMS: Licence = {
    "id": "cc0",
    "url": "https://creativecommons.org/publicdomain/zero/1.0/",
    "source": "arxiv_terms",
}
"""Of arXiv's descriptive metadata, to which the abstract belongs."""

LONGEST_TEXT = 200
"""Characters kept of a wording that names no known licence."""

_ADDRESS = re.compile(r"(?:https?://)?(?:www\.)?((?:creativecommons|arxiv)\.org/[\w./-]*\w)", re.I)
_PATHS = (
    (re.compile(r"creativecommons\.org/publicdomain/zero\b"), "cc0"),
    (re.compile(r"creativecommons\.org/publicdomain/mark\b"), "public-domain"),
    (re.compile(r"creativecommons\.org/licenses/(by(?:-nc)?(?:-nd|-sa)?)(?![\w-])"), r"cc-\1"),
    (re.compile(r"creativecommons\.org/licenses/by-nd-nc\b"), "cc-by-nc-nd"),  # of version 1.0
    (re.compile(r"arxiv\.org/licenses/nonexclusive-distrib\b"), "arxiv-nonexclusive"),
    (re.compile(r"arxiv\.org/licenses/assumed-1991-2003\b"), "arxiv-assumed"),
)
_VERSION = r"(?: (?:\d\.\d|international|universal|unported|igo))*"
_SHORT = re.compile(rf"cc by( nc)?( nd| sa)?{_VERSION}")
_LONG = re.compile(
    r"(?:the )?creative commons attribution( non ?commercial)?"
    rf"( no ?deriv(?:ative|atives|s)| share ?alike)?{_VERSION}(?: licen[cs]e)?{_VERSION}"
)
_SENTENCE = re.compile(
    rf"under (?:the terms (?:and conditions )?of )?(?:the|a) (?P<name>{_LONG.pattern})"
)
_LIMITS = re.compile(r"non ?commercial|no ?deriv|share ?alike|\b(?:nc|nd|sa)\b")
_ZERO = re.compile(rf"cc ?(?:0|zero){_VERSION}")
_PUBLISHER = ("publisher", "publisher specific", "all rights reserved", "closed")


def normal_licence(text: str | None, *, source: str) -> Licence | None:
    """The licence that a name or an address means; None where nothing is said.

    Args:
        text: `CC BY`, `cc by-nc 4.0`, an address at creativecommons.org, a sentence with one, ...
            Of several addresses the first counts: the others concern data and figures.
        source: who states it.
    """
    words = " ".join((text or "").split())
    if not words:
        return None
    address = _ADDRESS.search(words)
    if address:
        found = _of_address(address[1].lower())
        if found:
            return {"id": found, "url": f"https://{address[1].lower()}/", "source": source}
    found = _of_name(words) or _of_sentence(words)
    if found:
        return {"id": found, "url": None, "source": source}
    return {"id": None, "url": None, "source": source, "text": words[:LONGEST_TEXT]}


def _of_address(address: str) -> str | None:
    for pattern, name in _PATHS:
        match = pattern.match(address)
        if match:
            return match.expand(name)
    return None


def _of_name(words: str) -> str | None:
    name = _plain(words).strip(" .()")
    if _ZERO.fullmatch(name):
        return "cc0"
    if name in _PUBLISHER:
        return "publisher"
    match = _SHORT.fullmatch(name) or _LONG.fullmatch(name)
    if match is None:
        return None
    limits = "-nc" if match[1] else ""
    if match[2]:
        limits += "-nd" if match[2].startswith(" n") else "-sa"
    return f"cc-by{limits}"


def _of_sentence(words: str) -> str | None:
    """The licence under whose terms a text is said to stand, where no other word limits it."""
    text = _plain(words)
    match = _SENTENCE.search(text)
    if match is None or _LIMITS.search(text[: match.start("name")] + text[match.end("name") :]):
        return None
    return _of_name(match["name"])


def _plain(words: str) -> str:
    return " ".join(re.split(r"[\s_/-]+", words.lower()))


def stated_by_record(paper: Paper) -> Licence | None:
    """What a record says of itself, before any further source is asked.

    An arXiv abstract is CC0 by arXiv's terms. The copyright notice of a PubMed record is evidence,
    not a licence, unless it holds the address of one. A synthetic record states nothing.
    """
    if paper.license is not None or paper.synthetic:
        return paper.license
    if paper.source == "arxiv":
        return dict(ARXIV_TERMS)
    notice = _ADDRESS.search(paper.copyright_text or "")
    found = normal_licence(notice[0], source="pubmed") if notice else None
    return found if found and found["id"] else None

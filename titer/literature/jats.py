"""Full text in JATS: the body as sections, and the licence that the article states.

Invariant: the text is what the authors wrote in sentences. Tables, figures, displayed formulas,
references, citation marks, footnotes and statements about funding, interests and data are left out.
Source: JATS 1.3 (NISO Z39.96), as PubMed Central and Europe PMC serve it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lxml import etree

from titer.files import sha256_bytes
from titer.literature.licences import Licence, normal_licence
from titer.literature.markup import Cleaner

LEFT_OUT = (
    "table-wrap", "table-wrap-group", "table", "fig", "fig-group", "graphic", "media",
    "inline-graphic", "disp-formula", "disp-formula-group", "tex-math", "ref-list", "fn",
    "fn-group", "supplementary-material", "inline-supplementary-material", "boxed-text",
    "object-id", "code",
)  # fmt: skip
"""Elements that are no running text."""

CATEGORIES = {
    "intro": "BACKGROUND",
    "introduction": "BACKGROUND",
    "background": "BACKGROUND",
    "methods": "METHODS",
    "materials": "METHODS",
    "subjects": "METHODS",
    "results": "RESULTS",
    "conclusion": "CONCLUSIONS",
    "conclusions": "CONCLUSIONS",
}
"""Meaning of a section's `sec-type`, in PubMed's words; where it has none its title must do."""

_SIDE_MATTER = re.compile(
    r"(?:supplement(?:ary|al)\b|additional (?:file|information|material)|acknowledge?ment|"
    r"fund(?:ing|ers)\b|(?:conflicts?|competing|declarations?|statements?)\b.*\binterests?\b|"
    r"authors?.{0,3} contribution|"
    r"(?:data|code).*availab|availability|abbreviations?\b|ethic|consent\b|disclosures?\b|"
    r"publisher.s note|pre-?publication history|references\b)",
    re.IGNORECASE,
)
_NUMBERING = re.compile(r"^(?:\d+(?:\.\d+)*[.)]?|[ivx]+[.)])\s+", re.IGNORECASE)
_BETWEEN_CITATIONS = re.compile(r"[\s,;\u2013-]*")
# "[]", "(; )", and what stood with a citation: "[, pp. 57-59]"
_EMPTY_MARKS = re.compile(
    r"\s*(?:\[[\s,;\u2013-]*\]|\([\s,;\u2013]*\)|\[\s*[,;][^\]\[]{0,60}\]|\(\s*[,;][^()]{0,60}\))"
)
_GAP = re.compile(r"\s+([.,;:])(?=\s|$)")
_CITATION = "xref[@ref-type='bibr']"
_HREF = "{http://www.w3.org/1999/xlink}href"
_LICENSE_REF = "{http://www.niso.org/schemas/ali/1.0/}license_ref"


@dataclass
class Article:
    """What an article gives to a paper."""

    pmcid: str
    """With its prefix: `PMC123`; empty where it states none."""
    body: list[dict[str, str]]
    """`{label, category, text}` of each top-level section, subsections included; empty where the
    publisher gives only metadata."""
    licence: Licence | None
    sanitised: bool
    sha256: str
    """Of the article as it came, written out again in UTF-8: the same in any batch."""


def read_article(article: Any, *, source: str) -> Article:
    """The body and licence of an `article` element, which loses what is left out.

    Args:
        article: of a document read by the safe parser.
        source: named in the licence.
    """
    cleaner = Cleaner()
    digest = sha256_bytes(etree.tostring(article, encoding="utf-8", with_tail=False))
    body = article.find("body")
    rows = [] if body is None else list(_rows(body, cleaner))
    return Article(pmcid_of(article), rows, _licence(article, source), cleaner.sanitised, digest)


def pmcid_of(article: Any) -> str:
    """The article's id in PubMed Central, with its prefix; empty where it states none."""
    for element in article.iterfind("front/article-meta/article-id"):
        number = (element.text or "").strip().upper().removeprefix("PMC")
        if element.get("pub-id-type") in ("pmc", "pmcid") and number.isdigit():
            return f"PMC{number}"
    return ""


def _rows(body: Any, cleaner: Cleaner) -> Iterator[dict[str, str]]:
    _strip(body)
    opening = _text([one for one in body if one.tag != "sec"], cleaner)
    if opening:
        yield {"label": "", "category": "", "text": opening}
    for section in body.iterfind("sec"):
        label = _NUMBERING.sub("", cleaner.text(section.find("title")), count=1)
        kinds = re.split(r"[^a-z]+", (section.get("sec-type") or "").lower())
        category = next((CATEGORIES[kind] for kind in kinds if kind in CATEGORIES), "")
        text = "" if _SIDE_MATTER.match(label) else _text([section], cleaner)
        if text:
            yield {"label": label, "category": category, "text": text}


def _strip(body: Any) -> None:
    """Take out what is no running text, and part what stood on lines of its own."""
    raised = [one for one in body.iter("sup") if one.find(_CITATION) is not None]
    for one in body.iterfind(f".//{_CITATION}"):
        following = one.getnext()
        is_citation = following is not None and following.get("ref-type") == "bibr"
        if is_citation and _BETWEEN_CITATIONS.fullmatch(one.tail or ""):
            one.tail = ""
    for element in [one for one in body.iter(*LEFT_OUT, "xref", "sec") if _is_left_out(one)]:
        _remove(element)
    for element in raised:
        if _BETWEEN_CITATIONS.fullmatch("".join(element.itertext())):
            _remove(element)  # it held nothing but citations
    for element in body.iter("p", "list-item", "def-item", "disp-quote"):
        element.tail = f" {element.tail or ''}"


def _is_left_out(element: Any) -> bool:
    if element.tag in LEFT_OUT:
        return True
    side = element.get("ref-type") == "bibr" or element.get("sec-type") == "supplementary-material"
    return bool(side)


def _remove(element: Any) -> None:
    """Take an element out and leave the text after it."""
    parent, before, tail = element.getparent(), element.getprevious(), element.tail or ""
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
    parent.remove(element)


def _text(roots: list[Any], cleaner: Cleaner) -> str:
    """The paragraphs below some elements, one after the other."""
    paragraphs = (
        one
        for root in roots
        for one in root.iter("p")
        if next(one.iterancestors("p"), None) is None
    )
    found = (_without_marks(cleaner.text(one)) for one in paragraphs)
    return " ".join(text for text in found if text)


def _without_marks(text: str) -> str:
    """The text without the brackets and gaps that citations leave."""
    while (shorter := _EMPTY_MARKS.sub("", text)) != text:
        text = shorter  # one bracket may stand in another
    return _GAP.sub(r"\1", text)


def _licence(article: Any, source: str) -> Licence | None:
    permissions = article.find("front/article-meta/permissions")
    if permissions is None:
        return None
    stated = [*permissions.iterfind("license"), *permissions.iterfind(_LICENSE_REF)]
    candidates = [text for element in stated for text in _wordings(element)]
    found = [normal_licence(text, source=source) for text in candidates]
    named = [one for one in found if one is not None]
    # the first address is the article's: later ones concern its data or its figures
    return next((one for one in named if one["id"]), named[-1] if named else None)


def _wordings(element: Any) -> Iterator[str]:
    if element.tag == _LICENSE_REF:
        yield element.text or ""
        return
    yield element.get(_HREF) or ""
    yield from (one.text or "" for one in element.iterfind(_LICENSE_REF))
    yield from (one.get(_HREF) or "" for one in element.iter("ext-link", "uri"))
    yield (element.get("license-type") or "").replace("open-access", "")
    yield " ".join("".join(element.itertext()).split())

"""Bytes of PubMed XML or of an arXiv Atom feed to `Paper` records.

Invariant: pure. Equal bytes give equal records, whether they came from a service or from a file,
and every record in the bytes is either a paper or stands in `skipped` with a reason.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any, BinaryIO

from titer.errors import FormatError
from titer.literature import fields, markup, raw
from titer.literature.markup import Cleaner
from titer.literature.merge import DELETED, Merger, Parsed, Read
from titer.records import Paper

SYNTHETIC_MARK = "synthetic sample record"
"""Keyword, or beginning of the arXiv comment, of a record of the project's sample collection."""

ATOM = "{http://www.w3.org/2005/Atom}"
ARXIV = "{http://arxiv.org/schemas/atom}"

_ARXIV_ID = re.compile(r"abs/(?P<id>.+?)(?:v(?P<version>\d{1,9}))?$")
_RETRACTED_TITLE = re.compile(r"\[?retracted(?: article)?:", re.IGNORECASE)
_WITHDRAWN_TITLE = re.compile(r"\[?(?:withdrawn|removed):", re.IGNORECASE)
_WITHDRAWN = re.compile(r"\bwithdrawn\b", re.IGNORECASE)
_WITHDRAWN_TEXT = re.compile(
    r"(?:this|the) (?:\w+ )?(?:paper|article|manuscript|submission|preprint|work) "
    r"(?:has been|is|was) withdrawn",
    re.IGNORECASE,
)


def parse_pubmed(body: bytes) -> Parsed:
    """Papers of a `PubmedArticleSet`, book chapters with a title and an abstract included.

    Raises:
        FormatError: not well-formed, or another document; the text begins with the line.
    """
    return _parse(body, "PubmedArticleSet")


def parse_atom(body: bytes) -> Parsed:
    """Papers of an arXiv Atom feed; the feed states no licence, so theirs is None.

    Raises:
        FormatError: not well-formed, or another document; the text begins with the line.
    """
    return _parse(body, "feed")


def _parse(body: bytes, root: str) -> Parsed:
    merger = Merger()
    for read in read_records(BytesIO(body), root):
        merger.add(read)
    return merger.parsed()


def read_records(stream: BinaryIO, root: str | None = None) -> Iterator[Read]:
    """Yield what a document holds, record by record, in constant memory.

    Nothing is certain before the end: a document that is cut off yields records and then raises.

    Args:
        stream: PubMed XML or an Atom feed.
        root: the root element that is expected; None takes either.

    Raises:
        FormatError: not well-formed, or another document; the text begins with the line.
    """
    parser = markup.safe_parser()
    for record in raw.split(stream, root):
        try:
            element, is_repaired = markup.element(record.content, record.root, parser)
        except FormatError as error:
            line, _, text = str(error).partition(":")
            raise FormatError(f"{record.line + int(line) - 1}:{text}") from None
        for read in _READERS[record.tag](element, record.sha256):
            if read.paper and is_repaired:
                read.paper.sanitised = True
            yield read


def _read_article(element: Any, raw_sha256: str) -> Iterator[Read]:
    citation = element.find("MedlineCitation")
    article = None if citation is None else citation.find("Article")
    pmid, version = _pmid(citation)
    if article is None or not pmid:
        yield Read(f"pmid:{pmid}", reason="a record without PMID or Article")
        return
    cleaner = Cleaner()
    paper = _paper(pmid, article, cleaner, raw_sha256)
    paper.journal = cleaner.text(article.find("Journal/Title")) or None
    issued = fields.partial_date(article.find("Journal/JournalIssue/PubDate"))
    paper.pub_date = issued or fields.partial_date(article.find("ArticleDate"))
    types = article.find("PublicationTypeList")
    if types is not None:
        paper.pub_types, paper.retracted = fields.publication_types(types)
    paper.mesh = fields.mesh(citation, cleaner)
    paper.status = citation.get("Status")
    _set_shared(paper, citation, element.find("PubmedData"), article, cleaner)
    _set_standing(paper, fields.corrections(citation, cleaner))
    paper.sanitised = cleaner.sanitised
    yield Read(paper.paper_id, paper, version=version)


def _read_book(element: Any, raw_sha256: str) -> Iterator[Read]:
    document = element.find("BookDocument")
    pmid, version = _pmid(document)
    lacks = [
        name for name in ("ArticleTitle", "Abstract")
        if document is None or document.find(name) is None
    ]  # fmt: skip
    if lacks or not pmid:
        reason = f"a book record without {' and '.join(lacks or ['PMID'])}"
        yield Read(f"pmid:{pmid}", reason=reason)
        return
    cleaner = Cleaner()
    paper = _paper(pmid, document, cleaner, raw_sha256)
    paper.journal = cleaner.text(document.find("Book/BookTitle")) or None
    paper.pub_date = fields.partial_date(document.find("Book/PubDate"))
    paper.pub_types, paper.retracted = fields.publication_types(document)
    _set_shared(paper, document, document, document, cleaner)
    paper.sanitised = cleaner.sanitised
    yield Read(paper.paper_id, paper, version=version)


def _read_deleted(element: Any, raw_sha256: str) -> Iterator[Read]:
    for pmid in element.iterfind("PMID"):
        yield Read(f"pmid:{(pmid.text or '').strip()}", reason=DELETED)


def _pmid(holder: Any) -> tuple[str, int]:
    """PMID and version; an empty PMID where there is none, or one that is no number."""
    element = None if holder is None else holder.find("PMID")
    if element is None:
        return "", 1
    pmid, version = (element.text or "").strip(), fields.whole_number(element.get("Version", ""))
    known = fields.whole_number(pmid) is not None
    return pmid if known else "", 1 if version is None else version


def _paper(pmid: str, article: Any, cleaner: Cleaner, raw_sha256: str) -> Paper:
    return Paper(
        paper_id=f"pmid:{pmid}",
        source="pubmed",
        title=cleaner.text(article.find("ArticleTitle")),
        sections=fields.sections(article.find("Abstract"), cleaner),
        pmid=pmid,
        raw_sha256=raw_sha256,
    )


def _set_shared(paper: Paper, holder: Any, data: Any, article: Any, cleaner: Cleaner) -> None:
    """Fields that articles and book chapters share; they stand in different parents."""
    ids = fields.article_ids(data, article)
    paper.doi = fields.normal_doi(ids.get("doi"))
    paper.pmcid = ids.get("pmc")
    paper.authors = fields.authors(article.findall("AuthorList"), cleaner)
    paper.language = [(one.text or "").strip().lower() for one in article.iterfind("Language")]
    keywords = [cleaner.text(one) for one in holder.iterfind("KeywordList/Keyword")]
    paper.synthetic = SYNTHETIC_MARK in keywords
    paper.keywords = [word for word in keywords if word and word != SYNTHETIC_MARK]
    paper.copyright_text = cleaner.text(article.find("Abstract/CopyrightInformation")) or None
    paper.date_revised = fields.partial_date(holder.find("DateRevised"))
    paper.is_preprint = "Preprint" in paper.pub_types


def _set_standing(paper: Paper, corrections: list[dict[str, str | None]]) -> None:
    """Retraction, concern and versions, as the links to other records say."""
    paper.corrections = corrections
    linked = {row["type"]: row for row in corrections}
    notice = linked.get("RetractionIn") or linked.get("RetractedandRepublishedIn")
    announces = any(name in fields.NOTICE_TYPES for name in paper.pub_types)
    paper.is_retraction_notice = announces or "RetractionOf" in linked
    paper.withdrawn = bool(_WITHDRAWN_TITLE.match(paper.title))
    # some publishers give their notices such a title as well
    is_titled = not paper.is_retraction_notice and _RETRACTED_TITLE.match(paper.title)
    paper.retracted = paper.retracted or notice is not None or bool(is_titled)
    if paper.retracted:
        paper.retraction = {
            "sources": ["pubmed"],
            "notice_id": _linked_id(notice),
            "date": fields.cited_date(notice["source"]) if notice else None,
        }
    paper.concern = "ExpressionOfConcernIn" in linked
    paper.version_of = _linked_id(linked.get("UpdateIn"))


def _linked_id(row: dict[str, str | None] | None) -> str | None:
    return f"pmid:{row['pmid']}" if row and row["pmid"] else None


def _read_entry(entry: Any, raw_sha256: str) -> Iterator[Read]:
    cleaner = Cleaner()
    address = (entry.findtext(f"{ATOM}id") or "").strip()
    match = _ARXIV_ID.search(address)
    title = cleaner.text(entry.find(f"{ATOM}title"))
    if match is None:
        reason = f"an entry without an arXiv id, titled {title!r}"
        yield Read(f"arxiv:{address}", reason=reason)
        return
    summary = cleaner.text(entry.find(f"{ATOM}summary"))
    comment = cleaner.text(entry.find(f"{ARXIV}comment"))
    paper = Paper(
        paper_id=f"arxiv:{match['id']}",
        source="arxiv",
        title=title,
        sections=[{"label": "", "category": "", "text": summary}] if summary else [],
        synthetic=comment.lower().startswith(SYNTHETIC_MARK),
        arxiv_id=match["id"],
        arxiv_version=int(match["version"] or 1),
        doi=fields.normal_doi(entry.findtext(f"{ARXIV}doi")),
        journal=cleaner.text(entry.find(f"{ARXIV}journal_ref")) or None,
        authors=[cleaner.text(one) for one in entry.iterfind(f"{ATOM}author/{ATOM}name")],
        pub_date=fields.iso_day(entry.findtext(f"{ATOM}published")),
        categories=_categories(entry),
        withdrawn=_is_withdrawn(comment, summary),
        is_preprint=True,
        date_revised=fields.iso_day(entry.findtext(f"{ATOM}updated")),
        raw_sha256=raw_sha256,
        sanitised=cleaner.sanitised,
    )
    yield Read(paper.paper_id, paper, version=paper.arxiv_version or 1)


def _categories(entry: Any) -> list[str]:
    found = [*entry.iterfind(f"{ARXIV}primary_category"), *entry.iterfind(f"{ATOM}category")]
    return list(dict.fromkeys(one.get("term") for one in found if one.get("term")))


def _is_withdrawn(comment: str, summary: str) -> bool:
    return not summary or bool(_WITHDRAWN.search(comment) or _WITHDRAWN_TEXT.match(summary))


_READERS = {
    "PubmedArticle": _read_article,
    "PubmedBookArticle": _read_book,
    "DeleteCitation": _read_deleted,
    "entry": _read_entry,
}

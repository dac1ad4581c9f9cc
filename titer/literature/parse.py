"""Bytes of PubMed XML or of an arXiv Atom feed to `Paper` records.

Invariant: pure. Equal bytes give equal records, whether they came from a service or from a file,
and every record in the bytes is either a paper or stands in `skipped` with a reason.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from titer.literature import fields
from titer.literature.markup import Cleaner, elements, parse_repaired
from titer.records import Paper

SYNTHETIC_MARK = "synthetic sample record"
"""Keyword, or beginning of the arXiv comment, of a record of the project's sample collection."""

ATOM = "{http://www.w3.org/2005/Atom}"
ARXIV = "{http://arxiv.org/schemas/atom}"

_ARXIV_ID = re.compile(r"abs/(?P<id>.+?)(?:v(?P<version>\d+))?$")
_WITHDRAWN = re.compile(r"\bwithdrawn\b", re.IGNORECASE)
_WITHDRAWN_TEXT = re.compile(
    r"(?:this|the) (?:\w+ )?(?:paper|article|manuscript|submission|preprint|work) "
    r"(?:has been|is|was) withdrawn",
    re.IGNORECASE,
)


@dataclass
class Parsed:
    """What some bytes hold: the papers, and the records that are none with the reason."""

    papers: list[Paper] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    """`{paper_id, reason}`."""
    files: list[dict[str, Any]] = field(default_factory=list)
    """`{name, sha256, records}` of the files that were read, where it was files."""

    def skip(self, paper_id: str, reason: str) -> None:
        """List a record that is not a paper."""
        self.skipped.append({"paper_id": paper_id, "reason": reason})


def parse_pubmed(body: bytes, *, raw_sha256: str) -> Parsed:
    """Papers of a `PubmedArticleSet`, book chapters with a title and an abstract included.

    Raises:
        FormatError: not well-formed, or another document; the text begins with the line.
    """

    def read(content: bytes) -> Parsed:
        parsed = Parsed()
        tags = ("PubmedArticle", "PubmedBookArticle", "DeleteCitation")
        for element in elements(content, "PubmedArticleSet", tags):
            _READERS[element.tag](element, parsed, raw_sha256)
        return parsed

    return parse_repaired(body, read)


def _read_article(element: Any, parsed: Parsed, raw_sha256: str) -> None:
    citation = element.find("MedlineCitation")
    article = None if citation is None else citation.find("Article")
    pmid = "" if citation is None else (citation.findtext("PMID") or "").strip()
    if article is None or not pmid:
        parsed.skip(f"pmid:{pmid}", "a record without PMID or Article")
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
    _set_shared(paper, citation, element.find("PubmedData"), article, cleaner)
    _set_status(paper, fields.corrections(citation, cleaner))
    paper.sanitised = cleaner.sanitised
    parsed.papers.append(paper)


def _read_book(element: Any, parsed: Parsed, raw_sha256: str) -> None:
    document = element.find("BookDocument")
    pmid = "" if document is None else (document.findtext("PMID") or "").strip()
    lacks = [
        name for name in ("ArticleTitle", "Abstract")
        if document is None or document.find(name) is None
    ]  # fmt: skip
    if lacks or not pmid:
        parsed.skip(f"pmid:{pmid}", f"a book record without {' and '.join(lacks or ['PMID'])}")
        return
    cleaner = Cleaner()
    paper = _paper(pmid, document, cleaner, raw_sha256)
    paper.journal = cleaner.text(document.find("Book/BookTitle")) or None
    paper.pub_date = fields.partial_date(document.find("Book/PubDate"))
    paper.pub_types, paper.retracted = fields.publication_types(document)
    _set_shared(paper, document, document, document, cleaner)
    paper.sanitised = cleaner.sanitised
    parsed.papers.append(paper)


def _read_deleted(element: Any, parsed: Parsed, raw_sha256: str) -> None:
    for pmid in element.iterfind("PMID"):
        parsed.skip(f"pmid:{pmid.text}", "deleted by PubMed")


_READERS = {
    "PubmedArticle": _read_article,
    "PubmedBookArticle": _read_book,
    "DeleteCitation": _read_deleted,
}


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


def _set_status(paper: Paper, corrections: list[dict[str, str | None]]) -> None:
    paper.corrections = corrections
    linked = {row["type"]: f"pmid:{row['pmid']}" if row["pmid"] else None for row in corrections}
    notice = next((t for t in ("RetractionIn", "RetractedandRepublishedIn") if t in linked), None)
    paper.retracted = paper.retracted or notice is not None
    if paper.retracted:
        notice_id = linked[notice] if notice else None
        paper.retraction = {"sources": ["pubmed"], "notice_id": notice_id}
    announces = any(name in fields.NOTICE_TYPES for name in paper.pub_types)
    paper.is_retraction_notice = announces or "RetractionOf" in linked
    paper.concern = "ExpressionOfConcernIn" in linked
    paper.version_of = linked.get("UpdateIn")


def parse_atom(body: bytes, *, raw_sha256: str) -> Parsed:
    """Papers of an arXiv Atom feed; the feed states no licence, so theirs is None.

    Raises:
        FormatError: not well-formed, or another document; the text begins with the line.
    """

    def read(content: bytes) -> Parsed:
        parsed = Parsed()
        for entry in elements(content, f"{ATOM}feed", (f"{ATOM}entry",)):
            _read_entry(entry, parsed, raw_sha256)
        return parsed

    return parse_repaired(body, read)


def _read_entry(entry: Any, parsed: Parsed, raw_sha256: str) -> None:
    cleaner = Cleaner()
    address = (entry.findtext(f"{ATOM}id") or "").strip()
    match = _ARXIV_ID.search(address)
    title = cleaner.text(entry.find(f"{ATOM}title"))
    if match is None:
        parsed.skip(f"arxiv:{address}", f"an entry without an arXiv id, titled {title!r}")
        return
    summary = cleaner.text(entry.find(f"{ATOM}summary"))
    comment = cleaner.text(entry.find(f"{ARXIV}comment"))
    parsed.papers.append(
        Paper(
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
            pub_date=(entry.findtext(f"{ATOM}published") or "").strip()[:10] or None,
            categories=_categories(entry),
            withdrawn=_is_withdrawn(comment, summary),
            is_preprint=True,
            date_revised=(entry.findtext(f"{ATOM}updated") or "").strip()[:10] or None,
            raw_sha256=raw_sha256,
            sanitised=cleaner.sanitised,
        )
    )


def _categories(entry: Any) -> list[str]:
    found = [*entry.iterfind(f"{ARXIV}primary_category"), *entry.iterfind(f"{ATOM}category")]
    return list(dict.fromkeys(one.get("term") for one in found if one.get("term")))


def _is_withdrawn(comment: str, summary: str) -> bool:
    return not summary or bool(_WITHDRAWN.search(comment) or _WITHDRAWN_TEXT.match(summary))

"""The wire formats of the sample collection: PubMed XML and an arXiv Atom feed.

Invariant: every record says that it is synthetic; equal records give equal bytes.
"""

import gzip
import hashlib
import io
import re
import textwrap
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape, quoteattr

from titer.evaluation.sample_prose import Draft, Prose, Section
from titer.evaluation.sample_records import Entry, Record

JOURNAL = "Titer Synthetic Sample Collection"
KEYWORD = "synthetic sample record"
COPYRIGHT = "Synthetic text written for the Titer project; no such study exists. Apache-2.0."
FIRST_PMID = 990_000_000
"""PubMed's own ids have at most eight digits."""

_TYPE_UI = {
    "Journal Article": "D016428",
    "Editorial": "D016421",
    "Preprint": "D000076942",
    "Retracted Publication": "D016441",
    "Retraction of Publication": "D016440",
}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_RECORDS_PER_FILE = 100
_OPENSEARCH = "http://a9.com/-/spec/opensearch/1.1/"
_ARXIV = "http://arxiv.org/schemas/atom"
_MARKUP = re.compile(r"&lt;(/?(?:i|sup|sub))&gt;")
_PUBMED_HEAD = """<?xml version="1.0" ?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN" \
"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">
<!-- Synthetic sample collection of Titer: no such study exists. -->
"""


def collection_files(
    records: Sequence[Record], entries: Sequence[Entry], prose: Prose
) -> dict[str, bytes]:
    """Content by file name: records in the order of a hash, a hundred a file; entries in a feed."""
    mixed = sorted(records, key=lambda record: _digest("order", record.number))
    n_files = -(-len(mixed) // _RECORDS_PER_FILE)
    size = -(-len(mixed) // n_files)
    found = {}
    for number, start in enumerate(range(0, len(mixed), size), 1):
        content = _pubmed_xml(mixed[start : start + size], prose.headings)
        name = f"pubmed_sample_{number:02d}.xml"
        if number == n_files:
            name, content = f"{name}.gz", _gzipped(content)
        found[name] = content
    found["arxiv_sample.atom"] = _atom(entries, prose.arxiv_categories)
    return found


def _digest(purpose: str, number: int) -> bytes:
    return hashlib.sha256(f"{purpose} {number}".encode()).digest()


def _gzipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=buffer, mode="wb", mtime=0) as file:
        file.write(content)
    return buffer.getvalue()


def _pubmed_xml(records: Iterable[Record], headings: Sequence[str]) -> bytes:
    articles = "".join(_article(record, headings) for record in records)
    return f"{_PUBMED_HEAD}<PubmedArticleSet>\n{articles}</PubmedArticleSet>\n".encode()


def _article(record: Record, headings: Sequence[str]) -> str:
    draft, pmid = record.draft, FIRST_PMID + record.number
    types = "".join(
        f'<PublicationType UI="{_TYPE_UI[name]}">{name}</PublicationType>' for name in record.types
    )
    vernacular = _element("VernacularTitle", record.vernacular) if record.vernacular else ""
    return f"""<PubmedArticle>
<MedlineCitation Status="MEDLINE" Owner="NOTNLM">
<PMID Version="1">{pmid}</PMID>
<Article PubModel="Electronic">
<Journal><JournalIssue CitedMedium="Internet">{_pub_date(record.number)}</JournalIssue>
<Title>{JOURNAL}</Title></Journal>
{_element("ArticleTitle", draft.title)}
<ELocationID EIdType="doi" ValidYN="Y">{_doi(record.number)}</ELocationID>
{_abstract(draft.sections)}<AuthorList CompleteYN="Y"><Author ValidYN="Y">\
<LastName>Author</LastName><ForeName>Synthetic</ForeName><Initials>S</Initials></Author></AuthorList>
<Language>{record.language}</Language>
<PublicationTypeList>{types}</PublicationTypeList>{vernacular}
</Article>
<MedlineJournalInfo><MedlineTA>Titer Synth Sample Collect</MedlineTA></MedlineJournalInfo>
{_corrections(record.relations)}{_headings(draft, headings)}</MedlineCitation>
<PubmedData><PublicationStatus>epublish</PublicationStatus><ArticleIdList>\
<ArticleId IdType="pubmed">{pmid}</ArticleId>\
<ArticleId IdType="doi">{_doi(record.number)}</ArticleId></ArticleIdList></PubmedData>
</PubmedArticle>
"""


def _element(name: str, text: str, attributes: str = "") -> str:
    content = _MARKUP.sub(r"<\1>", escape(text))
    return f"<{name}{attributes}>{content}</{name}>"


def _doi(number: int) -> str:
    return f"10.5555/titer.sample.{number:04d}"


def _pub_date(number: int) -> str:
    """A date of one of PubMed's kinds: one in twenty is free text, as in older records."""
    digest = _digest("date", number)
    year, month, day = 2012 + digest[0] % 13, _MONTHS[digest[1] % 11], 1 + digest[2] % 28
    following = _MONTHS[digest[1] % 11 + 1]
    kinds = [
        f"<MedlineDate>{year} {month}-{following}</MedlineDate>",
        f"<Year>{year}</Year><Season>Summer</Season>",
        *[f"<Year>{year}</Year><Month>{month}</Month>"] * 8,
        *[f"<Year>{year}</Year><Month>{month}</Month><Day>{day:02d}</Day>"] * 10,
    ]
    return f"<PubDate>{kinds[digest[3] % len(kinds)]}</PubDate>"


def _abstract(sections: Sequence[Section]) -> str:
    if not sections:
        return ""
    parts = [
        _element(
            "AbstractText",
            section.text,
            f' Label="{section.label}" NlmCategory="{section.category}"' if section.label else "",
        )
        for section in sections
    ]
    parts.append(f"<CopyrightInformation>{COPYRIGHT}</CopyrightInformation>")
    return "\n".join(["<Abstract>", *parts, "</Abstract>\n"])


def _corrections(relations: Sequence[tuple[str, int]]) -> str:
    rows = "".join(
        f'<CommentsCorrections RefType="{kind}"><RefSource>{JOURNAL}</RefSource>'
        f'<PMID Version="1">{FIRST_PMID + number}</PMID></CommentsCorrections>'
        for kind, number in relations
    )
    return f"<CommentsCorrectionsList>{rows}</CommentsCorrectionsList>\n" if rows else ""


def _headings(draft: Draft, more: Sequence[str]) -> str:
    """MeSH headings, whose identifiers are not given, and keywords."""
    names = [
        (name, "Y" if name == draft.matter.diseases[0] else "N")
        for name in (*draft.matter.diseases, *more)
    ]
    mesh = "".join(
        "<MeshHeading>"
        + _element("DescriptorName", name, f' UI="not given" MajorTopicYN="{major}"')
        + "</MeshHeading>"
        for name, major in names
    )
    words = "".join(
        _element("Keyword", word, ' MajorTopicYN="N"') for word in (KEYWORD, *draft.keywords)
    )
    return (
        f"<MeshHeadingList>{mesh}</MeshHeadingList>\n"
        f'<KeywordList Owner="NOTNLM">{words}</KeywordList>\n'
    )


def _atom(entries: Sequence[Entry], categories: Sequence[str]) -> bytes:
    n, body = len(entries), "".join(_entry(entry, categories) for entry in entries)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <link href="http://arxiv.org/api/query?search_query%3Dtiter_synthetic_sample" rel="self" \
type="application/atom+xml"/>
  <title type="html">{JOURNAL}: synthetic records, no such study exists</title>
  <id>http://arxiv.org/api/titer-synthetic-sample</id>
  <updated>2026-11-01T00:00:00-05:00</updated>
  <opensearch:totalResults xmlns:opensearch="{_OPENSEARCH}">{n}</opensearch:totalResults>
  <opensearch:startIndex xmlns:opensearch="{_OPENSEARCH}">0</opensearch:startIndex>
  <opensearch:itemsPerPage xmlns:opensearch="{_OPENSEARCH}">{n}</opensearch:itemsPerPage>
{body}</feed>
""".encode()


def _entry(entry: Entry, categories: Sequence[str]) -> str:
    digest = _digest("arxiv", entry.number)
    address = f"2699.{entry.number:05d}v{1 + digest[0] % 3}"
    day = f"{2012 + digest[1] % 13}-{1 + digest[2] % 12:02d}-{1 + digest[3] % 28:02d}"
    main, other = (quoteattr(categories[digest[i] % len(categories)]) for i in (4, 5))
    terms = "".join(
        f'    <category term={term} scheme="{_ARXIV}"/>\n' for term in sorted({main, other})
    )
    return f"""  <entry>
    <id>http://arxiv.org/abs/{address}</id>
    <updated>{day}T12:00:00Z</updated>
    <published>{day}T12:00:00Z</published>
    <title>{_wrapped(entry.draft.title)}</title>
    <summary>{_wrapped(entry.draft.abstract)}</summary>
    <author>
      <name>Synthetic Author</name>
    </author>
{_published(entry.published)}    <arxiv:comment xmlns:arxiv="{_ARXIV}">\
{_comment(entry)}</arxiv:comment>
    <link href="http://arxiv.org/abs/{address}" rel="alternate" type="text/html"/>
    <link title="pdf" href="http://arxiv.org/pdf/{address}" rel="related" \
type="application/pdf"/>
    <arxiv:primary_category xmlns:arxiv="{_ARXIV}" term={main} scheme="{_ARXIV}"/>
{terms}  </entry>
"""


def _wrapped(text: str) -> str:
    return escape(textwrap.fill(text, 90, subsequent_indent="  ", break_on_hyphens=False))


def _comment(entry: Entry) -> str:
    return f"{KEYWORD.capitalize()}. {COPYRIGHT} {entry.comment}".rstrip()


def _published(number: int | None) -> str:
    if number is None:
        return ""
    doi = _doi(number)
    return (
        f'    <arxiv:doi xmlns:arxiv="{_ARXIV}">{doi}</arxiv:doi>\n'
        f'    <link title="doi" href="http://dx.doi.org/{doi}" rel="related"/>\n'
    )

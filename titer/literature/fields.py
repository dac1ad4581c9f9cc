"""Single fields of a PubMed record: dates, identifiers, headings, corrections."""

import datetime
import re
from typing import Any

from titer.literature.markup import Cleaner

RETRACTED_TYPE = "D016441"
"""MeSH identifier of the publication type `Retracted Publication`."""

NOTICE_TYPES = ("Retraction of Publication", "Retraction Notice")
"""Publication types of a record that announces the retraction of another one."""

MOST_DIGITS = 18
"""Of a number in a record; Python reads none of more than 4,300."""

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DOI_PREFIX = re.compile(r"^(?:https?://(?:dx\.)?doi\.org/|doi:\s*)", re.IGNORECASE)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEAR = re.compile(r"[0-9]{4}")
_CITED = re.compile(r"\. (?P<year>\d{4})(?: (?P<month>[A-Z][a-z]{2})(?: (?P<day>\d{1,2}))?)?;")
_AFTER_YEAR = re.compile(r"(?:-\d{4})?\s*([A-Za-z]{3})")


def normal_doi(text: str | None) -> str | None:
    """A DOI in lower case without address or `doi:`; None where there is none."""
    doi = _DOI_PREFIX.sub("", (text or "").strip()).lower()
    return doi or None


def iso_day(text: str | None) -> str | None:
    """The day that an ISO date or time begins with; None where it begins otherwise."""
    found = _DAY.match((text or "").strip())
    return found[0] if found else None


def partial_date(element: Any) -> str | None:
    """ISO date, year and month, or year from Year/Month/Day, Season or MedlineDate."""
    if element is None:
        return None
    free_text = element.findtext("MedlineDate")
    if free_text:
        return _free_date(free_text)
    year = (element.findtext("Year") or "").strip()
    if not _YEAR.fullmatch(year):
        return None
    month = _month(element.findtext("Month"))
    return _joined(year, month, (element.findtext("Day") or "").strip())


def _joined(year: str, month: str, day: str) -> str:
    """As much of a date as is one: a 31st of February is its month."""
    if not month:
        return year
    try:
        return datetime.date(int(year), int(month), int(day)).isoformat()
    except (ValueError, OverflowError):
        return f"{year}-{month}"


def _free_date(text: str) -> str | None:
    """The beginning of a period such as `1998 Dec-1999 Jan`, `2000 Spring` or `1976-1977`."""
    year = _YEAR.search(text)
    if year is None:
        return None
    after = _AFTER_YEAR.match(text, year.end())
    month = _month(after[1]) if after else ""
    return f"{year[0]}-{month}" if month else year[0]


def whole_number(text: str) -> int | None:
    """The number that decimal digits spell; null for anything else, such as ² or 5,000 digits."""
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None


def _month(text: str | None) -> str:
    """Two digits for `Mar`, `March`, `3` or `03`; empty for anything else."""
    word = (text or "").strip().lower()
    number = whole_number(word)
    if number is not None and 1 <= number <= 12:
        return f"{number:02d}"
    return f"{_MONTHS.index(word[:3]) + 1:02d}" if word[:3] in _MONTHS else ""


def article_ids(data: Any, article: Any) -> dict[str, str]:
    """Identifiers by type (`doi`, `pmc`), the record's own ones only, never those of references."""
    found: dict[str, str] = {}
    for element in article.iterfind("ELocationID"):
        if element.get("ValidYN") != "N":
            found.setdefault(element.get("EIdType"), (element.text or "").strip())
    for element in () if data is None else data.iterfind("ArticleIdList/ArticleId"):
        found.setdefault(element.get("IdType"), (element.text or "").strip())
    return found


def sections(abstract: Any, cleaner: Cleaner) -> list[dict[str, str]]:
    """The abstract's parts `{label, category, text}` in order, empty ones left out."""
    if abstract is None:
        return []
    rows = [
        {
            "label": cleaner.clean(element.get("Label")),
            "category": element.get("NlmCategory") or "",
            "text": cleaner.text(element),
        }
        for element in abstract.iterfind("AbstractText")
    ]
    return [row for row in rows if row["text"]]


def authors(lists: list[Any], cleaner: Cleaner) -> list[str]:
    """`ForeName LastName` or the name of a group, in order."""
    names = []
    for element in (author for one in lists for author in one.iterfind("Author")):
        given = element.findtext("ForeName") or element.findtext("Initials") or ""
        single = f"{given} {element.findtext('LastName') or ''}"
        names.append(cleaner.clean(single) or cleaner.text(element.find("CollectiveName")))
    return [name for name in names if name]


def mesh(citation: Any, cleaner: Cleaner) -> list[dict[str, Any]]:
    """MeSH headings `{ui, name, major}`; major also where only a qualifier is."""
    rows = []
    for heading in citation.iterfind("MeshHeadingList/MeshHeading"):
        descriptor = heading.find("DescriptorName")
        if descriptor is not None:
            major = "Y" in [part.get("MajorTopicYN") for part in heading]
            name = cleaner.text(descriptor)
            rows.append({"ui": descriptor.get("UI"), "name": name, "major": major})
    return rows


def corrections(citation: Any, cleaner: Cleaner) -> list[dict[str, str | None]]:
    """`{type, pmid, source}` of each CommentsCorrections element, references left out."""
    return [
        {
            "type": element.get("RefType"),
            "pmid": element.findtext("PMID"),
            "source": cleaner.clean(element.findtext("RefSource")) or None,
        }
        for element in citation.iterfind("CommentsCorrectionsList/CommentsCorrections")
        if element.get("RefType") != "Cites"
    ]


def cited_date(source: str | None) -> str | None:
    """Date in a citation such as `Lancet. 2010 Feb 6;375(9713):445`; None where it is unsure.

    PubMed writes a semicolon behind the date; a year elsewhere may belong to a title, and a
    period such as `2015 Jan-Feb` is no date.
    """
    found = _CITED.search(source or "")
    return _joined(found["year"], _month(found["month"]), found["day"] or "") if found else None


def publication_types(parent: Any) -> tuple[list[str], bool]:
    """Names of the publication types, and whether one of them says retracted."""
    found = list(parent.iterfind("PublicationType"))
    names = [(element.text or "").strip() for element in found]
    retracted = any(element.get("UI") == RETRACTED_TYPE for element in found)
    return names, retracted or "Retracted Publication" in names

"""Retractions: the union of what the sources say.

Rule: a paper is retracted if any source says so, whatever the others say; that a source does not
list it proves nothing. A paper that was reinstated stays out: training data can do without it.
Columns: Crossref, Retraction Watch documentation. The form of the values (`4/15/2021 0:00`, PubMed
id 0, DOI `unavailable`) is seen in public code that reads the table. †Not checked against the
live service: whether the address of the table answers without a redirect to another host.
Reference: Schneider, Lee, Zheng and Salami (2023), on how far sources of retractions disagree.
"""

import csv
import datetime
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from titer.addresses import is_local
from titer.errors import ConfigError, FormatError
from titer.literature import links
from titer.literature.fields import normal_doi, whole_number
from titer.records import Paper

COLUMNS = ("OriginalPaperDOI", "OriginalPaperPubMedID", "RetractionNature")
"""Without these the table says nothing; `Record ID`, RetractionDate, RetractionPubMedID and
RetractionDOI are read where they are."""

WATCH = "retraction_watch"
"""Name of the source in records."""

_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})\b")


@dataclass(frozen=True)
class Notice:
    """What the table says of one paper."""

    nature: str
    """retraction, expression of concern, correction or reinstatement, in lower case."""
    notice_id: str | None
    """`pmid:123` or a DOI; where it has neither, the row: `retraction_watch:123`."""
    date: str | None
    """ISO 8601."""


@dataclass
class Table:
    """Notices by the name of the paper that they concern."""

    notices: dict[str, list[Notice]] = field(default_factory=dict)
    """By `pmid:123` and by DOI, in the order of the rows."""
    n_rows: int = 0


def mark_retracted(
    paper: Paper, source: str, *, notice_id: str | None = None, date: str | None = None
) -> None:
    """Add a source that says retracted; what an earlier one said of notice and date stays."""
    known = paper.retraction or {}
    paper.retracted = True
    paper.retraction = {
        "sources": sorted({*known.get("sources", ()), source}),
        "notice_id": known.get("notice_id") or notice_id,
        "date": known.get("date") or date,
    }


def mark(papers: Iterable[Paper], table: Table) -> dict[str, int]:
    """Mark the papers that the table names as retracted or as of concern.

    Returns:
        rows of the table; papers that it calls retracted; those of them that no other source did;
        papers with an expression of concern.
    """
    counts = {"rows": table.n_rows, "retracted": 0, "retracted_here_only": 0, "concern": 0}
    for paper in papers:
        notices = [notice for name in _names(paper) for notice in table.notices.get(name, ())]
        retracting = [one for one in notices if one.nature == "retraction"]
        if retracting:
            counts["retracted"] += 1
            counts["retracted_here_only"] += not paper.retracted
            latest = max(retracting, key=lambda one: (one.date or "", one.notice_id or ""))
            mark_retracted(paper, WATCH, notice_id=latest.notice_id, date=latest.date)
        if any(one.nature == "expression of concern" for one in notices):
            counts["concern"] += 1
            paper.concern = True
    return counts


def _names(paper: Paper) -> list[str]:
    return [*([f"pmid:{paper.pmid}"] if paper.pmid else []), *links.dois(paper)]


def read_table(body: bytes, name: str) -> Table:
    """The table of a CSV file.

    Bytes that are no UTF-8, which the published file has in names, do not matter: ids and dates
    are plain.

    Args:
        body: with or without a byte order mark.
        name: path or address, for errors.

    Raises:
        FormatError: a column is missing or a row is cut; begins with path:line.
    """
    text = body.decode("utf-8-sig", "replace")
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    table = Table()
    try:
        at = _columns(next(rows, []), name)
        for row in rows:
            if row:
                _add(table, row, at, f"{name}:{rows.line_num}")
    except csv.Error as error:
        raise FormatError(f"{name}:{rows.line_num}: {error}. {_HELP}") from None
    if not table.n_rows:
        raise FormatError(f"{name}:1: a table without rows. {_HELP}")
    return table


_HELP = "Take the table that Crossref publishes as it is"


def _columns(header: list[str], name: str) -> dict[str, int]:
    at = {title.strip(): number for number, title in enumerate(header)}
    lacks = [column for column in COLUMNS if column not in at]
    if lacks:
        seen = ", ".join(filter(None, at)) or "none"
        raise FormatError(f"{name}:1: no column {lacks[0]} (columns: {seen[:200]}). {_HELP}")
    return at


def _add(table: Table, row: list[str], at: dict[str, int], place: str) -> None:
    if len(row) <= max(at[column] for column in COLUMNS):
        raise FormatError(f"{place}: a row of {len(row)} fields, expected {len(at)}. {_HELP}")

    def value(column: str) -> str:
        number = at.get(column, len(row))
        return row[number].strip() if number < len(row) else ""

    record = value("Record ID")
    notice = Notice(
        " ".join(value("RetractionNature").lower().split()),
        _pmid(value("RetractionPubMedID"))
        or _doi(value("RetractionDOI"))
        or (f"{WATCH}:{record}" if record else None),
        iso_date(value("RetractionDate")),
    )
    table.n_rows += 1
    for paper in (_pmid(value("OriginalPaperPubMedID")), _doi(value("OriginalPaperDOI"))):
        if paper:
            table.notices.setdefault(paper, []).append(notice)


def _pmid(text: str) -> str | None:
    number = whole_number(text)
    return f"pmid:{number}" if number else None


def _doi(text: str) -> str | None:
    doi = normal_doi(text)
    return doi if doi and doi.startswith("10.") else None


def iso_date(text: str) -> str | None:
    """ISO date of `4/15/2021 0:00` or of an ISO one; None where it is neither."""
    match = _US_DATE.match(text)
    parts = (match[3], match[1], match[2]) if match else tuple(text[:10].split("-"))
    try:
        return datetime.date(*(int(part) for part in parts)).isoformat()
    except (TypeError, ValueError, OverflowError):
        return None


def table_path(source: str, *, root: Path, own: Path) -> Path | None:
    """The file that `papers.retraction_watch.source` names, or None where it is an address.

    Raises:
        ConfigError: an address without https, or a file where DVC would not see it change.
    """
    address = urlsplit(source)
    if address.scheme == "https" or (address.scheme == "http" and is_local(source)):
        return None
    path = (root / source).resolve()
    if address.netloc or not path.is_relative_to(own.resolve()):
        where = own.relative_to(root) if own.is_relative_to(root) else own
        raise ConfigError(
            f"papers.retraction_watch.source = {source!r}: must be an https address or a file "
            f"below {where}, which DVC watches"
        )
    return path


def split_address(source: str) -> tuple[str, str]:
    """Scheme with host, and path with query, of the table's address."""
    parts = urlsplit(source)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}", f"{parts.path}{query}"

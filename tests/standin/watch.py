"""The Retraction Watch table in the form that Crossref publishes."""

import csv
import io
from collections.abc import Sequence

from tests.standin.server import Endpoint

COLUMNS = (
    "Record ID", "Title", "Subject", "Institution", "Journal", "Publisher", "Country", "Author",
    "URLS", "ArticleType", "RetractionDate", "RetractionDOI", "RetractionPubMedID",
    "OriginalPaperDate", "OriginalPaperDOI", "OriginalPaperPubMedID", "RetractionNature", "Reason",
    "Paywalled", "Notes",
)  # fmt: skip


def row(**values: str) -> dict[str, str]:
    """A row about a paper without PMID and DOI, unless they are given."""
    plain = {
        "Title": 'A title, "quoted"\nover two lines',
        "RetractionDate": "4/15/2021 0:00",
        "RetractionDOI": "10.5555/Notice.1",
        "RetractionPubMedID": "0",
        "OriginalPaperDOI": "unavailable",
        "OriginalPaperPubMedID": "0",
        "RetractionNature": "Retraction",
    }
    return {**plain, **values}


def table(*rows: dict[str, str], columns: Sequence[str] = COLUMNS) -> bytes:
    """The rows as a CSV file."""
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def endpoints(body: bytes) -> dict[str, Endpoint]:
    """For the stand-in server."""
    return {"watch.csv": lambda request: body}

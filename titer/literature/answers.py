"""What services answer in XML: taken only when whole, well-formed and what was asked for.

PubMed sends ERROR elements, HTML pages, JSON and cut records with status 200, so the status code
decides nothing.
"""

from typing import Any

from lxml import etree

from titer.files import parse_json
from titer.literature.fields import whole_number
from titer.literature.http import Unusable
from titer.literature.markup import safe_parser, without_forbidden

SERVED_IDS = 9_999
"""Ids that PubMed serves per query; the rest needs narrower windows (biopython#4189)."""


def root_of(body: bytes, tag: str) -> Any:
    """Root element of an answer that is whole and is what was asked for.

    Raises:
        Unusable: it is not.
    """
    try:
        root = etree.fromstring(body, safe_parser())
    except etree.XMLSyntaxError:
        if body[:1] == b"{":
            text = _json_error(body)
            too_much = "rate limit" in text.lower()
            raise Unusable(f"ERROR: {text}", after_s=0.0 if too_much else None) from None
        end = f"</{etree.QName(tag).localname}>".encode()
        kind = "malformed" if body.rstrip().endswith(end) else "cut or not XML"
        raise Unusable(kind, last_resort=_repaired(body, kind)) from None
    error = root.findtext(".//ERROR") if root.tag.startswith(("eSearch", "eFetch")) else None
    if error is not None:
        raise Unusable(f"ERROR: {' '.join(error.split())[:160]}")
    if root.tag != tag:
        # a namespace with braces in it is none to etree.QName
        seen, wanted = (name.rpartition("}")[2] for name in (root.tag, tag))
        raise Unusable(f"<{seen}> instead of <{wanted}>")
    return root


def _json_error(body: bytes) -> str:
    """What a JSON answer gives as its error: PubMed's way of saying that too much was asked."""
    try:
        answer = parse_json(body)
    except ValueError:
        return "cut JSON"
    error = answer.get("error") if isinstance(answer, dict) else None
    return " ".join(str(error or "JSON without an error").split())[:160]


def _repaired(body: bytes, kind: str) -> bytes | None:
    """The body without forbidden characters, for when every try brought them."""
    repaired = without_forbidden(body)
    return repaired if kind == "malformed" and repaired != body else None


def search_result(root: Any) -> tuple[int, list[str]]:
    """The count and the ids of an esearch answer, as many as the service gives.

    Raises:
        Unusable: count and ids do not agree.
    """
    count = whole_number((root.findtext("Count") or "").strip())
    ids = [one.text for one in root.iterfind("IdList/Id")]
    if count is None or not all(one and whole_number(one) is not None for one in ids):
        raise Unusable("a search answer without a count or with odd ids")
    expected = min(count, SERVED_IDS)
    if len(set(ids)) != expected:
        raise Unusable(f"{len(set(ids))} of {expected} ids")
    return count, ids


def received(body: bytes) -> tuple[bytes, set[str]]:
    """A verified body with the PMIDs of its records, books and deleted ones included."""
    root = root_of(body, "PubmedArticleSet")
    paths = ("*/MedlineCitation/PMID", "*/BookDocument/PMID", "DeleteCitation/PMID")
    return body, {(one.text or "").strip() for path in paths for one in root.iterfind(path)}

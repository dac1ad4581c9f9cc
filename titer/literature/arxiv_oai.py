"""Licences of arXiv papers through OAI-PMH, which the Atom feed does not state.

Two ways lead to a licence: GetRecord asks for one paper, ListRecords lists a whole set from a day
on, a thousand or more records at once. At one request per 3 s the first is right for a few papers
and the second for a recent or dense collection; which it is cannot be told beforehand, because the
service states no size of its lists. So up to `FEW` papers of a set are asked for one by one; for
more, the set is listed from the day of the oldest paper for as long as fewer pages were read than
papers are left, and what remains is asked for one by one. At worst that doubles the requests.
Datestamps are days of the last change, never before submission: such a list misses none.

Formats and error codes: OAI-PMH 2.0 and arXiv's source (github.com/arXiv/oaipmh).
†Not checked against the live service: records per page.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

from titer.literature.answers import root_of
from titer.literature.http import Unusable
from titer.literature.licences import Licence, normal_licence
from titer.literature.service import Service
from titer.records import Paper

OAI = "{http://www.openarchives.org/OAI/2.0/}"
ARXIV = "{http://arxiv.org/OAI/arXiv/}"
PREFIX = "oai:arXiv.org:"

SOURCE = "arxiv_oai"
"""Name of the source in records."""

FEW = 20
"""Papers of one set that are asked for one by one: a minute."""

FIRST_DAY = "2005-09-16"
"""The service's earliest datestamp; it refuses an earlier day."""

GROUPS = ("cs", "econ", "eess", "math", "q-bio", "q-fin", "stat")
"""Sets of arXiv; every other archive belongs to the set of physics."""

_ANSWERED = ("idDoesNotExist", "noRecordsMatch", "badResumptionToken")
"""Errors that say something about what was asked for."""


class ArxivOai:
    """Answers come from the cache where it has them; one connection, one pace with the API."""

    def __init__(self, service: Service) -> None:
        """The service's line brings arXiv's pacer."""
        self.service = service

    def licences(self, papers: Iterable[Paper]) -> dict[str, Licence | None]:
        """Licence by arXiv id; None where the service knows the paper and no licence of it.

        Raises:
            SourceError: refused or unreachable.
        """
        sets: dict[str, dict[str, str]] = defaultdict(dict)
        for paper in papers:
            if paper.arxiv_id:
                day = max((paper.pub_date or "")[:10], FIRST_DAY)
                sets[_set_of(paper)][paper.arxiv_id] = day if len(day) == 10 else FIRST_DAY
        found: dict[str, Licence | None] = {}
        for name in sorted(sets):
            found |= self._of_set(name, sets[name])
        return found

    def _of_set(self, name: str, days: dict[str, str]) -> dict[str, Licence | None]:
        found: dict[str, Licence | None] = {}
        left = set(days)
        if len(left) > FEW:
            for n_pages, rows in enumerate(self._pages(name, min(days.values())), 1):
                found |= {one: rows[one] for one in rows.keys() & left}
                left -= rows.keys()
                if n_pages >= len(left):
                    break
        for one in sorted(left):
            found |= self._record(one)
        return found

    def _record(self, arxiv_id: str) -> dict[str, Licence | None]:
        query = {"verb": "GetRecord", "metadataPrefix": "arXiv", "identifier": PREFIX + arxiv_id}
        rows, _ = self._ask(query, f"record {arxiv_id}")
        return {one: licence for one, licence in rows.items() if one == arxiv_id}

    def _pages(self, name: str, day: str) -> Iterator[dict[str, Licence | None]]:
        """The pages of a list; a token that expired since the last run begins it anew, once."""
        first = {"verb": "ListRecords", "metadataPrefix": "arXiv", "set": name, "from": day}
        query, refresh = first, False
        while True:
            rows, token = self._ask(query, f"list of {name} from {day}", refresh=refresh)
            if token is None and rows is _EXPIRED:
                if refresh:
                    raise self.service.line.refuse(f"list of {name}", "badResumptionToken twice")
                query, refresh = first, True
                continue
            yield rows
            if not token:
                return
            query = {"verb": "ListRecords", "resumptionToken": token}

    def _ask(
        self, query: dict[str, str], what: str, *, refresh: bool = False
    ) -> tuple[dict[str, Licence | None], str | None]:
        return self.service.get(
            f"/oai?{urlencode(query, quote_via=quote)}",
            lambda body: self._verified(body, query),
            what,
            kind="arxiv_oai",
            refresh=refresh,
        )

    def _verified(
        self, body: bytes, query: dict[str, str]
    ) -> tuple[dict[str, Licence | None], str | None]:
        """Licences by id and the token of the next page.

        Raises:
            Unusable: not what was asked for.
            SourceError: an error that asking again does not change.
        """
        root = root_of(body, f"{OAI}OAI-PMH")
        error = root.find(f"{OAI}error")
        if error is not None:
            code = error.get("code") or ""
            if code not in _ANSWERED:
                raise self.service.line.refuse(query["verb"], f"{code}: {error.text or ''}")
            return (_EXPIRED if code == "badResumptionToken" else {}), None
        answer = root.find(f"{OAI}{query['verb']}")
        if answer is None or answer.find(f"{OAI}record") is None:
            raise Unusable(f"an answer without {query['verb']}")
        rows = dict(_row(record) for record in answer.iterfind(f"{OAI}record"))
        asked = query.get("identifier", "").removeprefix(PREFIX)
        if asked and asked not in rows:
            raise Unusable("another record than the one asked for")
        return rows, (answer.findtext(f"{OAI}resumptionToken") or "").strip() or None


_EXPIRED: dict[str, Licence | None] = {}
"""Stands for the rows of a page whose token is no longer valid; known by its identity."""


def _row(record: Any) -> tuple[str, Licence | None]:
    identifier = (record.findtext(f"{OAI}header/{OAI}identifier") or "").strip()
    text = record.findtext(f"{OAI}metadata/{ARXIV}arXiv/{ARXIV}license")
    return identifier.removeprefix(PREFIX), normal_licence(text, source=SOURCE)


def _set_of(paper: Paper) -> str:
    archive = paper.categories[0].partition(".")[0] if paper.categories else ""
    return archive if archive in GROUPS else "physics"

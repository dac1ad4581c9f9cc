"""Europe PMC: the search by ids in pages, whose last one repeats its cursor, and full texts."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.standin.server import Answer, Endpoint, Request


@dataclass
class EuropePmc:
    """Rows by PMID and articles by PMC id."""

    rows: Mapping[str, Mapping[str, Any]]
    articles: Mapping[str, str] = field(default_factory=dict)
    most: int = 1000
    """Results per page, whatever is asked for."""
    stuck: int = 0
    """Times that a page repeats its cursor before the end."""

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """For the stand-in server."""
        return {"search": self._search, "fullTextXML": self._full_text}

    def _search(self, request: Request) -> bytes:
        q = request.parameters
        asked = re.fullmatch(r"EXT_ID:\(([\d OR]+)\) AND SRC:MED", q["query"])
        if asked is None or (q["resultType"], q["format"]) != ("core", "json"):
            return b'{"errCode": 400}'
        found = [one for one in asked[1].split(" OR ") if one in self.rows]
        start = 0 if q["cursorMark"] == "*" else int(q["cursorMark"][1:])
        page = found[start : start + min(int(q["pageSize"]), self.most)]
        end = start + len(page)
        cursor = f"c{end}" if page and end < len(found) else q["cursorMark"]
        if self.stuck and cursor != q["cursorMark"]:
            self.stuck, cursor = self.stuck - 1, q["cursorMark"]
        result = [{"id": one, "source": "MED", "pmid": one, **self.rows[one]} for one in page]
        answer = {"version": "6.9", "hitCount": len(found), "nextCursorMark": cursor}
        return json.dumps({**answer, "resultList": {"result": result}}).encode()

    def _full_text(self, request: Request) -> bytes | Answer:
        pmcid = request.path.split("/")[-2]
        if pmcid not in self.articles:
            return Answer(b"<error>not found</error>", 404)
        head = '<!DOCTYPE article PUBLIC "-//NLM//DTD JATS 1.3//EN" "JATS.dtd">'
        return f"{head}{self.articles[pmcid]}".encode()

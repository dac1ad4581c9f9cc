"""arXiv's OAI-PMH service: single records, and lists by set and day with resumption tokens."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.standin.server import Endpoint, Request

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
    "<responseDate>2026-01-01T00:00:00Z</responseDate><request>http://standin/oai</request>"
)


@dataclass
class Oai:
    """Licence, or None, by arXiv id; all records are in one set."""

    licences: Mapping[str, str | None]
    set_name: str = "q-bio"
    page: int = 10
    """Records per answer."""
    expired: int = 0
    """Tokens that are refused before one is taken again."""

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """For the stand-in server."""
        return {"oai": self._answer}

    def _answer(self, request: Request) -> bytes:
        q = request.parameters
        if q["verb"] == "GetRecord":
            name = q["identifier"].removeprefix("oai:arXiv.org:")
            if name not in self.licences:
                return _whole('<error code="idDoesNotExist">Nothing found for this ID</error>')
            return _whole(f"<GetRecord>{self._record(name)}</GetRecord>")
        if q.get("set", self.set_name) != self.set_name:
            return _whole('<error code="noRecordsMatch">No records</error>')
        if "resumptionToken" not in q and q.get("metadataPrefix") != "arXiv":
            return _whole('<error code="cannotDisseminateFormat">No such format</error>')
        if "resumptionToken" in q and self.expired:
            self.expired -= 1
            return _whole('<error code="badResumptionToken">Token is invalid</error>')
        start = int(q.get("resumptionToken", "skip=0").partition("=")[2])
        names = sorted(self.licences)
        records = "".join(self._record(name) for name in names[start : start + self.page])
        end = start + self.page
        more = f"skip={end}" if end < len(names) else ""
        token = f"<resumptionToken expires='2026-01-02T00:00:00Z'>{more}</resumptionToken>"
        return _whole(f"<ListRecords>{records}{token if start or more else ''}</ListRecords>")

    def _record(self, name: str) -> str:
        licence = self.licences[name]
        stated = f"<license>{licence}</license>" if licence else ""
        return (
            f"<record><header><identifier>oai:arXiv.org:{name}</identifier>"
            f"<datestamp>2024-02-01</datestamp><setSpec>{self.set_name}</setSpec></header><metadata>"
            f'<arXiv xmlns="http://arxiv.org/OAI/arXiv/"><id>{name}</id><title>Words</title>'
            f"{stated}<abstract>Words.</abstract></arXiv></metadata></record>"
        )


def _whole(inner: str) -> bytes:
    return f"{HEAD}{inner}</OAI-PMH>".encode()

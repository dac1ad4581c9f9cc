"""efetch of another database: articles of PubMed Central, or an error for ids it does not serve."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.standin.server import Endpoint, Request


@dataclass
class Pmc:
    """Articles by PMC id."""

    articles: Mapping[str, str]
    left_out: list[str] = field(default_factory=list)
    """Ids that the next answer leaves out without a word."""

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """For the stand-in server."""
        return {"efetch": self._efetch}

    def _efetch(self, request: Request) -> bytes | None:
        if request.parameters.get("db") != "pmc":
            return None
        asked = [f"PMC{number}" for number in request.parameters["id"].split(",")]
        given = [one for one in asked if one in self.articles and one not in self.left_out]
        self.left_out.clear()
        refused = "".join(
            f"<error>The following PMCID is not available: {one.removeprefix('PMC')}</error>"
            for one in asked
            if one not in self.articles
        )
        inner = "".join(self.articles[one] for one in given)
        return f'<?xml version="1.0"?><pmc-articleset>{inner}{refused}</pmc-articleset>'.encode()

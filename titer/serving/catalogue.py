"""What is served: the base, the active version of each domain, and what else was named.

Invariant: a client names an entry of this catalogue and nothing else; no name leads to a path.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from titer.serving.engine import BASE, Servable
from titer.serving.keys import Key
from titer.serving.refusals import no_model


@dataclass(frozen=True)
class Offer:
    """A model with what the reply says of it."""

    servable: Servable
    adapter: str | None = None
    """Name without its version, such as `autoimmune-qlora`; null for the base."""
    version: str | None = None
    """`v1.0.0`, or `workspace` for what is not registered; null for the base."""
    verdict: str | None = None
    """Of the evaluation; null for the base and for what was not judged."""
    may_open_thought: bool = True
    """Whether a rendered prompt can end inside a thought."""


@dataclass(frozen=True)
class Catalogue:
    """All that one gateway serves."""

    offers: Mapping[str, Offer]
    """By the name of the servable; holds the base."""
    active: Mapping[str, str] = field(default_factory=dict)
    """Domain -> name of the offer that answers for it."""
    domains: frozenset[str] = frozenset()
    """Every domain of the project; one without an active version is answered by the base."""

    @property
    def base(self) -> Offer:
        """What answers where nothing else does."""
        return self.offers[BASE]

    def named(self, key: Key, name: str) -> tuple[Offer | None, str | None]:
        """The offer of a name, null where its domain has none now, and the domain.

        Args:
            key: of the client.
            name: `base`, a domain, or a version such as `autoimmune-qlora@v1.0.0`.

        Raises:
            Refusal: 404, there is none that this key opens.
        """
        if name in self.domains:
            domain: str | None = name
            offer = self.offers.get(self.active.get(name, ""))
        elif name in self.offers:
            offer = self.offers[name]
            domain = offer.servable.domain
        else:
            raise no_model()
        if not key.opens(domain):
            raise no_model()
        return offer, domain

    def open_to(self, key: Key) -> list[str]:
        """Names that a key opens: the base, its domains, their versions."""
        names = [BASE, *sorted(self.domains)]
        names += sorted(set(self.offers) - {BASE})
        return [name for name in names if self._opens(key, name)]

    def _opens(self, key: Key, name: str) -> bool:
        return key.opens(name if name in self.domains else self.offers[name].servable.domain)

    def only(self, names: Collection[str]) -> "Catalogue":
        """What of it has one of these names; domains stay, and fall back to the base."""
        return Catalogue(
            {name: offer for name, offer in self.offers.items() if name in names},
            {domain: name for domain, name in self.active.items() if name in names},
            self.domains,
        )

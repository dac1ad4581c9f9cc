"""How often each version answered and how content people were: counted when asked.

Invariant: nothing of it is written into a version; a forgotten conversation is no longer counted.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import fmean

from titer.conversations.chats import Conversation, Rating


@dataclass
class Served:
    """What the store says of one version."""

    n_conversations: int = 0
    """In which it wrote at least one answer."""
    scores: list[float] = field(default_factory=list)
    """Of the ratings that count, from 0 to 1: of its answers, and of conversations that were
    all its own."""

    @property
    def satisfaction(self) -> float | None:
        """Mean score; null where nobody rated."""
        return fmean(self.scores) if self.scores else None


def by_version(conversations: Iterable[Conversation]) -> dict[str, Served]:
    """Counts and ratings of each version, sorted by its name; answers of unknown ones are left out.

    A rating of a turn belongs to the version that wrote it; a rating of the whole belongs to a
    version only if no other one took part.
    """
    found: dict[str, Served] = {}
    for conversation in conversations:
        wrote = _writers(conversation)
        for name in wrote:
            found.setdefault(name, Served()).n_conversations += 1
        for rating in conversation.counting_ratings():
            rated = _rated(conversation, rating, wrote)
            if rated:
                found[rated].scores.append(rating.score)
    return dict(sorted(found.items()))


def _writers(conversation: Conversation) -> set[str]:
    names = {
        turn.version or conversation.version
        for turn in conversation.turns
        if turn.role == "assistant"
    }
    return {name for name in names if name}


def _rated(conversation: Conversation, rating: Rating, wrote: set[str]) -> str | None:
    if rating.turn is None:
        return next(iter(wrote)) if len(wrote) == 1 else None
    turn = conversation.turns[rating.turn]
    return (turn.version or conversation.version) if turn.role == "assistant" else None

"""Which conversations may teach: the conversation guide's filters, each refusal with its reason.

Invariant: consent comes first, and what passes has no chat control tokens and no thought of a
model, starts with a question, ends with an answer and takes turns.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from titer.conversations.chats import Conversation, Turn, utc
from titer.conversations.scrub import scrub
from titer.errors import ConfigError
from titer.records import CONTROL_TOKENS

NO_CONSENT = "no recorded consent"
BEFORE_SINCE = "before --since"
BEYOND_LIMIT = "beyond the limit"
DUPLICATE = "same messages as another"

MIDDLE = 0.5
"""A score below is negative, from here on positive."""


@dataclass(frozen=True)
class Filter:
    """What an export takes; the defaults are the conversation guide's."""

    min_satisfaction: float = 0.8
    """Least mean score, from 0 to 1."""
    min_length: int = 20
    """Least characters of each message but the system's."""
    max_length: int = 3_000
    """Most characters of each message."""
    min_turns: int = 2
    """Least messages, the system's not counted: a question and its answer are two."""
    positive_only: bool = True
    """Only where the mean score is at least 0.5."""
    exclude_negative: bool = True
    """Not where any rating that counts is a thumb down or below 0.5, whatever the mean."""
    limit: int = 1_000
    """Most conversations, the newest first."""
    since: str | None = None
    """ISO 8601; only conversations begun then or later."""

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            ConfigError: names the option.
            DataError: `since` is no date.
        """
        if not 0 <= self.min_satisfaction <= 1:
            raise ConfigError(f"--min-satisfaction {self.min_satisfaction}: expected 0 to 1")
        if not 1 <= self.min_length <= self.max_length:
            raise ConfigError(
                f"--min-length {self.min_length}, --max-length {self.max_length}: expected at "
                "least 1 character, and no more than the most"
            )
        if self.min_turns < 2:
            raise ConfigError(f"--min-turns {self.min_turns}: a question and an answer are 2")
        if self.limit < 1:
            raise ConfigError(f"--limit {self.limit}: expected at least 1")
        if self.since is not None:
            object.__setattr__(self, "since", utc(self.since))


@dataclass(frozen=True)
class Chosen:
    """A conversation as it is exported."""

    id: str
    cluster: str
    messages: list[dict[str, str]]
    """`{role, content}`, scrubbed."""
    satisfaction: float
    versions: list[str]
    """Which models and versions answered, sorted; empty where nobody recorded it."""
    scrubbed: Counter[str]
    """Kind of personal data and how often it was replaced."""
    counts: Counter[str] = field(default_factory=Counter)
    """What was done to the messages."""


def choose(conversation: Conversation, wanted: Filter) -> Chosen | str:
    """The conversation as training may see it, or the reason why it may not.

    `limit` and `since` concern the export as a whole and are not looked at here.
    """
    reason = fault(conversation, wanted)
    if reason:
        return reason
    counts: Counter[str] = Counter()
    turns = _alternating(_cleaned(conversation.turns, counts), counts)
    scrubbed: Counter[str] = Counter()
    for turn in turns:
        turn.content, found = scrub(turn.content)
        scrubbed += found
    reason = _size_fault(turns, wanted)
    if reason:
        return f"{reason} once scrubbed"
    return Chosen(
        id=conversation.id,
        cluster=conversation.cluster,
        messages=[{"role": turn.role, "content": turn.content} for turn in turns],
        satisfaction=conversation.satisfaction() or 0.0,
        versions=_versions(conversation),
        scrubbed=scrubbed,
        counts=+counts,
    )


def fault(conversation: Conversation, wanted: Filter) -> str | None:
    """The reason of `choose` or null, from all that can be seen without scrubbing."""
    reason = _rating_fault(conversation, wanted)
    if reason:
        return reason
    turns = _alternating(_cleaned(conversation.turns, Counter()), Counter())
    # taking a token out joined the halves of another one: nobody writes that by accident
    if any(CONTROL_TOKENS.search(turn.content) for turn in turns):
        return "control tokens hidden in one another"
    return _size_fault(turns, wanted)


def _rating_fault(conversation: Conversation, wanted: Filter) -> str | None:
    mean = conversation.satisfaction()
    negative = any(rating.score < MIDDLE for rating in conversation.counting_ratings())
    if conversation.consent is None:
        return NO_CONSENT
    if mean is None:
        return "not rated"
    if mean < wanted.min_satisfaction:
        return f"satisfaction below {wanted.min_satisfaction:g}"
    if wanted.positive_only and mean < MIDDLE:
        return "not rated as positive"
    if wanted.exclude_negative and negative:
        return "a negative rating"
    return None


def _size_fault(turns: Sequence[Turn], wanted: Filter) -> str | None:
    said = [len(turn.content) for turn in turns if turn.role != "system"]
    if any(turn.role == "system" for turn in turns[1:]):
        return "a system message after the first"
    if len(said) < wanted.min_turns:
        return f"fewer than {wanted.min_turns} turns"
    if min(said) < wanted.min_length:
        return f"a message shorter than {wanted.min_length} characters"
    if max(len(turn.content) for turn in turns) > wanted.max_length:
        return f"a message longer than {wanted.max_length:,} characters"
    return None


def _cleaned(turns: Sequence[Turn], counts: Counter[str]) -> list[Turn]:
    """Copies without thoughts and control tokens; a message of nothing else is left out."""
    kept = []
    for turn in turns:
        said = _answer(turn.content) if turn.role == "assistant" else turn.content
        # a token that ends a turn would end it in training too
        content = CONTROL_TOKENS.sub("", said)
        counts["answers freed of a thought"] += said != turn.content
        counts["messages freed of control tokens"] += content != said
        counts["messages of control tokens or a thought alone left out"] += not content.strip()
        if content.strip():
            kept.append(Turn(turn.role, content.strip()))
    return kept


def _answer(text: str) -> str:
    """What stands after a model's thought, which nobody rated; of one that never ends, nothing."""
    answer = text.rpartition("</think>")[2]
    return "" if "<think>" in answer else answer


def _alternating(turns: Sequence[Turn], counts: Counter[str]) -> list[Turn]:
    """Question and answer by turns: what one speaker said joined, unanswered ends left out."""
    joined: list[Turn] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role:
            joined[-1].content += f"\n\n{turn.content}"
            counts["messages joined to the one before"] += 1
        else:
            joined.append(turn)
    first = 1 if joined and joined[0].role == "system" else 0
    while len(joined) > first and joined[first].role == "assistant":
        del joined[first]
        counts["greetings before the first question left out"] += 1
    while joined and joined[-1].role == "user":
        joined.pop()
        counts["last messages without an answer left out"] += 1
    return joined


def _versions(conversation: Conversation) -> list[str]:
    by_turn = {turn.version for turn in conversation.turns if turn.role == "assistant"}
    return sorted(name for name in by_turn | {conversation.version} if name)

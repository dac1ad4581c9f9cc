"""Conversations that the tests of the store and the export share."""

from typing import Any

from titer.conversations.chats import Consent, Conversation, Rating, Turn

QUESTION = "Which antibody is the most specific one for lupus?"
ANSWER = "Antibodies against the Sm antigen are the most specific ones."
CONSENT = Consent("2026-11-01T00:00:00Z", "tick box of the chat page")


def talk(name: str = "c1", *said: str, **changed: Any) -> Conversation:
    """A conversation that passes every filter; `said` alternates between user and assistant."""
    texts = said or (QUESTION, ANSWER)
    values: dict[str, Any] = {
        "id": name,
        "domain": "autoimmune",
        "created_at": "2026-11-02T08:00:00Z",
        "turns": [
            Turn("assistant" if number % 2 else "user", text) for number, text in enumerate(texts)
        ],
        "consent": CONSENT,
        "ratings": [Rating(satisfaction=0.9)],
        "version": "autoimmune-qlora@v1.0.0",
    }
    return Conversation(**values | changed)

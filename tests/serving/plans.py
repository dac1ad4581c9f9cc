"""A plan of an experiment, and people who rate."""

import datetime
import random
from collections.abc import Callable, Iterator
from typing import Any

from titer.conversations.chats import Consent, Conversation, Rating, Turn
from titer.serving.experiments import Experiment

A, B = "autoimmune-qlora@v1.0.0", "autoimmune-qlora@v1.1.0"
START = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)


def experiment(**changed: Any) -> Experiment:
    """A running plan with looks at 60 and 120 people."""
    values: dict[str, Any] = {
        "name": "november", "domain": "autoimmune", "a": A, "b": B, "share_b": 50,
        "salt": "0123456789abcdef", "min_users": 60, "max_users": 120, "margin": 0.1,
        "alpha": 0.05, "started_at": "2026-11-01T00:00:00Z",
    }  # fmt: skip
    return Experiment(**values | changed)


def moment(minute: int) -> str:
    """A time after the start."""
    return (START + datetime.timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")


def rated(
    plan: Experiment, user: str, score: float, minute: int, *, name: str = "", **changed: Any
) -> Conversation:
    """A conversation of two turns, answered by the person's arm and rated at a minute."""
    turns = [Turn("user", "Why?"), Turn("assistant", "Because.", plan.version(user))]
    values: dict[str, Any] = {
        "id": name or f"c-{user}", "domain": plan.domain, "created_at": moment(minute),
        "turns": turns, "consent": Consent(moment(minute), "a box"), "user": user,
        "ratings": [Rating(satisfaction=score, turn=1, at=moment(minute))],
    }  # fmt: skip
    return Conversation(**values | changed)


def crowd(
    plan: Experiment, n: int, satisfaction: Callable[[random.Random, bool], float], seed: int = 0
) -> Iterator[Conversation]:
    """One conversation each of n people, a minute apart.

    Args:
        plan: that draws their arms.
        n: people.
        satisfaction: of a person, by whether B serves them.
        seed: other people with another one.
    """
    draw = random.Random(seed)
    for number in range(n):
        user = f"user-{seed}-{number}"
        score = satisfaction(draw, plan.version(user) == plan.b)
        yield rated(plan, user, score, number)

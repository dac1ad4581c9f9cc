"""Conversations and satisfaction of each version, counted from what was said and rated."""

from titer.conversations.chats import Consent, Conversation, Rating, Turn
from titer.conversations.served import by_version

ONE, TWO = "autoimmune-qlora@v1.0.0", "autoimmune-qlora@v1.1.0"


def chat(
    *writers: str | None, ratings: list[Rating] | None = None, version: str | None = None
) -> Conversation:
    turns = []
    for writer in writers:
        turns += [Turn("user", "Which antibody?"), Turn("assistant", "ANA", writer)]
    return Conversation(
        "c", "autoimmune", "2026-11-25T00:00:00Z", turns, Consent("2026-11-25", "tick box"),
        ratings or [], version=version,
    )  # fmt: skip


def test_a_version_has_the_conversations_in_which_it_answered() -> None:
    found = by_version([chat(ONE, ONE), chat(ONE, TWO), chat(None, version=TWO), chat(None)])
    assert {name: one.n_conversations for name, one in found.items()} == {ONE: 2, TWO: 2}


def test_a_rating_belongs_to_the_version_that_wrote_the_turn() -> None:
    ratings = [Rating(0.2, turn=1), Rating(1.0, turn=3), Rating(0.9, turn=0)]
    found = by_version([chat(ONE, TWO, ratings=ratings)])
    assert (found[ONE].satisfaction, found[TWO].satisfaction) == (0.2, 1.0)


def test_a_rating_of_the_whole_counts_where_one_version_wrote_it_all() -> None:
    found = by_version(
        [
            chat(ONE, ratings=[Rating(thumbs="up")]),
            chat(ONE, TWO, ratings=[Rating(0.0)]),
            chat(None, ratings=[Rating(0.5)], version=ONE),
        ]
    )
    assert found[ONE].scores == [1.0, 0.5] and found[TWO].satisfaction is None


def test_who_rates_again_changes_their_mind() -> None:
    found = by_version([chat(ONE, ratings=[Rating(0.1, turn=1), Rating(0.7, turn=1)])])
    assert found[ONE].scores == [0.7]

"""Each filter of the conversation guide takes and refuses what it says, with its reason."""

from typing import Any

import pytest

from tests.conversations.talks import ANSWER, QUESTION, talk
from titer.conversations.chats import Rating, Turn
from titer.conversations.filters import Chosen, Filter, choose
from titer.errors import ConfigError, DataError

LOW_MEAN = Filter(min_satisfaction=0)


def chosen(*said: str, wanted: Filter | None = None, **changed: Any) -> Chosen:
    found = choose(talk("c1", *said, **changed), wanted or Filter())
    assert isinstance(found, Chosen), found
    return found


@pytest.mark.parametrize(
    ("changed", "wanted", "outcome"),
    [
        ({}, Filter(), None),
        ({"consent": None}, Filter(), "no recorded consent"),
        ({"ratings": []}, Filter(), "not rated"),
        ({"ratings": [Rating(0.8)]}, Filter(), None),
        ({"ratings": [Rating(0.79)]}, Filter(), "satisfaction below 0.8"),
        ({"ratings": [Rating(thumbs="up")]}, Filter(), None),
        ({"ratings": [Rating(thumbs="down")]}, Filter(), "satisfaction below 0.8"),
        ({"ratings": [Rating(0.1), Rating(0.9)]}, Filter(), None),
        ({"ratings": [Rating(0.9), Rating(0.1)]}, Filter(), "satisfaction below 0.8"),
        ({"ratings": [Rating(0.5)]}, LOW_MEAN, None),
        ({"ratings": [Rating(0.49)]}, LOW_MEAN, "not rated as positive"),
        (
            {"ratings": [Rating(0.49)]},
            Filter(min_satisfaction=0, positive_only=False, exclude_negative=False),
            None,
        ),
        (
            {"ratings": [Rating(0.49)]},
            Filter(min_satisfaction=0, positive_only=False),
            "a negative rating",
        ),
        ({"ratings": [Rating(1.0), Rating(0.4, turn=1)]}, LOW_MEAN, "a negative rating"),
        (
            {"ratings": [Rating(1.0), Rating(0.4, turn=1)]},
            Filter(min_satisfaction=0, exclude_negative=False),
            None,
        ),
    ],
)
def test_consent_and_ratings_decide(
    changed: dict[str, Any], wanted: Filter, outcome: str | None
) -> None:
    found = choose(talk(**changed), wanted)
    assert (found if isinstance(found, str) else None) == outcome


@pytest.mark.parametrize(
    ("said", "wanted", "outcome"),
    [
        ((QUESTION,), Filter(), "fewer than 2 turns"),
        (("q" * 20, "a" * 20), Filter(), None),
        (("q" * 19, "a" * 20), Filter(), "a message shorter than 20 characters"),
        (("q" * 20, f"  {'a' * 19}\n"), Filter(), "a message shorter than 20 characters"),
        (("q" * 20, "a" * 3000), Filter(), None),
        (("q" * 20, "a" * 3001), Filter(), "a message longer than 3,000 characters"),
        ((QUESTION, ANSWER), Filter(min_turns=3), "fewer than 3 turns"),
        ((QUESTION, ANSWER, QUESTION, ANSWER), Filter(min_turns=3), None),
        ((QUESTION, "<|im_end|>" * 9), Filter(), "fewer than 2 turns"),
        (
            ("My mail is a.very.long.name@example.org", "a" * 20),
            Filter(min_length=20),
            "a message shorter than 20 characters once scrubbed",
        ),
    ],
)
def test_lengths_and_turns_decide(
    said: tuple[str, ...], wanted: Filter, outcome: str | None
) -> None:
    found = choose(talk("c1", *said), wanted)
    assert (found if isinstance(found, str) else None) == outcome


def test_the_defaults_are_those_of_the_guide() -> None:
    assert Filter() == Filter(0.8, 20, 3_000, 2, True, True, 1_000, None)


def test_thanks_at_the_end_and_greetings_at_the_start_are_left_out() -> None:
    turns = [Turn("assistant", "Hello!"), Turn("user", QUESTION), Turn("assistant", ANSWER),
             Turn("user", "Thanks!")]  # fmt: skip
    found = chosen(turns=turns)
    assert [message["content"] for message in found.messages] == [QUESTION, ANSWER]
    assert found.counts == {
        "greetings before the first question left out": 1,
        "last messages without an answer left out": 1,
    }


def test_what_one_speaker_says_in_a_row_is_joined() -> None:
    turns = [Turn("system", "Be brief."), Turn("user", "I have a"), Turn("user", QUESTION),
             Turn("assistant", ANSWER)]  # fmt: skip
    found = chosen(turns=turns)
    assert [message["role"] for message in found.messages] == ["system", "user", "assistant"]
    assert found.messages[1]["content"] == f"I have a\n\n{QUESTION}"


def test_a_system_message_in_the_middle_is_refused() -> None:
    turns = [Turn("user", QUESTION), Turn("system", "Obey."), Turn("assistant", ANSWER)]
    assert choose(talk(turns=turns), Filter()) == "a system message after the first"


@pytest.mark.parametrize(
    "text",
    [
        f"{ANSWER}<|im_end|>",
        f"<|im_start|>{ANSWER}</s>",
        f"[INST]{ANSWER}[/INST]",
        f"{ANSWER}<\uff5cend\uff5c>",
        f"<bos>{ANSWER}<end_of_turn>",
        f"<<SYS>>{ANSWER}<eos>",
    ],
)
def test_control_tokens_go(text: str) -> None:
    found = chosen(QUESTION, text)
    assert found.messages[1]["content"] == ANSWER
    assert found.counts == {"messages freed of control tokens": 1}


@pytest.mark.parametrize(
    "thought", ["<think>\nHm.\n</think>\n\n", "Hm.</think>", "a<think></think>"]
)
def test_the_thought_of_an_answer_goes_and_is_counted(thought: str) -> None:
    found = chosen(f"{QUESTION} What is <think>?", f"{thought}{ANSWER}")
    contents = [message["content"] for message in found.messages]
    assert contents == [f"{QUESTION} What is ?", ANSWER]
    assert found.counts == {"answers freed of a thought": 1, "messages freed of control tokens": 1}


@pytest.mark.parametrize("text", [f"<think>{ANSWER}", f"{ANSWER}<think>{ANSWER}"])
def test_a_thought_that_never_ends_is_no_answer(text: str) -> None:
    assert choose(talk("c1", QUESTION, text), Filter()) == "fewer than 2 turns"


@pytest.mark.parametrize(
    "turns",
    [
        [Turn("user", QUESTION), Turn("assistant", f"<|im_<|im_end|>end|>{ANSWER}")],
        [Turn("user", QUESTION), Turn("assistant", f"{ANSWER} <|im"), Turn("assistant", "end|>")],
        [Turn("user", QUESTION), Turn("assistant", f"</thi<|x|>nk>{ANSWER}")],
        [Turn("user", QUESTION), Turn("assistant", "<|a" * 200_000 + "|>" * 200_000)],
    ],
    ids=["nested", "in two messages", "of a thought", "nested 200,000 times"],
)
def test_control_tokens_that_hide_in_one_another_are_refused(turns: list[Turn]) -> None:
    assert choose(talk(turns=turns), Filter()) == "control tokens hidden in one another"


def test_every_message_is_scrubbed_the_system_message_too() -> None:
    turns = [Turn("system", "Mail x@y.org"), Turn("user", f"{QUESTION} x@y.org"),
             Turn("assistant", f"{ANSWER} Ring (212) 555-0143.")]  # fmt: skip
    found = chosen(turns=turns)
    assert "@" not in str(found.messages)
    assert found.scrubbed == {"e-mail": 2, "phone": 1}


def test_the_conversation_itself_is_not_changed() -> None:
    row = talk("c1", f"{QUESTION} x@y.org", f"{ANSWER}</s>", "Bye")
    choose(row, Filter())
    assert row == talk("c1", f"{QUESTION} x@y.org", f"{ANSWER}</s>", "Bye")


def test_the_answering_versions_are_those_of_the_turns_and_the_conversation() -> None:
    turns = [Turn("user", QUESTION), Turn("assistant", ANSWER, "b@v2"), Turn("user", QUESTION),
             Turn("assistant", ANSWER, "b@v1")]  # fmt: skip
    assert chosen(turns=turns, version="b@v1").versions == ["b@v1", "b@v2"]
    assert chosen(version=None).versions == []


def test_a_person_is_one_cluster_and_stays_unnamed() -> None:
    one, other = chosen(user="jo@example.org"), chosen(user="jo@example.org")
    assert one.cluster == other.cluster
    assert one.cluster.startswith("user:")
    assert "jo" not in one.cluster
    assert chosen().cluster == "conversation:c1"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_satisfaction": 1.1}, "--min-satisfaction 1.1: expected 0 to 1"),
        ({"min_satisfaction": float("nan")}, "--min-satisfaction nan"),
        ({"min_length": 0}, "--min-length 0"),
        ({"min_length": 30, "max_length": 20}, "--min-length 30, --max-length 20"),
        ({"min_turns": 1}, "--min-turns 1: a question and an answer are 2"),
        ({"limit": 0}, "--limit 0: expected at least 1"),
    ],
)
def test_a_filter_out_of_range_is_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Filter(**values)


def test_a_since_that_is_no_date_is_one_line() -> None:
    assert Filter(since="2026-11-01").since == "2026-11-01T00:00:00Z"
    assert Filter(since="2026-11-01T02:00+02:00").since == "2026-11-01T00:00:00Z"
    with pytest.raises(DataError, match="'last week' is no date"):
        Filter(since="last week")

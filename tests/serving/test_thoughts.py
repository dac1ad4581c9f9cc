"""Nothing of a thought is shown, however the text is cut into pieces."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.modeling.chat_template import THINK_CLOSE, THINK_OPEN, split_thought
from titer.serving.thoughts import AnswerText

PARTS = st.sampled_from(
    [THINK_OPEN, THINK_CLOSE, "<thi", "nk>", "</", "<", " ", "\n", "lupus", "anti-", "STOP", "ST"]
)


def streamed(pieces: list[str], *, opened: bool, may_open: bool, stops: tuple[str, ...] = ()):  # type: ignore[no-untyped-def]
    text = AnswerText(may_open=may_open, stops=stops)
    given = ""
    for piece in pieces:
        given += text.feed(piece)
        if text.is_void or text.is_stopped:
            break
    given += text.end(opened=opened)
    return given, text


@settings(max_examples=1_000, deadline=None)
@given(st.lists(PARTS, max_size=12), st.booleans())
def test_what_was_given_is_the_answer_of_the_evaluation_or_void(
    parts: list[str], opened: bool
) -> None:
    found, text = streamed(parts, opened=opened, may_open=opened)
    wanted = split_thought("".join(parts), opened_in_prompt=opened)
    if text.is_void:  # a tag came behind text that had been shown
        assert wanted.state != "none"
    else:
        assert found == wanted.answer


@settings(max_examples=500, deadline=None)
@given(st.lists(PARTS, max_size=12), st.integers(0, 30))
def test_a_cut_anywhere_changes_nothing(parts: list[str], at: int) -> None:
    whole = "".join(parts)
    first, _ = streamed([whole[:at], whole[at:]], opened=False, may_open=False, stops=("STOP",))
    singly, text = streamed(list(whole), opened=False, may_open=False, stops=("STOP",))
    if not text.is_void and not text.is_stopped:
        assert first == singly
    assert "STOP" not in singly


@settings(max_examples=1_000, deadline=None)
@given(st.lists(PARTS, max_size=12), st.booleans(), st.booleans())
def test_a_whole_answer_is_that_of_the_evaluation_up_to_its_stop(
    parts: list[str], opened: bool, may_open: bool
) -> None:
    """Also where text was given that proved to be a thought, which is void in a stream alone."""
    text, fed = AnswerText(may_open=opened or may_open, stops=("STOP",)), ""
    for part in parts:
        fed += part
        text.feed(part)
        if text.is_stopped:
            break
    wanted = split_thought(fed, opened_in_prompt=opened).answer
    assert text.answer(opened=opened) == wanted.partition("STOP")[0].rstrip()
    assert text.is_stopped == ("STOP" in wanted)


@pytest.mark.parametrize("may_open", [True, False])
def test_a_thought_is_never_shown(may_open: bool) -> None:
    secret = "SECRET"
    text = f"{THINK_OPEN}{secret} <b> {secret}{THINK_CLOSE}\n\nThe answer <5."
    found, end = streamed(list(text), opened=False, may_open=may_open)
    assert (found, end.state(opened=False)) == ("The answer <5.", "closed")
    found, _ = streamed(list(text.removeprefix(THINK_OPEN)), opened=True, may_open=True)
    assert found == "The answer <5."
    found, end = streamed(list(f"{THINK_OPEN}{secret}"), opened=False, may_open=may_open)
    assert (found, end.state(opened=False)) == ("", "unclosed")
    found, _ = streamed(list(secret), opened=True, may_open=True)
    assert found == ""


def test_text_comes_as_soon_as_it_is_sure() -> None:
    text = AnswerText(may_open=False)
    assert [text.feed(one) for one in ("Anti", "-dsDNA", " ", "is", " <", "b>", " it")] == [
        "Anti", "-dsDNA", "", " is", "", " <b>", " it",
    ]  # fmt: skip


def test_a_thought_behind_shown_text_voids_the_answer() -> None:
    found, text = streamed(
        ["Shown. ", THINK_OPEN, "x", THINK_CLOSE, "y"], opened=False, may_open=False
    )
    assert text.is_void
    assert found == "Shown."
    assert text.state(opened=False) == "closed"

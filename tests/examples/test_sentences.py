"""Sentences begin and end where a reader sees it; in doubt two stay joined."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titer.examples.sentences import sentences


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("The marker is anti-Sm. It is rare.", ["The marker is anti-Sm.", "It is rare."]),
        ("It fell (p < 0.05). We stop.", ["It fell (p < 0.05).", "We stop."]),
        ("Was it so? Yes! Good.", ["Was it so?", "Yes!", "Good."]),
        ("He said “no.” We went.", ["He said “no.”", "We went."]),
        ("Fever, e.g. Malta fever, rose.", ["Fever, e.g. Malta fever, rose."]),
        ("As Smith et al. Found, it rose.", ["As Smith et al. Found, it rose."]),
        ("We saw S. Typhimurium in 3.5 ml.", ["We saw S. Typhimurium in 3.5 ml."]),
        ("They had hepatitis C. Drugs helped.", ["They had hepatitis C.", "Drugs helped."]),
        ("They lacked factor X. The rest had it.", ["They lacked factor X.", "The rest had it."]),
        ("See Fig. 2 and no. 5 of it.", ["See Fig. 2 and no. 5 of it."]),
        ("no full stop at the end", ["no full stop at the end"]),
        ("  two\n\nlines.  \n", ["two\n\nlines."]),
        ("", []),
        (" . ", ["."]),
    ],
)
def test_a_text_is_cut_at_the_ends_of_its_sentences(text: str, parts: list[str]) -> None:
    assert split(text) == parts


@given(st.text(alphabet="aB1 .?!()'\n,-", max_size=80))
def test_sentences_hold_every_letter_once_and_in_order(text: str) -> None:
    assert "".join("".join(split(text)).split()) == "".join(text.split())


@given(st.text(max_size=60))
def test_sentences_begin_and_end_with_a_visible_character(text: str) -> None:
    for part in split(text):
        assert part == part.strip() != ""

"""Each doubt about a row is counted under its name, with its place; none takes a row out."""

import pytest

from tests.examples.papers import item, make_example
from titer.examples import quality
from titer.examples.language import TOO_SHORT, languages
from titer.records import Example

SAFE = "Wear gloves and goggles and work in a fume hood. "
PROCEDURE = "Dissolve the salt in toluene, add sodium hydride and heat the mixture for one hour."
FINE = "The lamp of the harbour is lit by its keeper every evening at eight."


def row(answer: str, prompt: str = "Why?", **changes: object) -> Example:
    return make_example(prompt, answer, **changes)


def found(*rows: Example, **named: object) -> quality.Quality:
    return quality.check(((f"x:{n}", one) for n, one in enumerate(rows, 1)), **named)  # type: ignore[arg-type]


ONE = {
    "too_short": row("So."),
    "too_long": row("A lamp is lit. " * 300),
    "unfinished": row("The lamp of the harbour is lit by its keeper every evening at"),
    "vague": row("That really depends on many factors, and it is hard to say."),
    "unsafe_procedure": row(PROCEDURE),
    "low_satisfaction": row(FINE, fields={"satisfaction": 0.5}),
    "no_source": row(FINE, source="", paper_id=""),
}


@pytest.mark.parametrize("check", ONE)
def test_a_doubtful_row_is_counted_and_named(check: str) -> None:
    seen = found(ONE[check])
    assert dict(seen.counts) == {check: 1}
    assert seen.shown[check][0].startswith("x:1")
    assert any(line.startswith(f"{check}: 1 rows: ") for line in seen.sentences())


@pytest.mark.parametrize(
    "answer",
    [
        FINE,
        SAFE + PROCEDURE,
        "Toluene is a solvent that boils at 111 degrees.",
        "It depends on the dose: below 5 mg the drug is safe. " * 8,
        "1. Salt water\n2. Lamp oil\n3. A wick of cotton",
        f"{FINE} (Book 3)",
    ],
    ids=["plain", "with safety", "no procedure", "long", "list", "bracket"],
)
def test_a_sound_row_is_left_in_peace(answer: str) -> None:
    assert dict(found(row(answer)).counts) == {}


def test_repeats_are_told_from_near_repeats() -> None:
    long = " ".join(f"word{n}" for n in range(60))
    rows = [row(f"{long} ends."), row(f"{long} ENDS"), row(f"{long} stops."), row(FINE)]
    seen = found(*rows)
    assert seen.shown["duplicate"] == ["x:2: as x:1"]
    assert seen.shown["near_duplicate"] == ["x:3: as x:1"]


def test_a_row_of_another_domain_is_flagged() -> None:
    words_of = {"autoimmune": ["lupus"], "chemistry": ["toluene", "boils"]}
    seen = found(row("Toluene is a solvent that boils."), domain="autoimmune", words_of=words_of)
    assert seen.shown["mixed_domain"] == ["x:1: chemistry"]


def test_a_question_of_the_benchmark_is_found() -> None:
    asked = item("Which of the lamps in the harbour is the oldest one?", "The green lamp")
    copied = row(FINE, "Which of the lamps in the harbour is the oldest one?")
    seen = found(copied, row(FINE, "Who?"), benchmark=[asked])
    assert seen.counts["copied_benchmark"] == 1
    assert seen.shown["copied_benchmark"][0].startswith("x:1: Q1 by rule ")


def test_few_rows_are_warned_of() -> None:
    assert any("only 1 rows: below 1,000" in line for line in found(row(FINE)).sentences())
    many = (row(f"{FINE} {n}", f"Why {n}?") for n in range(quality.MIN_ROWS))
    assert not any("only" in line for line in found(*many).sentences())


def test_languages_are_told_apart() -> None:
    texts = [
        "The keeper lights the lamp of the harbour every evening at eight o'clock.",
        "Der Leuchtturmwärter zündet jeden Abend um acht Uhr die Lampe des Hafens an.",
        "So.",
    ]
    assert languages(texts) == {"en": 1, "de": 1, TOO_SHORT: 1}

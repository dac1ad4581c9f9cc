"""Of a section only that is an answer which is complete and tells what was found."""

import pytest

from titer.examples.tidy import tidied

FOUND = "Salt water cured the cough."


def kept(text: str, *, concludes: bool = True) -> str | None:
    place = tidied(text, concludes=concludes)
    return text[slice(*place)] if place else None


@pytest.mark.parametrize(
    "tail",
    [
        "Further studies are needed.",
        "However, larger randomised trials are warranted to confirm this.",
        "Studies with more keepers are required to confirm these results.",
        "Due to the small sample, further investigations are required.",
        "We believe that further trials are needed to settle it.",
        "There is an urgent need for further research.",
        "Whether this holds on other shores warrants further study.",
        "The mechanism remains to be determined.",
        "Future work will look at lamps.",
        "The reasons for this are discussed.",
        "This paper discusses what keepers may do.",
        "Trial registration: ClinicalTrials.gov NCT00069784.",
        "(ISRCTN12345678).",
        "Funded by the harbour.",
        "Level of evidence: III.",
        "Medical Subject Headings (MeSH): fever, salt.",
        "STUDY DESIGN/",
        "AIM: To learn more.",
        "It was given under normal (ambient air",
    ],
)
def test_an_end_that_tells_nothing_is_left_out(tail: str) -> None:
    assert kept(f"{FOUND} {tail}") == FOUND


@pytest.mark.parametrize(
    "text",
    [
        "Salt water helps, but further studies are needed.",
        "More research is needed on lamps; salt water was not found to help.",
        "Clinical assessment may be enough to know the fever.",
        "Digital lamps require additional measures for safety.",
        "Needs of keepers and owners could thereby be met.",
        "Salt water did not differ from oil",
    ],
)
def test_a_finding_stays_whatever_stands_beside_it(text: str) -> None:
    assert kept(f"{FOUND} {text}") == f"{FOUND} {text}"


def test_a_background_keeps_its_open_questions() -> None:
    text = f"{FOUND} The mechanism remains to be determined."
    assert kept(text, concludes=False) == text


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f"CONCLUSIONS: {FOUND}", FOUND),
        (f": {FOUND}", FOUND),
        (f"Patients: {FOUND}", FOUND),
        (f"Possible reasons are discussed. {FOUND}", FOUND),
        ("Vitamin D: it did not help.", "Vitamin D: it did not help."),
        ("pH was measured.", "pH was measured."),
    ],
    ids=["label", "colon", "short label", "announcement", "no label", "term in small letters"],
)
def test_a_beginning_loses_what_is_no_part_of_it(text: str, answer: str) -> None:
    assert kept(text) == answer


@pytest.mark.parametrize(
    "text",
    ["Further studies are needed.", "NCT00816829.", "use of salt water varies.", "It rose in the",
     "Cured (by salt", "Salt [corrected] cured it.", " ", "\u00a9 2020 The harbour."],
    ids=["call", "registration", "mid-sentence", "dangling", "open bracket", "erratum", "empty",
         "copyright"],
)  # fmt: skip
def test_what_is_no_answer_gives_none(text: str) -> None:
    assert kept(text) is None

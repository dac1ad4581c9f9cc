"""A section's category comes from NlmCategory, then from its label."""

import pytest

from tests.examples.papers import make_paper, section
from titer.examples.sections import category, section_numbers, unassigned_labels


@pytest.mark.parametrize(
    ("label", "given", "expected"),
    [
        ("FINDINGS", "RESULTS", "RESULTS"),
        ("FINDINGS", "", "RESULTS"),
        ("Patients and Methods", "UNASSIGNED", "METHODS"),
        ("BACKGROUND AND PURPOSE", "", "OBJECTIVE"),
        ("METHODS AND RESULTS", "", "RESULTS"),
        ("DESIGN, SETTING, AND PATIENTS", "", "METHODS"),
        ("CONCLUSIONS AND RELEVANCE", "", "CONCLUSIONS"),
        ("CLINICAL TRIAL REGISTRATION", "", "UNASSIGNED"),
        ("", "UNASSIGNED", "UNASSIGNED"),
        ("", "", ""),
    ],
)
def test_category(label: str, given: str, expected: str) -> None:
    assert category(section(label, "text", given)) == expected


def test_an_empty_section_is_no_section_of_its_category() -> None:
    paper = make_paper(sections=[section("METHODS", " "), section("METHOD", "We did.")])
    assert section_numbers(paper, "METHODS") == [1]


def test_labels_that_say_nothing_are_counted() -> None:
    papers = [make_paper(n, sections=[section("Funding", "None.")]) for n in (1, 2)]
    assert unassigned_labels(papers) == {"FUNDING": 2}

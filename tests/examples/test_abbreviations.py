"""What an answer abbreviates is explained in the prompt."""

import pytest

from tests.examples.papers import make_paper, section
from titer.examples.abbreviations import introduced, unexplained

TEXT = (
    "Keepers with lantern fever (LF) were given salt-water inhalation (SWI; daily). Of those with "
    "acute lung injury (ALI), many (N) had a harbour (see Table). "
    "The chronic cough index (CCIs) fell. So did ACI (Arm and Cough Index), not AB (see below)."
)
PAPER = make_paper(title="Does it help?", sections=[section("RESULTS", TEXT)])


def test_short_forms_are_found_with_their_long_forms() -> None:
    assert introduced(PAPER) == {
        "LF": "lantern fever", "SWI": "salt-water inhalation", "ALI": "acute lung injury",
        "CCI": "chronic cough index", "ACI": "Arm and Cough Index",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "answer", "found"),
    [
        ("Does it help?", "LF was cured.", {"LF": "lantern fever"}),
        ("Does it help in lantern fever?", "LF was cured.", {}),
        ("Does it help in LF?", "LF was cured.", {}),
        ("Does it help?", "Lantern fever (LF) was cured; LF is rare.", {}),
        ("Does it help?", "Two ills (LF and others) were cured.", {"LF": "lantern fever"}),
        ("Does it help?", "ALIs were rare, HALF were mild.", {"ALI": "acute lung injury"}),
    ],
    ids=[
        "unexplained",
        "long form asked",
        "short form asked",
        "in the answer",
        "in brackets",
        "plural",
    ],
)
def test_only_what_neither_prompt_nor_answer_explains_is_listed(
    prompt: str, answer: str, found: dict[str, str]
) -> None:
    assert unexplained(PAPER, prompt, answer) == found

"""The words that a domain puts in place of the report's: none stale, none missed, none too long."""

import re
from pathlib import Path

import pytest

from titer import files, runner
from titer.config import LONGEST_PHRASE, DomainSettings
from titer.errors import ConfigError

ROOT = runner.ROOT
DOMAINS = runner.groups()["domain"]
GOLDEN = ("report.md", "model_card_qlora.md", "model_card_full.md")
OF_MEDICINE = re.compile(
    r"clinician|clinical|medical (?:advice|evidence)|disease name|decisions about patients", re.I
)


def wording(domain: str) -> dict[str, str]:
    found: dict[str, str] = runner.read_yaml(ROOT / "conf/domain" / f"{domain}.yaml")["wording"]
    return found


@pytest.fixture(scope="module")
def source() -> str:
    """The text of every module and template, strings that span lines joined."""
    places = [*(ROOT / "titer").rglob("*.py"), *(ROOT / "titer").rglob("*.j2")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(places))
    return re.sub(r'"\s*\n\s*f?"', "", text)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_phrase_still_stands_in_a_page(domain: str, source: str) -> None:
    made_of_parts = {
        ">Disease</th>": '"Disease", "Relation"',
        "medical terms mean": "medical_terms",
    }
    stale = [old for old in wording(domain) if made_of_parts.get(old, old) not in source]
    assert stale == []


@pytest.mark.parametrize("domain", [name for name in DOMAINS if name != "autoimmune"])
@pytest.mark.parametrize("page", GOLDEN)
def test_no_page_speaks_of_medicine_in_another_domain(domain: str, page: str) -> None:
    text = (ROOT / "tests" / "golden" / page).read_text(encoding="utf-8")
    assert OF_MEDICINE.search(text)
    assert OF_MEDICINE.findall(files.reworded(text, wording(domain))) == []


def test_the_default_domain_keeps_every_byte() -> None:
    text = (ROOT / "tests" / "golden" / "report.md").read_text(encoding="utf-8")
    assert files.reworded(text, wording("autoimmune")) == text


def test_the_longest_phrase_that_fits_is_taken_and_nothing_twice() -> None:
    words = {"disease": "lamp", "disease name": "disease"}
    assert files.reworded("a disease name, a disease", words) == "a disease, a lamp"


def test_a_phrase_is_found_escaped_as_in_html() -> None:
    words = {"the disease's name": "the lamp's name"}
    assert files.reworded("hide the disease&#39;s name", words) == "hide the lamp&#39;s name"


def test_a_phrase_that_dvc_cannot_lock_is_refused() -> None:
    long = "x" * (LONGEST_PHRASE + 1)
    with pytest.raises(ConfigError, match=f"domain.wording = '{long}': must be phrases of at most"):
        DomainSettings("t", [], [], [], [], [], {long: "y"})


def test_the_skeleton_is_part_of_the_package() -> None:
    listed = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '"titer.cli" = ["domain_skeleton/*"]' in listed
    assert list(Path(ROOT / "titer/cli/domain_skeleton").iterdir())

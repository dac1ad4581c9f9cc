"""A study in words, with every number that it rests on."""

from pathlib import Path

import pytest

from tests.evaluation.test_studies import run
from titer.evaluation import studies as judged
from titer.files import write_json
from titer.report import html, markdown, studies


@pytest.fixture
def seeds():
    return judged.seeds({seed: run(0.4, seed=seed) for seed in (1, 2, 3)})


@pytest.fixture
def placebo():
    return judged.placebo(run(0.5, seed=1), run(0.0, seed=2, verdict="equivalent"))


def test_seeds_say_mean_spread_and_what_follows(seeds) -> None:
    (sentence, missing) = studies.sentences({"seeds": seeds})
    assert sentence.startswith("QLoRA, 3 training seeds: mean gain +")
    assert sentence.endswith("the recipe helps: every interval lies on the better side of zero.")
    assert missing == "Not made for this result. The commands: titer study placebo."


def test_a_placebo_says_both_gains_and_whether_it_passes(placebo) -> None:
    sentence = studies.sentences({"placebo": placebo})[0]
    assert "with exchanged ones (equivalent); the control passes." in sentence


def test_a_failed_placebo_is_loud(placebo) -> None:
    placebo["arms"]["qlora"]["passes"] = False
    assert "the control FAILS" in studies.sentences({"placebo": placebo})[0]


def test_without_studies_the_commands_are_named() -> None:
    assert studies.sentences({}) == [
        "Not made for this result. The commands: titer study seeds, titer study placebo."
    ]
    assert studies.tables({}) == []


def test_a_page_holds_a_row_for_each_run(seeds) -> None:
    text = studies.page(seeds)
    assert text.startswith("# Training seeds\n")
    assert text.count("| QLoRA | ") == 3
    assert text.endswith("|\n")


def test_the_report_holds_the_studies_that_were_made(stats, context, seeds) -> None:
    for page in (markdown.render, html.render):
        assert "Not made for this result. The commands: titer study seeds," in page(stats, context)
        text = page(stats, context | {"studies": {"seeds": seeds}})
        assert "QLoRA, 3 training seeds: mean gain" in text
        assert "Training seeds, each compared with the same base" in text


def test_only_the_studies_that_were_made_are_read(tmp_path: Path, seeds) -> None:
    assert studies.read(tmp_path) == {}
    write_json(tmp_path / "seeds.json", seeds)
    assert studies.read(tmp_path) == {"seeds": seeds}

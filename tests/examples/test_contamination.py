"""The check of the final files says what was removed, what is left and which rules it repeats."""

from pathlib import Path
from typing import Any

from tests.examples.papers import item, make_example, make_paper, make_settings
from titer.examples import folder
from titer.examples.build import build
from titer.examples.contamination import recheck
from titer.records import BenchmarkText

PAPERS = [make_paper(number) for number in range(1, 31)]
BY_ID = item("Other?", ids=frozenset({"5"}), id="Q5")
QUESTION = "Which lamp oil do the keepers of the northern harbour burn in winter?"


def checked(out: Path, asked: list[BenchmarkText], ledger: list[dict[str, Any]]) -> dict[str, Any]:
    row = make_example(QUESTION, "Oil.", id="own1", source="own", paper_id="own:a", cluster_id="o")
    built = build(PAPERS, make_settings(), [BY_ID], extra=[row])
    built.removed.extend(ledger)
    folder.write(out, papers=PAPERS, copies=[], built=built, ids={}, lists={
        "rejected": [], "duplicate": [], "skipped": [],
    })  # fmt: skip
    return recheck(out, asked)


def test_what_was_removed_is_counted_by_rule_and_item(tmp_path: Path) -> None:
    found = checked(tmp_path, [BY_ID], [])
    assert (found["removed"], found["removed_per_rule"]) == (6, {"A": 6})
    assert found["items"] == {"Q5": 6}
    assert found["remaining"] == []


def test_what_is_left_is_listed_with_the_words(tmp_path: Path) -> None:
    found = checked(tmp_path, [item(QUESTION, id="Q9")], [])
    assert [(row["example_id"], row["rule"]) for row in found["remaining"]] == [("own1", "C")]
    assert found["remaining_per_rule"] == {"C": 1}
    assert found["items"] == {"Q5": 6, "Q9": 1}


def test_removals_by_rule_e_are_those_of_the_ledger(tmp_path: Path) -> None:
    entry = {"example_id": "x", "paper_id": "own:a", "item_id": "Q7", "matched": "0.93: So?"}
    ledger = [entry | {"rule": "E"}, entry | {"rule": "duplicate", "item_id": "y"}]
    found = checked(tmp_path, [BY_ID], ledger)
    assert found["removed_per_rule"] == {"A": 6, "E": 1}
    assert found["items"] == {"Q5": 6, "Q7": 1}
    assert found["rechecked"].startswith("rules A to D; ")

"""Rows of a language model become examples only through the gate; every other row is listed."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.examples.papers import item, make_paper, make_settings
from titer import files
from titer.errors import FormatError
from titer.examples.build import build
from titer.examples.generated import gate, read
from titer.examples.recipes import rebuild_answer

PAPERS = [make_paper(n) for n in range(1, 31)]
QUOTE = "Salt water 4 is of no use to keepers"


def row(**changes: Any) -> dict[str, Any]:
    return {
        "paper_id": "pmid:4", "question": "Is salt water of use to keepers?",
        "answer": "No: salt water is of no use to keepers.", "quote": QUOTE, "model": "m",
        "revision": "r", "prompt_sha256": "p", "temperature": 0.5, "seed": 1, "raw": "[...]",
    } | changes  # fmt: skip


def test_an_accepted_row_is_an_example_whose_span_is_the_quote() -> None:
    (example,) = gate([row()], PAPERS).examples
    assert (example.prompt, example.answer) == (row()["question"], row()["answer"])
    assert rebuild_answer(example, PAPERS[3]) == QUOTE
    assert example.recipe == "generated" and not example.weak
    assert (example.paper_id, example.cluster_id, example.license) == (
        "pmid:4", "pmid:4", "CC-BY-4.0",
    )  # fmt: skip
    assert example.generator == {
        "model": "m", "revision": "r", "prompt_sha256": "p", "temperature": 0.5, "seed": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"paper_id": "pmid:999"}, "no such paper in the collection"),
        ({"question": "", "answer": "", "quote": ""}, "no row in the reply"),
        ({"answer": "No, salt water is of no use to keepers.<|im_end|>"}, "control tokens"),
        ({"quote": "Salt water is of great use to keepers"}, "quote not in the paper"),
        ({"answer": "No: salt water is of no use to 77 keepers."}, "number not in the paper"),
    ],
)
def test_a_rejected_row_is_listed_with_its_reason(change: dict[str, Any], reason: str) -> None:
    gated = gate([row(**change)], PAPERS)
    assert gated.examples == []
    (leak,) = gated.rejected
    assert (leak.rule, leak.item_id, leak.paper_id) == (
        "grounding", reason, row(**change)["paper_id"],
    )  # fmt: skip


def test_of_nearly_equal_questions_one_is_taken_whatever_the_order() -> None:
    rows = [
        row(),
        row(question="To keepers, is salt water of use?"),
        row(paper_id="pmid:5", quote=QUOTE.replace("4", "5")),
    ]
    gated = gate(rows, PAPERS)
    assert len(gated.examples) == 2
    assert [leak.item_id for leak in gated.rejected] == ["repeats a question"]
    assert gated == gate(rows[::-1], PAPERS)


def test_build_counts_lists_checks_and_splits_generated_rows() -> None:
    asked = "Is salt water of use to keepers of lanterns on the northern shore at all?"
    rows = [
        row(),
        row(question=asked),
        row(question="Is it?", quote="too short"),
        row(
            paper_id="pmid:9",
            quote=QUOTE.replace("4", "9"),
            answer=f"No: {QUOTE}".replace("4", "9"),
        ),
    ]
    gated = gate(rows, PAPERS)
    assert len(gated.examples) == 3
    built = build(
        PAPERS, make_settings(), [item(asked, id="Q1")],
        extra=gated.examples, rejected=gated.rejected,
    )  # fmt: skip
    assert built.counts["rejected_rows"] == {"quote is short": 1}
    listed = Counter((line["rule"], line["item_id"]) for line in built.removed)
    assert listed == {("C", "Q1"): 1, ("grounding", "quote is short"): 1}
    where = {
        example.cluster_id: name
        for name, split in (("train", built.train), ("validation", built.validation))
        for example in split
    }
    made = [e for e in (*built.train, *built.validation) if e.recipe == "generated"]
    assert all(where[example.cluster_id] == example.split for example in made)
    held = {paper.cluster_id for paper in built.heldout_papers}
    assert len(made) == len({"pmid:4", "pmid:9"} - held)


def test_all_files_of_the_folder_are_read(tmp_path: Path) -> None:
    files.write_jsonl(tmp_path / "b.jsonl", [row(seed=2)])
    files.write_jsonl(tmp_path / "a.jsonl", [row(seed=1)])
    assert [one["seed"] for one in read(tmp_path)] == [1, 2]
    assert read(tmp_path / "absent") == []


@pytest.mark.parametrize(
    ("change", "key"), [({"quote": None}, "quote"), ({"seed": "1"}, "seed"), ({"raw": 3}, "raw")]
)
def test_a_row_without_a_key_is_named(tmp_path: Path, change: dict[str, Any], key: str) -> None:
    files.write_jsonl(tmp_path / "a.jsonl", [row(), row(**change)])
    with pytest.raises(FormatError, match=rf"a\.jsonl:2: row of a language model without {key}"):
        read(tmp_path)

"""A folder of mixed documents through the stage, as DVC runs it, and back by `titer papers why`."""

import itertools
from pathlib import Path

import pytest

from tests.examples.documents import making
from tests.pipeline.conftest import Clone, clone_of_the_working_tree, commit, make_tiny
from titer.files import read_jsonl

pytestmark = pytest.mark.slow

KINDS = (".pdf", ".docx", ".html", ".md", ".txt")
OWN = "data/own/autoimmune/documents"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Thirty documents, one bomb and one file of no known kind beside the sample papers."""
    clone = clone_of_the_working_tree(tmp_path_factory.mktemp("documents_stage"))
    make_tiny(clone)
    for number in range(30):
        sections = making.protocol(number) if number % 2 else making.book(number + 3)
        making.write(clone.path / OWN / f"{number}{KINDS[number % 5]}", sections)
    making.write_bomb(clone.path / OWN / "bomb.docx", 200 * 2**20)
    (clone.path / OWN / "table.xls").write_text("x")
    clone.edit("params.yaml", lambda text: text.replace("max_examples: 1000", "max_examples: 60"))
    assert clone.repro("fetch_papers") == ["fetch_papers"]
    commit(clone)
    return clone


def test_documents_and_papers_teach_together(ran: Clone) -> None:
    stats = ran.read("data/papers/stats.json")
    documents = stats["documents"]
    assert (documents["files"], documents["used"]) == (32, 30)
    assert documents["left_out"] == {"over the size limit": 1, "unknown suffix": 1}
    assert documents["used_examples"] + documents["heldout_examples"] == 60
    assert stats["sources"]["document"] == documents["used_examples"] > 30
    assert stats["sources"]["pubmed"] > 100
    flow = stats["flow"]["examples"]
    for step, following in itertools.pairwise(flow):
        assert step["n"] - sum(step["left_out"].values()) == following["n"]


def test_no_document_stands_in_two_splits(ran: Clone) -> None:
    folder = ran.path / "data/papers"
    places: dict[str, set[str]] = {}
    for name in ("examples/train.jsonl", "examples/validation.jsonl", "heldout.jsonl"):
        for row in read_jsonl(folder / name):
            places.setdefault(row["paper_id"], set()).add(name)
    assert all(len(names) == 1 for names in places.values())
    assert any(name.startswith("document:") for name in places)


def test_why_leads_from_a_row_to_its_file(ran: Clone) -> None:
    rows = list(read_jsonl(ran.path / "data/papers/examples/train.jsonl"))
    row = next(row for row in rows if (row.get("document") or {}).get("page"))
    said = ran.run("titer", "papers", "why", row["id"]).stdout
    assert "the spans give the answer" in said
    assert f"raw      {OWN}/{row['document']['path']}: sha256" in said and "as read" in said
    assert f"text by pypdf {row['document']['version']}" in said
    Path(ran.path / OWN / row["document"]["path"]).unlink()
    said = ran.run("titer", "papers", "why", row["paper_id"]).stdout
    assert "is gone" in said
    ran.run("git", "checkout", "--", OWN)


def test_why_says_why_a_file_is_not_used(ran: Clone) -> None:
    command = ("titer", "papers", "why", "document:bomb.docx")
    assert ran.run(*command).stdout.startswith("fate     left out: over the size limit (unpacks")


def test_purge_leaves_the_file_to_its_owner(ran: Clone) -> None:
    said = ran.run("titer", "papers", "purge", "document:0.pdf").stdout
    assert said.startswith(f"yours    {OWN}/0.pdf: delete this file yourself\nin use ")
    assert (ran.path / OWN / "0.pdf").is_file()
    assert "0.pdf" not in (ran.path / "data/own/autoimmune/excluded.txt").read_text()


def test_an_edit_of_a_document_runs_the_stage_again_and_nothing_else_does(ran: Clone) -> None:
    assert ran.repro("fetch_papers") == []
    (ran.path / OWN / "4.txt").write_text(making.paragraph(999) + "\n")
    assert ran.repro("fetch_papers") == ["fetch_papers"]

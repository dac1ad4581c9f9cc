"""Real question-answer pairs as own data through all eight stages (slow, where they are)."""

import json
from pathlib import Path

import pytest

from tests.imports import ROOT
from tests.pipeline.conftest import clone_of_the_working_tree, make_tiny
from titer import files

MEDQUAD = ROOT.parent / "shared" / "real" / "medquad_autoimmune.jsonl"
TITER = "import sys; from titer.cli.main import main; sys.exit(main())"


@pytest.mark.slow
@pytest.mark.skipif(not MEDQUAD.is_file(), reason="MedQuAD is not on this machine")
def test_real_pairs_alone_go_through_all_eight_stages(tmp_path: Path) -> None:
    clone = clone_of_the_working_tree(tmp_path / "clone")
    make_tiny(clone)
    clone.edit("params.yaml", lambda text: text.replace("sources: both", "sources: own"))
    to = "data/own/autoimmune/training/medquad.jsonl"
    columns = ("--column", "source=url", "--column", "title=focus")
    clone.run("python", "-c", TITER, "data", "convert", str(MEDQUAD), to, *columns)
    assert len(clone.repro()) == 8
    stats = json.loads((clone.path / "data/papers/stats.json").read_text())
    assert stats["own"]["rows"] == {"medquad.jsonl": 230}
    assert stats["papers"] == 0 and stats["sources"].keys() == {"own"}
    assert stats["planted"]
    held = list(files.read_jsonl(clone.path / "data/papers/heldout.jsonl"))
    folder = clone.path / "data/papers/examples"
    train, validation = (
        list(files.read_jsonl(folder / f"{name}.jsonl")) for name in ("train", "validation")
    )
    assert train and validation and held
    sources = [{row["paper_id"] for row in rows} for rows in (train, validation, held)]
    assert not sources[0] & sources[1] and not sources[0] & sources[2]
    assert not sources[1] & sources[2]
    why = clone.run("python", "-c", TITER, "papers", "why", train[0]["id"]).stdout
    assert f"a row of your own, from {to}:" in why
    why = clone.run("python", "-c", TITER, "papers", "why", held[0]["example_ids"][0]).stdout
    assert "held out" in why
    assert (clone.path / "reports/report.html").is_file()

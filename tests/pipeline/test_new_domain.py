"""A domain that a user adds: from the skeleton to the report, with DVC itself."""

import json
from pathlib import Path

import pytest

from tests.cli.filled import fill
from tests.pipeline.conftest import clone_of_the_working_tree, commit, make_tiny
from titer import files


@pytest.mark.slow
def test_a_new_domain_runs_from_its_skeleton_to_the_report(tmp_path: Path) -> None:
    clone = clone_of_the_working_tree(tmp_path / "clone")
    make_tiny(clone, max_candidates=8)
    clone.run("titer", "domain", "new", "lamps")
    fill(clone.path, "lamps")
    for verb in ("samples", "lock"):
        clone.run("titer", "benchmark", verb, "--domain", "lamps")
    clone.edit("params.yaml", lambda text: text.replace("domain: autoimmune", "domain: lamps"))
    assert clone.run("titer", "check").stdout.startswith("configuration ok: domain=lamps, ")
    commit(clone)
    assert len(clone.repro()) == 8
    commit(clone)
    report = (clone.path / "reports" / "report.md").read_text(encoding="utf-8")
    assert report.startswith("# Did fine-tuning help? Lamps\n")
    metrics = json.loads((clone.path / "results" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["base"]["n_closed"] > 20
    assert metrics["gates"]["contaminated_items"] == 0
    assert clone.run("dvc", "status").stdout.strip() == "Data and pipelines are up to date."
    registered = ("titer", "model", "register", "{}-qlora", "--description", "first run")
    refused = clone.run(*(word.format("autoimmune") for word in registered), check=False)
    assert refused.stderr == (
        "error: autoimmune-qlora: params.yaml chooses the domain lamps, so these results are of "
        "lamps-qlora\n"
    )
    said = clone.run(*(word.format("lamps") for word in registered)).stdout
    assert said.startswith("lamps-qlora@v1.0.0: the first version; verdict ")
    clone.run("dvc", "artifacts", "get", ".", "lamps-qlora", "--rev", "v1.0.0", "-o", "../again")
    again, made = (
        files.sha256_file(folder / "adapter_model.safetensors")
        for folder in (clone.path.parent / "again", clone.path / "models" / "qlora")
    )
    assert again == made

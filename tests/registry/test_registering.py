"""A version is the committed, judged state of the project, and is bound to what was measured."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.evaluation import made_up as m
from tests.registry import made_up_versions as made
from titer import files
from titer.errors import BaseMismatch, ConfigError, DataError, TiterError
from titer.registry import record, registering, tags
from titer.registry.names import Name, Number

ONE, TWO = Number(1, 0, 0), Number(1, 1, 0)


def test_a_version_is_bound_to_base_data_plan_and_verdict(built: Path) -> None:
    known = tags.read(built, made.QLORA).versions
    assert [str(version) for version in known.values()] == [
        "autoimmune-qlora@v1.0.0", "autoimmune-qlora@v1.1.0",
    ]  # fmt: skip
    one, two = known[ONE].record, known[TWO].record
    assert (one.verdict, two.verdict) == ("helped", "hurt")
    assert one.base["revision"] == "b" and one.licence == "mit"
    assert one.data_sha256 == files.sha256_text("old rows") != two.data_sha256
    assert one.plan_sha256 == m.PLAN_SHA256
    assert (one.description, two.description) == ("first run", "more papers")
    # the version is the commit before the last
    assert known[ONE].commit == made.run(built, "git", "rev-parse", "HEAD~1").strip()


def test_its_metrics_are_losses_perplexity_and_the_endpoint_with_its_interval(built: Path) -> None:
    found = tags.read(built, made.QLORA).versions[TWO].record
    stats = files.read_json(built / "results" / "stats.json")
    primary = stats["comparisons"]["qlora"]["primary"]
    assert found.metrics["perplexity"] == pytest.approx(2.718282)
    assert (found.metrics["train_loss"], found.metrics["validation_loss"]) == (0.5, 1.0)
    assert found.endpoint == "closed_acc"
    assert found.metrics["score"] == primary["arm"] and found.metrics["n"] == primary["n"]
    assert found.metrics["score_low"] < found.metrics["score"] < found.metrics["score_high"]
    assert found.metrics["delta_high"] == primary["high"] < 0


def edit(root: Path) -> None:
    (root / "dvc.yaml").write_text(f"{made.DVC_YAML}\n# another word\n")


def add(root: Path) -> None:
    (root / "notes.txt").write_text("not committed")


def spoil(root: Path) -> None:
    (root / "models" / "qlora" / "adapter_config.json").write_text("{}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edit, r"^1 uncommitted changes \(dvc.yaml\): a version is a commit\. Run: git add"),
        (add, r"^1 uncommitted changes \(notes.txt\)"),
        (spoil, r"^dvc.lock does not describe this tree: 1 stages changed \(made_up\)"),
    ],
)
def test_what_is_not_committed_is_not_registered(
    registry: Path, change: Callable[[Path], None], said: str
) -> None:
    before = made.run(registry, "git", "tag")
    change(registry)
    with pytest.raises(DataError, match=said):
        made.register(registry)
    assert made.run(registry, "git", "tag") == before


def test_the_same_model_is_not_registered_twice(registry: Path) -> None:
    with pytest.raises(ConfigError, match=r"^v1\.1\.0 already has this base, these weights"):
        made.register(registry)


def test_weights_that_were_not_judged_are_refused(registry: Path) -> None:
    (registry / "models" / "qlora" / "adapter_model.safetensors").write_text("three")
    with pytest.raises(BaseMismatch, match=r"^models/qlora: its weights \(\w{12}\) are not those"):
        record.read(registry, "qlora", "changed by hand")


@pytest.mark.slow
def test_a_new_base_raises_the_first_place(registry: Path) -> None:
    made.write_run(registry, weights="four", data="new rows", knows=m.gains, base="c")
    made.commit(registry, "Another base")
    version, why = made.register(registry)
    assert (str(version.number), why) == ("v2.0.0", "a new base model")


@pytest.mark.parametrize(
    ("name", "domain", "kind", "said"),
    [
        (Name("legal", "qlora"), "autoimmune", ConfigError,
         r"^legal-qlora: params.yaml chooses the domain autoimmune, so .* autoimmune-qlora$"),
        (Name("autoimmune", "full"), "autoimmune", DataError,
         r"^dvc.yaml: `artifacts:` has no autoimmune-full with path models/full\. Add and commit: "
         r'"\$\{domain\}-full": \{path: models/full, type: model\}$'),
    ],
)  # fmt: skip
def test_a_name_that_does_not_fit_the_project_is_one_line(
    built: Path, name: Name, domain: str, kind: type[TiterError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        registering.register(built, name, domain=domain, description="x")


def test_versions_bear_the_name_of_the_domain_they_were_trained_on(
    registry: Path, tmp_path: Path
) -> None:
    made.choose(registry, "chemistry")
    made.write_run(registry, weights="of chemistry", data="reagents", knows=m.gains)
    made.commit(registry, "Chemistry")
    with pytest.raises(ConfigError, match=r"^autoimmune-qlora: params.yaml chooses the domain che"):
        registering.register(registry, made.QLORA, domain="chemistry", description="a lie")
    chemistry = Name("chemistry", "qlora")
    version, _ = registering.register(
        registry, chemistry, domain="chemistry", description="first run"
    )
    assert (str(version), len(tags.read(registry, made.QLORA).versions)) == (
        "chemistry-qlora@v1.0.0", 2,
    )  # fmt: skip
    for name, weights in (("chemistry-qlora", "of chemistry"), ("autoimmune-qlora", "one")):
        out = tmp_path / name
        made.run(registry, "dvc", "artifacts", "get", ".", name, "--rev", "v1.0.0", "-o", str(out))
        assert made.content(out) == made.model(weights)


def test_a_fine_tune_that_did_not_run_is_not_registered(registry: Path) -> None:
    files.write_json(
        registry / "results/train_qlora/run.json", {"status": "not_run", "reason": "too large"}
    )
    with pytest.raises(DataError, match=r"^qlora: the training did not run \(too large\)"):
        record.read(registry, "qlora", "without the fine-tune")


def test_a_result_that_no_tag_can_hold_is_not_registered(registry: Path) -> None:
    model = files.read_json(registry / "results" / "model.json")
    (registry / "results" / "model.json").unlink()
    files.write_json(registry / "results" / "model.json", model | {"license": ["mit", "bsd"]})
    with pytest.raises(DataError, match=r"licence is no text: \['mit', 'bsd'\]\)\. Run: dvc"):
        record.read(registry, "qlora", "two licences")


@pytest.mark.parametrize(
    ("text", "said"), [(" \n", "--description is empty"), ("a\x1b[2Jb", "a control character")]
)
def test_a_description_is_a_line_of_text(built: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        record.read(built, "qlora", text)


def test_a_folder_without_git_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is not a git repository$"):
        tags.read(tmp_path, made.QLORA)

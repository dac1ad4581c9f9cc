"""What may be served: that which was evaluated, on its own base."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from tests.registry import made_up_versions as made
from tests.serving import projects
from tests.serving.engines import asking
from titer import files
from titer.config import Dtype, Think
from titer.errors import BaseMismatch, ConfigError, DataError, LoadError, NotFound, TiterError
from titer.registry import tags
from titer.registry.names import FIRST, Name
from titer.serving import finding
from titer.serving.engine import BASE

DOMAINS = ("autoimmune", "chemistry")
QLORA, FULL = "autoimmune-qlora@workspace", "autoimmune-full@workspace"


@pytest.fixture
def no_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is registered."""
    monkeypatch.setattr(tags, "read", lambda root, name: tags.History(name))


@pytest.fixture(scope="module")
def built(models: asking.Models, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return projects.write(tmp_path_factory.mktemp("project"), models)


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(built, tmp_path / "project"))


def find(root: Path) -> Any:
    return finding.find(root, DOMAINS, workspace="autoimmune")


@pytest.mark.usefixtures("no_tags")
def test_the_workspace_is_served_as_it_was_evaluated(root: Path) -> None:
    found = find(root)
    assert list(found.offers) == [BASE, QLORA, FULL]
    assert found.active == {"autoimmune": QLORA}
    base, qlora, full = (found.offers[name] for name in (BASE, QLORA, FULL))
    assert (base.adapter, base.version, base.servable.domain) == (None, None, None)
    assert (qlora.adapter, qlora.version, qlora.verdict) == (
        "autoimmune-qlora", "workspace", "helped",
    )  # fmt: skip
    one = qlora.servable
    assert (one.folder, one.adapter) == (root / "models" / "base", root / "models" / "qlora")
    assert (one.precision, one.quantize, one.think) == (Dtype.float32, True, Think.none)
    assert one.generation.max_new_tokens == projects.GENERATION["max_new_tokens"]
    assert one.base_revision == full.servable.base_revision == projects.REVISION
    assert (full.servable.folder, full.servable.adapter) == (root / "models" / "full", None)
    assert not full.servable.quantize
    assert not base.servable.quantize


@pytest.mark.usefixtures("no_tags")
def test_without_the_workspace_only_the_base_is_there(root: Path) -> None:
    found = finding.find(root, DOMAINS)
    assert (list(found.offers), found.active) == ([BASE], {})


class Canary:
    """Runs when a pickle is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.usefixtures("no_tags")
@pytest.mark.parametrize(
    "place", ["qlora/adapter_model.safetensors", "base/model.safetensors", "full/model.safetensors"]
)
def test_a_pickle_under_another_name_is_refused_and_not_run(root: Path, place: str) -> None:
    ran = root / "ran"
    (root / "models" / place).write_bytes(pickle.dumps(Canary(ran)))
    with pytest.raises(LoadError, match="not readable as safetensors") as refused:
        find(root)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 4
    assert not ran.exists()


@pytest.mark.usefixtures("no_tags")
def test_an_adapter_as_a_pickle_is_refused(root: Path) -> None:
    folder = root / "models" / "qlora"
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(LoadError, match="Pickled weights are not loaded"):
        find(root)


@pytest.mark.usefixtures("no_tags")
def test_another_base_below_the_adapter_is_refused(root: Path) -> None:
    """The base was replaced, its own record too: the adapter's still names the old one."""
    base = root / "models" / "base"
    tensors = load_file(base / "model.safetensors")
    save_file({name: 2 * value for name, value in tensors.items()}, base / "model.safetensors")
    folder = finding.read_folder(base)
    run = projects.record([projects.judged(folder, "float32")])
    files.write_json(root / "results" / "base" / "run.json", run)
    with pytest.raises(BaseMismatch, match=r"weights_sha256 .* of another base"):
        find(root)


@pytest.mark.usefixtures("no_tags")
def test_another_template_or_adapter_is_refused(root: Path, models: asking.Models) -> None:
    template = root / "models" / "base" / "chat_template.jinja"
    kept = template.read_text()
    template.write_text(kept.replace("assistant", "helper"))
    with pytest.raises(BaseMismatch, match="chat_template_sha256"):
        find(root)
    template.write_text(kept)
    adapter = root / "models" / "qlora" / "adapter_model.safetensors"
    shutil.copy(models.second / adapter.name, adapter)
    with pytest.raises(BaseMismatch, match="is not the one that was evaluated"):
        find(root)


@pytest.mark.usefixtures("no_tags")
def test_what_was_not_evaluated_is_not_served(root: Path) -> None:
    path = root / "results" / "qlora" / "run.json"
    files.write_json(path, {"status": "skipped", "reason": "told not to"})
    with pytest.raises(DataError, match="the benchmark did not run"):
        find(root)
    path.unlink()
    with pytest.raises(DataError, match="what was not evaluated is not served"):
        find(root)
    for arm in ("qlora", "full"):
        shutil.rmtree(root / "models" / arm)
    with pytest.raises(NotFound, match="neither qlora nor full was trained"):
        find(root)


# ---- registered versions ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def registered(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same project with its adapter as a version, active, and gone from models/."""
    place = tmp_path_factory.mktemp("registered")
    root = made.new_project(place / "project", place / "remote")
    shutil.copytree(built, root, dirs_exist_ok=True)
    made.run(root, "dvc", "add", "--quiet", "models/base", "models/full", "results/full",
             "results/train_full")  # fmt: skip
    made.commit(root, "A run")
    folder = finding.read_folder(root / "models" / "base")
    name = Name("autoimmune", "qlora")
    record = _record(root, folder)
    tags.register(root, name, FIRST, record)
    tags.activate(root, tags.read(root, name).get(FIRST), tags.ACTIVATE, forced=False, reason="")
    made.run(root, "dvc", "push", "--quiet")
    return root


def _record(root: Path, base: finding.Folder) -> Any:
    from titer.registry import folders
    from titer.registry.record import Record

    hashes = folders.file_hashes(root / "models" / "qlora")
    return Record(
        description="made up",
        base={"id": "made/up", "revision": projects.REVISION, "weights_sha256": base.weights_sha256,
              "tokenizer_sha256": base.tokenizer_sha256,
              "chat_template_sha256": base.template_sha256},
        licence="mit", data_sha256=None, plan_sha256="p",
        weights_sha256=str(folders.weights_sha256(hashes)),
        tree_sha256=folders.tree_sha256(hashes), precision="nf4", verdict="helped", sentence="",
        endpoint="seen", metrics={},
    )  # fmt: skip


def test_the_active_version_is_served_from_its_own_commit(registered: Path) -> None:
    shutil.rmtree(registered / "models" / "qlora")
    shutil.rmtree(registered / "results" / "qlora")
    for _ in range(2):  # brought, then there
        found = finding.find(registered, DOMAINS)
        assert found.active == {"autoimmune": "autoimmune-qlora@v1.0.0"}
    kept = registered / "registered/autoimmune-qlora/v1.0.0/results"
    (kept / "train_qlora/run.json").unlink()  # one of the two is lost, and brought again
    assert finding.find(registered, DOMAINS).active == found.active
    assert (kept / "train_qlora/run.json").is_file()
    offer = found.offers["autoimmune-qlora@v1.0.0"]
    assert offer.servable.adapter == registered / "registered/autoimmune-qlora/v1.0.0/model"
    assert (offer.version, offer.verdict) == ("v1.0.0", "helped")
    assert (offer.servable.quantize, offer.servable.base_revision) == (True, projects.REVISION)


def test_a_version_of_another_base_is_refused(registered: Path, models: asking.Models) -> None:
    base = finding.read_folder(registered / "models" / "base")
    version = tags.read(registered, Name("autoimmune", "qlora")).get(FIRST)
    other = replace(base, weights_sha256="0" * 64)
    with pytest.raises(BaseMismatch, match=r"autoimmune-qlora@v1\.0\.0: made on base made/up"):
        finding.registered_offer(registered, version, other)


@pytest.mark.parametrize(
    ("text", "words"),
    [("autoimmune-qlora", "which version"), ("autoimmune-qlora@v9.0.0", "not registered"),
     ("/etc/passwd", "no name of a model"), ("autoimmune-qlora@../..", "no version")],
)  # fmt: skip
def test_a_version_is_named_and_nothing_else(registered: Path, text: str, words: str) -> None:
    with pytest.raises(TiterError, match=words) as refused:
        finding.find(registered, DOMAINS, also=[text])
    assert isinstance(refused.value, ConfigError | NotFound)

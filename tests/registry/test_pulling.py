"""A clone gets a version from the remote, byte for byte, or nothing of it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.registry import made_up_versions as made
from tests.registry.made_up_versions import QLORA
from titer import files
from titer.errors import BaseMismatch, DataError
from titer.registry import activation, pulling, tags
from titer.registry.names import Number
from titer.registry.tags import Version

ONE, TWO = Number(1, 0, 0), Number(1, 1, 0)


def test_another_clone_gets_each_version_from_the_remote_as_it_was_registered(clone: Path) -> None:
    known = tags.read(clone, QLORA)
    assert not (clone / "models" / "qlora").exists()
    for number, weights in ((ONE, "one"), (TWO, "two")):
        folder, is_new = pulling.pull(clone, known.get(number))
        assert is_new and folder == clone / "registered/autoimmune-qlora" / str(number)
        assert made.content(folder / "model") == made.model(weights)
    assert pulling.pull(clone, known.get(ONE))[1] is False


@pytest.mark.slow
def test_a_relative_folder_is_where_the_user_stands(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder, _ = pulling.pull(registry, tags.read(registry, QLORA).get(TWO), Path("here"))
    assert folder == tmp_path / "here"
    assert made.content(folder / "model") == made.model("two")


def test_the_active_version_of_a_clone_is_that_of_its_origin(registry: Path, clone: Path) -> None:
    """Activation travels as a tag: `git push`, `git fetch`."""
    activation.activate(registry, QLORA, ONE)
    made.run(registry, "git", "push", "--quiet", str(clone), "autoimmune-qlora#active#1")
    active = tags.read(clone, QLORA).active
    assert active is not None and active.number == ONE


def test_an_activation_without_its_version_is_one_line(registry: Path, clone: Path) -> None:
    activation.activate(registry, QLORA, ONE)
    made.run(registry, "git", "push", "--quiet", str(clone), "autoimmune-qlora#active#1")
    made.run(clone, "git", "tag", "--delete", "autoimmune-qlora@v1.0.0")
    with pytest.raises(DataError, match=r"#active#1: the version that it .*: git fetch --tags$"):
        tags.read(clone, QLORA)


def test_a_rollback_without_what_served_before_is_one_line(registry: Path, clone: Path) -> None:
    activation.activate(registry, QLORA, ONE)
    activation.activate(registry, QLORA, TWO, force=True, reason="try it")
    activation.rollback(registry, QLORA)
    made.run(registry, "git", "push", "--quiet", str(clone), "autoimmune-qlora#active#3")
    said = (
        r"^autoimmune-qlora#active#3: goes back to v1\.0\.0, whose activations are missing here "
        r"\(first is #3\)\. Run: git fetch --tags$"
    )
    with pytest.raises(DataError, match=said):
        tags.read(clone, QLORA)
    made.run(clone, "git", "fetch", "--quiet", "--tags", str(registry))
    active = tags.read(clone, QLORA).active
    assert active is not None and active.number == ONE


def test_a_version_that_nobody_pushed_is_one_line(clone: Path, tmp_path: Path) -> None:
    made.run(clone, "dvc", "remote", "modify", "store", "url", str(tmp_path / "empty"))
    with pytest.raises(DataError, match="Where it was registered: dvc push") as caught:
        pulling.pull(clone, tags.read(clone, QLORA).get(ONE))
    assert "\n" not in str(caught.value)
    assert "No such file or directory" in str(caught.value) and "Studio" not in str(caught.value)
    assert list((clone / "registered/autoimmune-qlora").iterdir()) == []


def test_a_damaged_remote_is_noticed_and_nothing_is_kept(clone: Path, tmp_path: Path) -> None:
    remote = made.run(clone, "dvc", "config", "remote.store.url").strip()
    copy = Path(shutil.copytree(clone / ".dvc" / remote, tmp_path / "remote"))
    flipped = [path for path in copy.rglob("*") if path.is_file() and path.read_bytes() == b"one"]
    assert len(flipped) == 1
    flipped[0].chmod(0o644)
    flipped[0].write_bytes(b"onf")
    made.run(clone, "dvc", "remote", "modify", "store", "url", str(copy))
    with pytest.raises(BaseMismatch, match=r"v1\.0\.0: the copy that came is not what was regis"):
        pulling.pull(clone, tags.read(clone, QLORA).get(ONE))
    assert list((clone / "registered/autoimmune-qlora").iterdir()) == []


@pytest.mark.slow
def test_a_damaged_copy_is_replaced_and_a_foreign_folder_is_left_alone(registry: Path) -> None:
    version = tags.read(registry, QLORA).get(ONE)
    folder, _ = pulling.pull(registry, version)
    (folder / "model" / "adapter_model.safetensors").write_text("onf")
    assert pulling.pull(registry, version)[1] is True
    assert made.content(folder / "model") == made.model("one")
    own = registry / "own"
    files.write_text(own / "thesis.txt", "years of work")
    with pytest.raises(DataError, match=r"own: holds something else; nothing was touched"):
        pulling.pull(registry, version, own)
    assert [path.name for path in own.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("record", "added"),
    [("{}", "thesis.tex"), ("{}", "model"), (None, "thesis.tex")],
    ids=["another program's", "another program's alone", "a copy and more"],
)
def test_a_version_json_alone_makes_no_copy_that_may_be_deleted(
    registry: Path, record: str | None, added: str
) -> None:
    version = tags.read(registry, QLORA).get(ONE)
    own = registry / "own"
    files.write_text(own / "version.json", record or version.record.to_text())
    files.write_text(own / added, "years of work")
    with pytest.raises(DataError, match=r"own: holds something else; nothing was touched\. Move"):
        pulling.pull(registry, version, own)
    assert (own / added).read_text() == "years of work"


def copy_of(version: Version, folder: Path, weights: str) -> Path:
    """What a pull leaves behind, or left before somebody changed it."""
    for name, body in made.model(weights).items():
        files.write_bytes(folder / "model" / name, body)
    files.write_text(folder / "version.json", f"{version.record.to_text()}\n")
    return folder


@pytest.mark.parametrize(
    "name", ["model/thesis.tex", pytest.param("results/thesis.tex", marks=pytest.mark.slow)]
)
def test_a_file_of_ones_own_within_a_damaged_copy_is_kept(
    built: Path, tmp_path: Path, name: str
) -> None:
    version = tags.read(built, QLORA).get(ONE)
    here = copy_of(version, tmp_path / "here", "onf")
    files.write_text(here / "results" / "qlora" / "run.json", "{}")
    files.write_text(here / name, "years of work")
    with pytest.raises(DataError, match=rf"{name}: no file of autoimmune-qlora@v1\.0\.0; nothing"):
        pulling.pull(built, version, here)
    assert (here / name).read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


@pytest.mark.parametrize("weights", ["one", "onf"], ids=["whole", "damaged"])
def test_a_copy_of_another_version_is_named_and_left_alone(
    built: Path, tmp_path: Path, weights: str
) -> None:
    one, two = tags.read(built, QLORA).versions.values()
    here = copy_of(one, tmp_path / "here", weights)
    said = (
        r"here: holds autoimmune-qlora@v1\.0\.0, not autoimmune-qlora@v1\.1\.0; nothing was touch"
    )
    with pytest.raises(DataError, match=said):
        pulling.pull(built, two, here)
    assert made.content(here / "model") == made.model(weights)


def test_a_copy_of_a_version_without_a_tag_is_left_alone_even_of_the_same_weights(
    built: Path, tmp_path: Path
) -> None:
    version = tags.read(built, QLORA).get(ONE)
    gone = replace(version, record=replace(version.record, description="judged anew"))
    here = copy_of(gone, tmp_path / "here", "one")
    with pytest.raises(DataError, match=r"holds a version that has no tag here \('judged anew'\),"):
        pulling.pull(built, version, here)


@pytest.mark.parametrize("damaged", [b"", b"{", b"\xff"], ids=["empty", "cut", "no text"])
def test_a_damaged_version_json_beside_a_whole_model_is_written_again(
    built: Path, tmp_path: Path, damaged: bytes
) -> None:
    version = tags.read(built, QLORA).get(ONE)
    here = copy_of(version, tmp_path / "here", "one")
    right = (here / "version.json").read_bytes()
    (here / "version.json").write_bytes(damaged)
    assert pulling.pull(built, version, here) == (here, False)
    assert (here / "version.json").read_bytes() == right


def test_a_place_where_no_folder_can_lie_is_refused_before_the_download(
    clone: Path, tmp_path: Path
) -> None:
    """A download would fail here: the clone's remote is gone."""
    made.run(clone, "dvc", "remote", "modify", "store", "url", str(tmp_path / "empty"))
    version = tags.read(clone, QLORA).get(ONE)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    (tmp_path / "afile").write_text("years of work")
    for name, said in (
        ("link", r"link: is a link, which .* Name the folder that it points to: .*/elsewhere$"),
        ("broken", r"broken: is a link, .*/nowhere$"),
        (
            "afile/x/y",
            r"afile/x/y: .*/afile is a file, and no folder can lie in it\. Name another$",
        ),
        ("afile", r"afile: holds something else; nothing was touched"),
    ):
        with pytest.raises(DataError, match=said):
            pulling.pull(clone, version, tmp_path / name)

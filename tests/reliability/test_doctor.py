"""Every state that a kill or a failing disk leaves behind, planted, seen by DVC, mended."""

import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import trees
from tests.pipeline.conftest import Clone
from tests.pipeline.kills import start
from tests.reliability.conftest import STAGE
from titer import files
from titer.repair import findings, objects, processes

DVC = ("dvc", "repro", STAGE)
SHM = Path("/dev/shm")
"""Another file system than the one of temporary files, on most machines."""


def titer(project: Clone, *words: str) -> Any:
    return project.run(sys.executable, "-m", "titer.cli.main", *words, check=False)


def content(root: Path) -> dict[str, str]:
    """Every file of a project by its bytes, DVC's own notes left out."""
    return {
        path.relative_to(root).as_posix(): files.sha256_file(path)
        for path in root.rglob("*")
        if path.is_file() and not re.search(r"/\.git/|__pycache__|\.dvc/tmp/b", str(path))
    }


def empty_rwlock(root: Path) -> None:
    (root / ".dvc/tmp/rwlock").write_bytes(b"")


def cut_rwlock(root: Path) -> None:
    (root / ".dvc/tmp/rwlock").write_bytes(b'{"write": {"/a')


def empty_dvc_lock(root: Path) -> None:
    (root / "dvc.lock").write_bytes(b"")


def zeroed_dvc_lock(root: Path) -> None:
    """As some file systems leave a file that was being written when the machine stopped."""
    (root / "dvc.lock").write_bytes(b"\0" * 4096)


def conflicting_dvc_lock(root: Path) -> None:
    path = root / "dvc.lock"
    path.write_text("<<<<<<< HEAD\n" + path.read_text() + "=======\n>>>>>>> other\n")


def dvc_lock_cut_in_a_key(root: Path) -> None:
    path = root / "dvc.lock"
    text = path.read_text()
    path.write_text(text[: text.index("    deps:") + 6])


FATAL = (empty_rwlock, cut_rwlock, empty_dvc_lock, zeroed_dvc_lock, conflicting_dvc_lock,
         dvc_lock_cut_in_a_key)  # fmt: skip
"""DVC refuses to start."""


@pytest.mark.parametrize("plant", FATAL, ids=lambda plant: plant.__name__)
def test_what_stops_dvc_is_explained_and_then_mended(
    project: Clone, plant: Callable[[Path], None]
) -> None:
    plant(project.path)
    assert project.run(*DVC, check=False).returncode != 0, "DVC mends this by itself"
    before = content(project.path)

    told = titer(project, "doctor")
    assert told.returncode == 1
    assert "to mend: " in told.stdout
    assert told.stderr.startswith("error: 1 to mend, nothing was changed")
    assert content(project.path) == before

    assert titer(project, "doctor", "--fix").returncode == 0
    assert project.run(*DVC).returncode == 0
    assert titer(project, "doctor").stdout == "nothing is wrong\n"


def test_a_damaged_dvc_lock_is_kept_beside(project: Clone) -> None:
    good = (project.path / "dvc.lock").read_bytes()
    (project.path / "dvc.lock").write_bytes(b"stages: [\n")
    (one,) = findings.damaged_lock(project.path)
    one.mend()
    (kept,) = (project.path / ".dvc/tmp").glob("dvc.lock.damaged-*")
    assert kept.read_bytes() == b"stages: [\n"
    assert (project.path / "dvc.lock").read_bytes() == good


@pytest.mark.parametrize("state", ["absent", "stale lock", "cut out", "cut metrics"])
def test_what_dvc_mends_by_itself_it_still_mends(
    project: Clone, collected: Path, state: str
) -> None:
    root = project.path
    out = root / "data/papers/heldout.jsonl"
    if state == "absent":
        (root / "dvc.lock").unlink()
    elif state == "stale lock":
        (root / ".dvc/tmp/lock").write_text("99999\n")
    else:
        out.chmod(0o644)
        out.write_bytes(out.read_bytes()[:10] if state == "cut out" else b"")
    project.run(*DVC)
    assert trees.differences(collected / "data/papers", root / "data/papers") == []
    assert titer(project, "doctor").returncode == 0


def test_half_written_files_are_removed_and_whole_ones_stay(project: Clone) -> None:
    ours = project.path / ".cache/pubmed/.answer.xml.ab12_xyz"
    theirs = project.path / ".dvc/cache/files/md5/00/.0123456789abcdefABCD_-.tmp"
    whole = project.path / ".cache/pubmed/answer.xml"
    for path in (ours, theirs, whole):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"<")
    found = {one.where for one in findings.half_written(project.path)}
    assert found == {path.relative_to(project.path).as_posix() for path in (ours, theirs)}
    assert titer(project, "doctor", "--fix").returncode == 0
    assert [path.exists() for path in (ours, theirs, whole)] == [False, False, True]


def test_only_checkpoints_of_other_settings_are_stale(project: Clone) -> None:
    code = "from titer import runner; print(runner.present_marks()['fetch_papers'])"
    mark = project.run(sys.executable, "-c", code).stdout.strip()
    for name in (mark, "0123456789abcdef"):
        folder = project.path / ".checkpoints" / STAGE / name
        (folder / "checkpoint-2").mkdir(parents=True)
        (folder / "checkpoint-2/state").write_bytes(b"x")
    told = titer(project, "doctor")
    assert told.returncode == 1
    assert f".checkpoints/{STAGE}/0123456789abcdef: " in told.stdout
    assert mark not in told.stdout
    assert titer(project, "doctor", "--fix").returncode == 0
    assert [path.name for path in (project.path / ".checkpoints" / STAGE).iterdir()] == [mark]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_stage_whose_dvc_is_gone_is_ended_and_one_that_has_its_dvc_is_not(
    project: Clone,
) -> None:
    alone = subprocess.Popen(
        [sys.executable, "-m", f"stages.{STAGE}"], cwd=project.path, stderr=subprocess.PIPE,
        env={**os.environ, "DVC_ROOT": str(project.path), "DVC_STAGE": STAGE,
             "PYTHONPATH": str(project.path)},
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not (found := list(findings.orphans(project.path))):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (one,) = found
    assert one.where == f"process {alone.pid}"
    one.mend()
    assert alone.wait(timeout=30) != 0
    assert alone.stderr is not None
    alone.stderr.close()

    kept = start(project, ["dvc", "repro", "-f", "-s", STAGE])
    while kept.poll() is None and not any(
        f"-m stages.{STAGE}" in one.words
        for one in processes.of_project(project.path, processes.everyone())
    ):
        time.sleep(0.01)
    assert list(findings.orphans(project.path)) == []
    assert findings.is_in_use(project.path)
    assert kept.wait() == 0


def test_every_flipped_bit_of_the_cache_is_found_and_named(project: Clone) -> None:
    cache = project.path / ".dvc/cache"
    everything = [path for path in objects.listed(cache) if path.stat().st_size]
    chosen = random.Random(2026).sample(everything, min(20, len(everything)))
    for number, path in enumerate(chosen):
        flip(path, number)
    found = objects.damaged(cache, project.path, project.read("dvc.lock")["stages"], list)
    print(f"flipped {len(chosen)}, found {len(found)}")
    assert {one.object for one in found} == set(chosen)
    assert all(one.owner is not None and one.owner.stage == STAGE for one in found)


def flip(path: Path, seed: int) -> None:
    content = bytearray(path.read_bytes())
    at = random.Random(seed).randrange(len(content) * 8)
    content[at // 8] ^= 1 << at % 8
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(0o444)


def test_a_stage_of_ones_own_is_in_no_ones_way(project: Clone) -> None:
    own = "\n  my_plots: {cmd: python plots.py, outs: [plots.svg]}"
    project.edit("dvc.yaml", lambda text: text.replace("\nstages:", f"\nstages:{own}"))
    (project.path / ".checkpoints/my_plots/0123456789abcdef").mkdir(parents=True)
    told = titer(project, "doctor")
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.skipif(
    not SHM.is_dir() or SHM.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev,
    reason="needs two file systems",
)
def test_a_damaged_object_on_another_disk_is_set_aside(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=SHM) as cache:
        victim = objects.path_of(Path(cache), "0" * 32)
        victim.parent.mkdir(parents=True)
        victim.write_bytes(b"damaged")
        victim.chmod(0o444)
        (one,) = objects.damaged(Path(cache), tmp_path, {}, list)
        objects.set_aside(one, tmp_path / "aside")
        assert objects.listed(Path(cache)) == []
    assert (tmp_path / "aside" / ("0" * 32)).read_bytes() == b"damaged"


@pytest.mark.parametrize("is_sound_outside", [True, False])
def test_a_flipped_object_is_set_aside_and_the_named_command_brings_it_back(
    project: Clone, collected: Path, is_sound_outside: bool
) -> None:
    cache, out = project.path / ".dvc/cache", project.path / "data/papers/heldout.jsonl"
    victim = objects.path_of(cache, objects.md5_file(out))
    flip(victim, 1)
    if not is_sound_outside:  # what DVC does with a damaged object: restore it in silence
        out.unlink()
        project.run("dvc", "checkout", "--force", "data/papers")
        assert out.read_bytes() != (collected / "data/papers/heldout.jsonl").read_bytes()

    told = titer(project, "doctor", "--fsck", "--fix")
    assert told.returncode == 1
    assert f"data/papers/heldout.jsonl, made by {STAGE}" in told.stdout
    (command,) = re.findall("to bring it back: (.+)", told.stdout)
    project.run(*command.split())
    assert trees.differences(collected / "data/papers", project.path / "data/papers") == []
    assert objects.is_sound(victim)
    assert titer(project, "doctor", "--fsck").returncode == 0


def test_a_changed_out_is_refused_before_it_leaves_the_project(project: Clone) -> None:
    from titer.errors import DataError

    stages, cache = project.read("dvc.lock")["stages"], project.path / ".dvc/cache"
    assert objects.check_outs(cache, project.path, stages, ["data/papers"], list) > 5
    flip(project.path / "data/papers/heldout.jsonl", 3)
    with pytest.raises(DataError, match=f"heldout.jsonl: damaged or changed since {STAGE}"):
        objects.check_outs(cache, project.path, stages, ["data/papers"], list)

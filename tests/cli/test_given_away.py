"""What leaves the project is what its stages made: exports and the report pack refuse all else.

DVC itself records small files as the outs of the stages; no stage runs.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Project
from titer.repair import objects

OUTS = {
    "download_model": ["models/base"],
    "benchmark_base": ["results/base/closed.jsonl"],
    "fetch_papers": ["data/papers"],
    "train_qlora": ["models/qlora"],
    "benchmark_qlora": ["results/qlora/run.json"],
    "score": ["results/stats.json", "reports/model_card_qlora.md"],
}
STAGE_OF = {out: stage for stage, outs in OUTS.items() for out in outs}
ADAPTER = ("merged", "gguf", "ollama", "huggingface")
TAKES = {
    **{f"export {verb} qlora": ["models/base", "models/qlora", "results/qlora/run.json"]
       for verb in ADAPTER},
    "export llama-factory": ["models/base", "data/papers"],
    "export axolotl": ["models/base", "data/papers"],
    "export lm-eval": ["models/base"],
    "export lm-eval --compare samples.jsonl": ["results/base/closed.jsonl"],
    "report pack": ["data/papers", "results/base/closed.jsonl", "results/stats.json"],
}  # fmt: skip
"""Command -> outs that it gives away, or that its words rest on."""
TAKES["export huggingface qlora"].append("reports/model_card_qlora.md")
SHORT = {
    ("export merged qlora", "models/qlora"),
    ("export merged qlora", "results/qlora/run.json"),
    ("export gguf qlora", "models/base"),
    ("export ollama qlora", "models/qlora"),
    ("export huggingface qlora", "reports/model_card_qlora.md"),
    ("export llama-factory", "data/papers"),
    ("export axolotl", "models/base"),
    ("export lm-eval", "models/base"),
    ("export lm-eval --compare samples.jsonl", "results/base/closed.jsonl"),
    ("report pack", "data/papers"),
    ("report pack", "results/stats.json"),
}
"""Each command and each out once; the others are marked slow, since each asks DVC."""
PAIRS = [
    pytest.param(command, out, marks=[] if (command, out) in SHORT else pytest.mark.slow)
    for command, outs in TAKES.items()
    for out in outs
]
FOLDERS = [one for one in PAIRS if not Path(str(one.values[1])).suffix]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A project whose outs DVC holds in its cache and in dvc.lock."""
    root = tmp_path_factory.mktemp("recorded")
    shutil.copytree(tiny_model, root / "models/base")
    for outs in OUTS.values():
        for out in outs:
            path = root / out if Path(out).suffix else root / out / "one.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("as it was made\n")
    stages = {name: {"cmd": "true", "outs": outs} for name, outs in OUTS.items()}
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    for command in ("git init -q", "dvc init -q", "dvc commit -q --force"):
        run(root, command)
    return root


def run(root: Path, command: str) -> None:
    program, *rest = command.split()
    found = Path(sys.executable).with_name(program) if program == "dvc" else program
    subprocess.run([found, *rest], cwd=root, check=True, capture_output=True)


@pytest.fixture
def held(project: Project, recorded: Path) -> Project:
    """The project to spoil, with the recorded outs in it."""
    shutil.copytree(recorded, project.root, symlinks=True, dirs_exist_ok=True)
    return project


@pytest.fixture
def titer(held: Project, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Callable[[str], str]:
    """A command's errors; it must fail, and leave nothing."""
    from titer import runner
    from titer.cli.main import main

    monkeypatch.setattr(runner, "ROOT", held.root)
    monkeypatch.chdir(held.root)
    (held.root / "samples.jsonl").write_text("")

    def refused(command: str) -> str:
        assert main(command.split()) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert not (held.root / "exports").exists()
        assert not (held.root / "runs").exists()
        return str(said.err)

    return refused


def file_of(held: Project, out: str) -> Path:
    path = held.root / out
    return path if path.is_file() else next(p for p in sorted(path.iterdir()) if p.is_file())


def list_of(held: Project, out: str) -> Path:
    lock = yaml.safe_load((held.root / "dvc.lock").read_text())
    (md5,) = (o["md5"] for o in lock["stages"][STAGE_OF[out]]["outs"] if o["path"] == out)
    return objects.path_of(held.root / ".dvc/cache", md5)


@pytest.mark.parametrize(("command", "out"), PAIRS)
def test_a_changed_out_is_not_given_away(
    titer: Callable[[str], str], held: Project, command: str, out: str
) -> None:
    path = file_of(held, out)
    path.write_bytes(path.read_bytes() + b" ")
    stage, name = STAGE_OF[out], path.relative_to(held.root)
    assert titer(command).startswith(f"error: {name}: damaged or changed since {stage} made {out}")


@pytest.mark.parametrize(("command", "out"), FOLDERS)
def test_a_folder_whose_list_is_gone_is_not_given_away(
    titer: Callable[[str], str], held: Project, command: str, out: str
) -> None:
    listed = list_of(held, out)
    listed.unlink()
    said = titer(command)
    stage = STAGE_OF[out]
    assert said.startswith(f"error: {out}: the list of its files is absent in DVC's cache")
    assert said.endswith(f"is as it was when {stage} made it. Run: dvc commit --force {stage}\n")


def test_the_command_that_is_named_brings_the_list_back(
    titer: Callable[[str], str], held: Project
) -> None:
    lock = (held.root / "dvc.lock").read_bytes()
    listed = list_of(held, "data/papers")
    content = listed.read_bytes()
    listed.unlink()
    run(held.root, titer("report pack").strip().partition("Run: ")[2])
    assert listed.read_bytes() == content
    assert (held.root / "dvc.lock").read_bytes() == lock


def test_a_folder_that_changed_and_lost_its_list_is_made_again(
    titer: Callable[[str], str], held: Project
) -> None:
    list_of(held, "data/papers").unlink()
    file_of(held, "data/papers").write_text("otherwise\n")
    assert titer("export llama-factory").endswith(
        "The folder is not what it was when fetch_papers made it. Run: dvc repro --force "
        "--single-item fetch_papers\n"
    )


def test_a_damaged_list_tells_nothing_either(titer: Callable[[str], str], held: Project) -> None:
    listed = list_of(held, "models/qlora")
    listed.chmod(0o644)
    listed.write_bytes(b"[]")
    said = titer("export merged qlora")
    assert "models/qlora: the list of its files is damaged in DVC's cache" in said
    assert said.endswith("Run: titer doctor --fsck --fix, then: dvc commit --force train_qlora\n")


@pytest.mark.parametrize("out", ["models/qlora", "results/qlora/run.json"])
def test_an_out_that_is_gone_is_named(titer: Callable[[str], str], held: Project, out: str) -> None:
    path = held.root / out
    path.unlink() if path.is_file() else shutil.rmtree(path)
    assert titer("export gguf qlora").startswith(f"error: {out}: absent since {STAGE_OF[out]}")


def test_a_file_that_was_added_is_named(titer: Callable[[str], str], held: Project) -> None:
    (held.root / "models/qlora/more.safetensors").write_text("weights of another\n")
    assert titer("export huggingface qlora").startswith(
        "error: models/qlora/more.safetensors: added since train_qlora made models/qlora"
    )


def test_an_out_of_a_stage_that_did_not_end_is_not_given_away(
    titer: Callable[[str], str], held: Project
) -> None:
    lock = yaml.safe_load((held.root / "dvc.lock").read_text())
    del lock["stages"]["train_qlora"]
    (held.root / "dvc.lock").write_text(yaml.safe_dump(lock))
    assert titer("export merged qlora") == (
        "error: models/qlora: not in dvc.lock, so no stage has ended that made it. Run: dvc repro\n"
    )


def test_with_a_damaged_lock_nothing_is_given_away(
    titer: Callable[[str], str], held: Project
) -> None:
    (held.root / "dvc.lock").write_bytes(b"\0\0\0\0")
    assert titer("export axolotl") == (
        "error: dvc.lock: empty, so nothing tells whether a file changed. Run: titer doctor\n"
    )

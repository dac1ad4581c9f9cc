"""A project with registered fine-tunes in a Git and DVC repository of its own: nothing trained."""

import functools
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from tests.evaluation import made_up as m
from titer import files
from titer.evaluation.arms import ArmInput
from titer.records import ClosedItem
from titer.registry import registering
from titer.registry.names import Name
from titer.registry.record import BASE_KEYS
from titer.registry.tags import Version

QLORA = Name("autoimmune", "qlora")
DVC_YAML = """
stages:
  made_up:
    cmd: 'true'
    outs: [models/qlora, results/model.json, results/base, results/qlora, results/stats.json,
      results/train_qlora/run.json]
artifacts:
  "${domain}-qlora": {path: models/qlora, type: model}
"""


def run(folder: Path, *command: str) -> str:
    """A command of this environment; DVC's settings of the test run are not handed on."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DVC_")}
    done = subprocess.run(command, cwd=folder, env=kept | {"PATH": path, "DVC_NO_ANALYTICS": "1"},
                          capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def identify(folder: Path) -> None:
    run(folder, "git", "config", "user.name", "Ada")
    run(folder, "git", "config", "user.email", "ada@example.org")


def new_project(folder: Path, remote: Path) -> Path:
    """An empty project with a DVC remote."""
    folder.mkdir()
    run(folder, "git", "init", "--quiet", "--initial-branch", "main")
    identify(folder)
    run(folder, "dvc", "init", "--quiet")
    run(folder, "dvc", "remote", "add", "--quiet", "--default", "store", str(remote))
    (folder / "dvc.yaml").write_text(DVC_YAML)
    choose(folder, "autoimmune")
    return folder


def choose(root: Path, domain: str) -> None:
    """Choose the domain of the project."""
    (root / "params.yaml").write_text(f"domain: {domain}\n")


def write_run(root: Path, *, weights: str, data: str, knows: m.Knows, base: str = "b") -> None:
    """What a run of the pipeline leaves behind: a model folder and its results.

    Args:
        weights: bytes of the adapter.
        data: of which the hash of the training rows is made.
        knows: what the fine-tune gets right.
        base: of which every hash of the base model is made.
    """
    for name, body in model(weights).items():
        files.write_bytes(root / "models" / "qlora" / name, body)
    adapter = files.sha256_text(files.sha256_text(weights))
    questions = [m.question(number) for number in range(1, 11)]
    said = [m.answer(one, "ANA" if weights == "two" else "no idea", ref_logprob=-90.0, ref_bytes=30)
            for one in questions]  # fmt: skip
    tuned = m.tuned(
        "qlora", knows, answers=said, general=0.9 if weights == "one" else 0.5,
        models=[{"adapter_sha256": adapter, "weights_sha256": base, "precision": "nf4"}],
    )  # fmt: skip
    started = m.base_input()
    stats = m.run_score(tuned, base=started, questions=questions)
    results = root / "results"
    files.write_json(results / "stats.json", files.rounded(stats))
    files.write_json(results / "model.json", dict.fromkeys(BASE_KEYS, base) | {"license": "mit"})
    _write_arm(results / "base", started)
    _write_arm(results / "qlora", tuned)
    trained = {"status": "ok", "examples_sha256": files.sha256_text(data)}
    files.write_json(results / "train_qlora" / "run.json", trained)
    losses = {"train_qlora": {"train_loss": 0.5, "validation_loss": 1.0}}
    files.write_json(results / "train_qlora" / "metrics.json", losses)


def _write_arm(folder: Path, arm: ArmInput) -> None:
    files.write_json(folder / "answers.json", [asdict(answer) for answer in arm.answers])
    files.write_jsonl(folder / "closed.jsonl", arm.closed)
    files.write_json(folder / "run.json", arm.run)


def commit(root: Path, message: str) -> None:
    """Hand the outputs to DVC and everything else to Git."""
    run(root, "dvc", "commit", "--force", "--quiet")
    run(root, "git", "add", "--all")
    run(root, "git", "commit", "--quiet", "--message", message)


def model(weights: str) -> dict[str, bytes]:
    """The files of a model's folder."""
    config = json.dumps({"r": 4, "of": weights})
    return {"adapter_config.json": config.encode(), "adapter_model.safetensors": weights.encode()}


def content(folder: Path) -> dict[str, bytes]:
    """Names and bytes of all files that lie in a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def register(root: Path, description: str = "made up") -> tuple[Version, str]:
    """Make the present commit a version."""
    return registering.register(root, QLORA, domain="autoimmune", description=description)


def forgets(item: ClosedItem) -> bool:
    """Knows less than the base."""
    return m.BASE(item) and m.knows_share(0.5, "kept")(item)


@functools.cache
def two_versions(folder: Path) -> Path:
    """v1.0.0 helped; v1.1.0, of new data, hurt; both pushed to a remote beside: once per run."""
    place = folder / "two-versions"
    place.mkdir()
    root = new_project(place / "project", place / "remote")
    write_run(root, weights="one", data="old rows", knows=m.gains)
    commit(root, "First run")
    register(root, "first run")
    write_run(root, weights="two", data="new rows", knows=forgets)
    commit(root, "More papers")
    register(root, "more papers")
    run(root, "dvc", "push", "--quiet", "--all-tags")
    return root

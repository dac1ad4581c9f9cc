"""What the pipeline costs where it does nothing: `dvc repro` without a change, and `--help`.

    python -m benchmarks.repro                       about two minutes on two free cores
    python -m benchmarks.repro --out FILE.json       also keep the table

Outputs are stand-ins of the right names and sizes, so that no stage has to run. The floor is eight
stages of one file each, measured in the same run. CPU seconds, medians of alternating runs.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks import gates
from benchmarks.gates import Gate

ROOT = Path(__file__).resolve().parents[1]
N_STAGES = 8
FEW, MANY = 100, 10_000
"""Papers between which a repro may grow by a fifth."""
PAPER = b'{"pmid": "12345678", "title": "A title of some length", "abstract": "%s"}\n' % (
    b"x" * 1500
)
HELP_S = {"stages.train_qlora": 2.0, "titer.cli.main": 0.5}


def used_s(command: Sequence[str], folder: Path) -> float:
    """CPU seconds of a command and of all that it starts.

    Raises:
        RuntimeError: it failed; with the last it said.
    """
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DVC_")},
        "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1", "PYTHONPATH": str(folder),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        said.seek(0)
        text = said.read()
    if status:
        raise RuntimeError(f"{' '.join(command)}: {text[-2000:]}")
    if list(command[:2]) == ["dvc", "repro"] and "Running stage" in text:
        raise RuntimeError(f"a stage ran: {text[-2000:]}")
    return used.ru_utime + used.ru_stime


def project(folder: Path, n_papers: int) -> Path:
    """The pipeline with stand-ins for what its stages make, as if they had run."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    stages = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for stage in stages.values():
        for kind in ("outs", "metrics", "plots"):
            for one in stage.get(kind, []):
                _stand_in(folder / (one if isinstance(one, str) else next(iter(one))), n_papers)
        for dependency in stage["deps"]:  # a part of a folder that another stage makes
            if not (folder / dependency).exists():
                _stand_in(folder / dependency, n_papers)
    shutil.rmtree(folder / ".dvc", ignore_errors=True)
    return _committed(folder)


def _stand_in(path: Path, n_papers: int) -> None:
    if not path.suffix:
        path = path / "content.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        path.write_bytes(PAPER * n_papers)
    else:
        path.write_text(str(path.name), encoding="utf-8")


def floor(folder: Path) -> Path:
    """Eight stages, each of which reads the file of the one before."""
    folder.mkdir(parents=True)
    stages: dict[str, Any] = {}
    for number in range(N_STAGES):
        (folder / f"{number}.txt").write_text(str(number), encoding="utf-8")
        stages[f"stage{number}"] = {"cmd": "true", "outs": [f"{number}.txt"]}
        if number:
            stages[f"stage{number}"]["deps"] = [f"{number - 1}.txt"]
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}), encoding="utf-8")
    return _committed(folder)


def _committed(folder: Path) -> Path:
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["dvc", "commit", "-q", "-f"]):
        used_s(command, folder)
    used_s(["dvc", "repro"], folder)
    return folder


def repros(folder: Path, n_rounds: int) -> Iterator[Gate]:
    """A repro without a change: over the floor, and with a hundred times as many papers."""
    places = {
        "floor": floor(folder / "floor"),
        "few": project(folder / "few", FEW),
        "many": project(folder / "many", MANY),
    }
    took: dict[str, list[float]] = {name: [] for name in places}
    for number in range(n_rounds):
        for name in list(places)[:: -1 if number % 2 else 1]:
            took[name].append(used_s(["dvc", "repro"], places[name]))
    median = {name: statistics.median(values) for name, values in took.items()}
    over = median["few"] / median["floor"]
    figure = f"{over:.2f} ({median['few']:.2f} and {median['floor']:.2f} CPU s)"
    yield Gate("R1", "no-op dvc repro over eight bare stages", figure, "<= 1.3", over <= 1.3)
    grown = median["many"] / median["few"]
    figure = f"{grown:.2f} ({median['many']:.2f} and {median['few']:.2f} CPU s)"
    yield Gate("R2", f"the same, {MANY:,} over {FEW} papers", figure, "<= 1.2", grown <= 1.2)


def helps(n_rounds: int) -> Iterator[Gate]:
    """Help of a stage and of the command, in CPU seconds and by the clock."""
    for module, most in HELP_S.items():
        command = [sys.executable, "-m", module, "--help"]
        clock, cpu = [], []
        for _ in range(n_rounds):
            began = time.monotonic()
            cpu.append(used_s(command, ROOT))
            clock.append(time.monotonic() - began)
        used = statistics.median(cpu)
        figure = f"{used:.2f} CPU s, {statistics.median(clock):.2f} s by the clock"
        yield Gate("R3", f"python -m {module} --help", figure, f"<= {most} CPU s", used <= most)


def measure(folder: Path, n_rounds: int) -> Iterator[Gate]:
    """All gates."""
    yield from helps(n_rounds)
    yield from repros(folder, n_rounds)


if __name__ == "__main__":
    gates.main(__doc__.splitlines()[0], measure, rounds=5)

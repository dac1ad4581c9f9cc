"""Runs of a small stage outside and inside DVC: what they leave when something goes wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages.train_qlora import train_qlora
from tests.imports import ROOT
from titer import runner, signals
from titer.errors import ConfigError

HEAD = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever pytest itself was begun with
from pathlib import Path
from titer import errors, runner
from titer.runner import stage
runner.ROOT = Path(__file__).parent

@stage(uses=("qlora", "plan"), reads={}, writes={"result": "results/result.txt"},
       least_memory_bytes=0, least_address_bytes=0)
def train_qlora(cfg, at):
"""
TAIL = """
    files_of(at)
    return float(cfg.qlora.lora_r)

def files_of(at):
    at.checkpoints.mkdir(parents=True, exist_ok=True)
    at.writes.result.write_text("x")

train_qlora.main()
"""


WORDS: list[Any] = [
    (["qlora.lerning_rate=1"], "the command: sets the unknown key 'qlora.lerning_rate' "
     "(did you mean learning_rate?)"),
    (["--multirun", "qlora.lora_r=8,acht"], "the command: qlora.lora_r=acht: Value 'acht' of type "
     "'str' could not be converted to Integer"),
    (["model=nix"], "the command: model=nix: choose one of "),
    (["qlora.lora_r=8,,"], "the command: qlora.lora_r=8,,: not as Hydra writes an override: "),
    (["--multirun", "sweep=qlora_lx"], "sweep=qlora_lx: no file conf/sweep/qlora_lx.yaml; choose "
     "one of full_lr, qlora_grid, qlora_lr, seeds (did you mean qlora_lr?)"),
    (["sweep=qlora_lr"], "sweep=qlora_lr: a search needs --multirun before it"),
    (["--multirun", "sweep=full_lr"], "full.learning_rate: train_qlora does not read it, so that "),
    (["-m", "full.learning_rate=1e-4,1e-3"], "full.learning_rate: train_qlora does not read it"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), WORDS, ids=lambda value: str(value)[:40])
def test_a_mistake_on_the_command_line_is_one_line(words: list[str], message: str) -> None:
    """Hydra tells the first three in 5 to 20 lines, and runs the other ones."""
    with pytest.raises(ConfigError) as refused:
        runner.check_words(words, train_qlora.declared)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "words",
    [
        ["--multirun", "sweep=qlora_lr", "hydra.sweeper.n_trials=4", "hydra/launcher=joblib"],
        ["-m", "qlora.target_modules=q_proj,v_proj", "seed=range(1,4)", "model=pocket,local"],
        ["--multirun", "qlora.learning_rate=tag(log,interval(1e-4,1e-2))", "full.epochs=1"],
        ["qlora.learning_rate=1e-3", "+qlora.new=1", "hydra.run.dir='a, b'", "eval.questions=null"],
    ],
    ids=lambda words: words[-1],
)
def test_what_hydra_takes_passes(words: list[str]) -> None:
    runner.check_words(words, train_qlora.declared)
    with pytest.raises(ConfigError, match=r"sets the unknown key 'qlora.wrong'"):
        runner.check_words([*words, "qlora.wrong=1"], train_qlora.declared)


def test_a_misspelt_search_trains_nothing(tmp_path: Path) -> None:
    code, said = Project(tmp_path).run("pass", "--multirun", "sweep=nix")
    assert code == 2 and said.startswith("error: sweep=nix: no file conf/sweep/nix.yaml")
    assert not (tmp_path / "runs").exists()


class Project:
    """A folder with the real settings and a stage whose body a test gives."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copy(ROOT / "params.yaml", root)
        shutil.copytree(ROOT / "conf", root / "conf")
        (root / "dvc.yaml").write_text("stages:\n  train_qlora:\n    cmd: python job.py\n")

    def begin(self, body: str, *words: str, **environment: str) -> "subprocess.Popen[str]":
        (self.root / "job.py").write_text(f"{HEAD}    {body}\n{TAIL}")
        kept = {key: value for key, value in os.environ.items() if not key.startswith("DVC_")}
        return subprocess.Popen(
            [sys.executable, "job.py", *words], cwd=self.root, text=True, stderr=subprocess.PIPE,
            stdout=subprocess.PIPE, env={**kept, "PYTHONPATH": str(ROOT), **environment},
        )  # fmt: skip

    def run(self, body: str, *words: str, **environment: str) -> tuple[int, str]:
        """Exit code and last line of the errors."""
        process = self.begin(body, *words, **environment)
        _, said = process.communicate(timeout=100)
        assert "Traceback" not in said, said
        return process.returncode, said.strip().splitlines()[-1] if said.strip() else ""

    def left(self, folder: str, name: str) -> dict[str, Any]:
        """What each job of a sweep left under a name, by number."""
        found = (self.root / folder).glob(f"*/{name}")
        return {path.parent.name: json.loads(path.read_text()) for path in sorted(found)}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_failed_gate_leaves_the_report_and_any_other_error_nothing(project: Project) -> None:
    result = project.root / "results/result.txt"
    for error, is_left in (("GateFailed", True), ("DataError", False)):
        body = f'files_of(at); raise errors.{error}("2 gates failed")'
        done = project.run(body, DVC_STAGE="train_qlora", DVC_ROOT=str(project.root))
        assert done == (1, "error: 2 gates failed")
        assert result.is_file() is is_left


def test_two_commands_given_one_folder_do_not_share_it(project: Project) -> None:
    there = "hydra.run.dir=runs/one"
    first = project.begin("print('begun', flush=True); time.sleep(4)", "plan.alpha=0.01", there)
    assert first.stdout is not None
    assert first.stdout.readline() == "begun\n"
    code, said = project.run("pass", "plan.alpha=0.1", there)
    assert code == 2
    assert said == ("error: another run writes into runs/one; start again in another folder")
    first.communicate(timeout=60)
    assert first.returncode == 0
    row = json.loads((project.root / "runs/one/result.json").read_text())
    assert row["overrides"] == ["plan.alpha=0.01"]
    assert project.run("pass", "plan.alpha=0.01", there)[0] == 0  # no lock is left


def test_two_commands_of_one_second_get_folders_of_their_own() -> None:
    both = [runner.primary({}, {}, "score")["hydra"] for _ in range(2)]
    for place in ("run", "sweep"):
        assert both[0][place]["dir"] != both[1][place]["dir"]


def test_a_folder_outside_the_project_is_taken(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("scratch")
    sweep = ("--multirun", f"hydra.sweep.dir={outside}", "qlora.lora_r=8,16")
    for _ in range(2):  # the second time they were finished before
        assert project.run("pass", f"hydra.run.dir={outside}/run")[0] == 0
        assert project.run("pass", *sweep)[0] == 0
    assert [(outside / job / "result.json").is_file() for job in ("run", "0", "1")] == [True] * 3
    code, said = project.run("pass", f"hydra.run.dir={outside}/run", "plan.alpha=0.01")
    assert code == 2
    assert said == (
        f"error: {outside}/run/results/result.txt: a run with other settings or inputs wrote here; "
        "start again"
    )


KILL = """files_of(at)
    if not Path("killed").exists():
        def kill(event, arguments):  # at the first file that is removed once the work is done
            if event in ("os.remove", "shutil.rmtree") and ".checkpoints" in str(arguments[0]):
                Path("killed").touch()
                os.kill(os.getpid(), 9)
        sys.addaudithook(kill)"""


def test_a_run_killed_while_it_cleans_up_has_its_result(project: Project) -> None:
    assert project.run(KILL, "hydra.run.dir=runs/one")[0] == -9
    assert (project.root / "runs/one/result.json").is_file()
    assert project.run(KILL, "hydra.run.dir=runs/one")[0] == 0
    left = {path.name for path in (project.root / "runs/one/.checkpoints/train_qlora").iterdir()}
    assert left == set()


def failing(error: str, rank: int = 16) -> str:
    """A stage that fails so for one rank, and tells whether the error's frame lives."""
    return f"""import weakref
    class Model: pass
    class OutOfMemoryError(RuntimeError): pass
    if at.writes.result.parents[1].name != "0":
        at.writes.result.with_name("freed").write_text(str(runner.held() is None))
    model = Model(); model.itself = model
    runner.held = weakref.ref(model)
    if cfg.qlora.lora_r == {rank}: raise {error}"""


def test_a_trial_without_memory_is_counted_and_the_others_go_on(project: Project) -> None:
    body = failing("OutOfMemoryError('CUDA out of memory')")
    process = project.begin(body, "--multirun", "hydra.sweep.dir=runs/s", "qlora.lora_r=8,16,32")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert list(project.left("runs/s", "result.json")) == ["0", "2"]
    (error,) = project.left("runs/s", "error.json").values()
    assert error["error"] == f"train_qlora: {runner.OUT_OF_MEMORY}"
    assert error["overrides"] == ["qlora.lora_r=16"]
    assert (project.root / "runs/s/2/results/freed").read_text() == "True"


def test_a_full_disk_ends_a_sweep_with_its_record(project: Project) -> None:
    body = failing("OSError(28, 'No space left on device')")
    code, said = project.run(body, "--multirun", "hydra.sweep.dir=runs/s", "qlora.lora_r=8,16,32")
    assert code == 4
    assert said.startswith("error: train_qlora: the disk filled. Free some space")
    assert list(project.left("runs/s", "result.json")) == ["0"]
    assert list(project.left("runs/s", "error.json")) == ["1"]


def test_a_study_counts_a_trial_without_memory(project: Project) -> None:
    body = failing("OutOfMemoryError('CUDA out of memory')", rank=32)
    words = ("sweep=qlora_lr", "hydra.sweeper.n_trials=3", "hydra.sweeper.max_failure_rate=1.0")
    process = project.begin(body, "--multirun", "hydra.sweep.dir=runs/s", *words)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    failed = project.left("runs/s", "error.json")
    assert "qlora.lora_r=32" in str(failed)
    assert {*failed, *project.left("runs/s", "result.json")} == {"0", "1", "2"}


def test_ctrl_c_ends_a_sweep_at_the_job_that_runs(project: Project) -> None:
    body = "print('begun', flush=True); time.sleep(60)"
    process = project.begin(body, "--multirun", "hydra.sweep.dir=runs/s", "qlora.lora_r=8,16")
    assert process.stdout is not None
    while process.stdout.readline() != "begun\n":
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, f"{signals.TOLD}\n")
    assert not (project.root / "runs/s/1").exists()


def test_a_training_that_was_told_to_stop_ends_its_sweep(project: Project) -> None:
    body = failing("errors.Stopped('saved')")
    code, said = project.run(body, "--multirun", "hydra.sweep.dir=runs/s", "qlora.lora_r=8,16,32")
    assert (code, said) == (143, "error: saved")
    assert list(project.left("runs/s", "result.json")) == ["0"]
    assert not project.left("runs/s", "error.json")  # it goes on where it was
    assert not (project.root / "runs/s/2").exists()


def test_a_file_chosen_on_the_command_line_is_looked_at_too(project: Project) -> None:
    path = project.root / "conf/domain/biology.yaml"
    path.write_text(path.read_text().replace("lexicon: [cell", "lexicon: [NO"))
    assert project.run("pass", "domain=biology") == (
        2,
        "error: conf/domain/biology.yaml: domain.lexicon: False is no text; write it in quotes",
    )

"""A training that is cut anywhere ends where an undisturbed one would, to the byte."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests import trees
from tests.training.test_sft import FULL, QLORA, data
from titer.config import Keep, SftSettings
from titer.errors import LoadError, Stopped, TooLittleDisk
from titer.training import checkpoints, handover, sft
from titer.training.checkpoints import last_checkpoint

assert QLORA.lora is not None
LORA = replace(QLORA, lora=replace(QLORA.lora, dropout=0.1))
MODES = {
    "qlora-packed": LORA,
    "qlora-padded": replace(LORA, packing=False),
    "full-packed": FULL,
    "full-padded": replace(FULL, packing=False),
    "neftune": replace(LORA, neftune_alpha=5.0),
    "best": replace(FULL, keep=Keep.best, learning_rate=3e-2),
    "patience": replace(FULL, patience=1, learning_rate=0.1, epochs=6, evals=12),
    "between-epochs": replace(FULL, batch_size=3, epochs=2.6, evals=8),
}
EACH = pytest.mark.parametrize("settings", MODES.values(), ids=MODES)
CHILD = """
import sys
from pathlib import Path
from titer.training import handover, sft

folder = Path(sys.argv[1])
job = handover.read_job(folder)
handover.write_run(folder, sft.train(
    job.settings, base=job.base, data=job.data, out=job.out, checkpoints=job.checkpoints,
    logs=job.logs))
"""
SERVER = """
import os, sys
import bitsandbytes, datasets, peft, torch, transformers, trl
from titer.training import handover, sft, trainer

torch.set_num_threads(1)
print("ready", flush=True)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        sys.argv = ["child", line.strip()]
        sys.stdout = sys.stderr
        try:
            exec(CHILD)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    print(pid, flush=True)
    print(os.waitpid(pid, 0)[1], flush=True)
"""


class Trainings:
    """Trainings in processes of their own that can be killed; the imports are made once."""

    def __init__(self) -> None:
        root = Path(__file__).parents[2]
        self.server = subprocess.Popen(
            [sys.executable, "-c", f"CHILD = {CHILD!r}\n{SERVER}"], cwd=root, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self.server.stdout is not None
        return self.server.stdout.readline().strip()

    def start(self, folder: Path) -> int:
        """The process id of a training of the job in a folder."""
        assert self.server.stdin is not None
        self.server.stdin.write(f"{folder}\n")
        self.server.stdin.flush()
        return int(self._line())

    def end(self) -> int:
        """Its wait status."""
        return int(self._line())

    def finish(self, folder: Path) -> sft.Run:
        self.start(folder)
        assert self.end() == 0
        return handover.read_run(folder)


def job_in(folder: Path, base: Path, settings: SftSettings) -> Path:
    folder.mkdir()
    job = handover.Job(settings, base, data(), folder / "out", folder / "ck", folder / "logs")
    handover.write_job(folder, job)
    return folder


@pytest.fixture(scope="module")
def trainings() -> Iterator[Trainings]:
    made = Trainings()
    yield made
    made.server.kill()
    made.server.communicate()


def here(tmp_path: Path, base: Path, settings: SftSettings, name: str) -> sft.Run:
    return sft.train(
        settings, base=base, data=data(), out=tmp_path / name, checkpoints=tmp_path / f"{name}.ck",
        logs=tmp_path / "logs",
    )  # fmt: skip


def same(run: sft.Run, other: sft.Run) -> bool:
    """Apart from seconds and memory."""
    return replace(run, timing={}) == replace(other, timing={})


@pytest.mark.slow
@EACH
def test_kills_at_random_moments_change_nothing(
    trainings: Trainings, tiny_model: Path, tmp_path: Path, settings: SftSettings
) -> None:
    """Four kills by turns of kill -9 and SIGTERM, each soon after another checkpoint."""
    if settings.epochs == FULL.epochs:
        settings = replace(settings, epochs=6, evals=12)
    whole = job_in(tmp_path / "whole", tiny_model, settings)
    expected = trainings.finish(whole)
    cut = job_in(tmp_path / "cut", tiny_model, settings)
    moments = random.Random(7)
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        hit = kill_after_a_checkpoint(trainings, cut, number, moments.uniform(0.0, 0.2))
        saved = last_checkpoint(cut / "ck")
        assert saved is not None
        print(number.name, "hit" if hit else "came too late", "leaves", saved.name)
    assert same(trainings.finish(cut), expected)
    assert trees.differences(tmp_path / "whole/out", tmp_path / "cut/out") == []


def kill_after_a_checkpoint(
    trainings: Trainings, folder: Path, number: signal.Signals, wait_s: float
) -> bool:
    """Go on with a training and send a signal; false where it ended before."""
    before = last_checkpoint(folder / "ck")
    pid = trainings.start(folder)
    try:
        while last_checkpoint(folder / "ck") == before:
            os.kill(pid, 0)  # raises once it has ended
            time.sleep(0.002)
        time.sleep(wait_s)
        os.kill(pid, number)
        hit = True
    except ProcessLookupError:
        hit = False
    trainings.end()
    return hit


def stop_at(
    step: int, monkeypatch: pytest.MonkeyPatch, number: signal.Signals = signal.SIGTERM
) -> None:
    """A signal, and another one soon after, within a step of the training that comes next."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    note = sft.StageProgress.on_step_begin

    def told(self: sft.StageProgress, args: object, state: object, *rest: object, **more: object):  # type: ignore[no-untyped-def]
        if state.global_step == step - 1:  # type: ignore[attr-defined]
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
        return note(self, args, state, *rest, **more)

    monkeypatch.setattr(sft.StageProgress, "on_step_begin", told)


@pytest.mark.parametrize(
    ("mode", "number"),
    [("neftune", signal.SIGTERM), ("best", signal.SIGINT)],
    ids=["SIGTERM-neftune", "SIGINT-best"],
)
def test_a_signal_saves_a_step_and_the_same_command_goes_on(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    number: signal.Signals,
) -> None:
    settings = MODES[mode]
    whole = here(tmp_path, tiny_model, settings, "whole")
    with monkeypatch.context() as patched:
        stop_at(5, patched, number)
        with pytest.raises(Stopped, match=r"told to stop and saved step 5\. Run the same command"):
            here(tmp_path, tiny_model, settings, "cut")
    assert same(here(tmp_path, tiny_model, settings, "cut"), whole)
    assert trees.differences(tmp_path / "whole", tmp_path / "cut") == []


@pytest.mark.parametrize("mode", ["patience", "between-epochs"])
def test_a_run_that_was_killed_after_its_last_step_trains_no_further(
    tiny_model: Path, tmp_path: Path, mode: str
) -> None:
    """Stopped early, or ended within an epoch: transformers would take one more step."""
    settings = MODES[mode]
    whole = here(tmp_path, tiny_model, settings, "run")
    before = tmp_path / "before"
    (tmp_path / "run").rename(before)
    if mode == "patience":
        assert whole.metrics["n_steps"] < 24
    assert same(here(tmp_path, tiny_model, settings, "run"), whole)
    assert trees.differences(before, tmp_path / "run") == []


def test_patience_counts_on_after_a_resume(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(MODES["patience"], patience=2)
    whole = here(tmp_path, tiny_model, settings, "whole")
    last = int(whole.metrics["n_steps"])
    assert last < 24
    with monkeypatch.context() as patched:
        stop_at(last - 1, patched)  # one bad evaluation lies behind it, one ahead
        with pytest.raises(Stopped):
            here(tmp_path, tiny_model, settings, "cut")
    assert same(here(tmp_path, tiny_model, settings, "cut"), whole)


def test_a_disk_that_fills_during_a_checkpoint_is_one_line_and_loses_nothing(
    tiny_model: Path, tmp_path: Path
) -> None:
    whole = here(tmp_path, tiny_model, FULL, "whole")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
        with pytest.raises(TooLittleDisk, match=r"the disk filled\. Free"):
            here(tmp_path, tiny_model, FULL, "cut")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert last_checkpoint(tmp_path / "cut.ck") is None
    assert same(here(tmp_path, tiny_model, FULL, "cut"), whole)
    assert trees.differences(tmp_path / "whole", tmp_path / "cut") == []


def test_a_checkpoint_cut_while_its_last_file_was_written_is_not_read(tmp_path: Path) -> None:
    for step, text in ((5, json.dumps({"global_step": 5})), (10, '{"global_st'), (15, "")):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text(text)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-5"


@pytest.mark.parametrize("content", [b"", b"\xff" * 9], ids=["empty", "cut"])
def test_weights_of_a_checkpoint_that_are_damaged_are_one_line(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "adapter_model.safetensors"
    path.write_bytes(content)
    with pytest.raises(LoadError, match="a file in it is damaged"), checkpoints.resuming(tmp_path):
        load_file(path)


def test_what_processes_hand_over_comes_back_equal(tmp_path: Path) -> None:
    job = handover.Job(
        LORA, tmp_path / "base", data(), tmp_path / "out", tmp_path / "ck", tmp_path / "logs"
    )
    handover.write_job(tmp_path, job)
    assert handover.read_job(tmp_path) == job
    assert type(handover.read_job(tmp_path).settings.device) is type(LORA.device)


def test_of_several_failures_that_of_the_lowest_rank_is_told(tmp_path: Path) -> None:
    assert handover.read_failure(tmp_path) is None
    handover.write_failure(tmp_path, 10, LoadError("rank 10"))
    handover.write_failure(tmp_path, 2, TooLittleDisk("x: full"))
    error = handover.read_failure(tmp_path)
    assert (type(error), str(error)) == (TooLittleDisk, "x: full")

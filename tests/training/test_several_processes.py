"""Two processes (gloo, CPU) train as one does; when one dies all end, in one line."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch.distributed.elastic.multiprocessing.api import SignalException

from tests import trees
from tests.training.test_sft import FULL, QLORA, data, train
from titer import signals
from titer.config import Device, SftSettings
from titer.errors import ConfigError, DataError, LoadError, ModelError, Stopped
from titer.training import launch, sft, spread

KINDS = pytest.mark.parametrize(
    "settings",
    [pytest.param(FULL, id="full"), pytest.param(QLORA, id="qlora", marks=pytest.mark.slow)],
)


def two(
    tmp_path: Path, base: Path, settings: SftSettings, name: str = "two", n_rows: int = 16
) -> sft.Run:
    return launch.train(
        replace(settings, processes=2), base=base, data=data(n_rows), out=tmp_path / name,
        checkpoints=tmp_path / f"{name}.ck", logs=tmp_path / "logs",
    )  # fmt: skip


def one(tmp_path: Path, base: Path, settings: SftSettings, n_rows: int = 16) -> sft.Run:
    return launch.train(
        settings, base=base, data=data(n_rows), out=tmp_path / "one",
        checkpoints=tmp_path / "one.ck", logs=tmp_path / "logs",
    )  # fmt: skip


def children() -> set[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    lines = [line.split(None, 1) for line in listed.splitlines()]
    return {int(pid) for pid, words in lines if "titer.training.rank" in words}


def during_training(
    checkpoints: Path, act: Callable[[set[int]], None], *, step: int = 1
) -> threading.Thread:
    """Do something once the first checkpoint of this step or a later one is there."""

    def wait() -> None:
        for _ in range(3000):
            found = checkpoints.glob("checkpoint-*/trainer_state.json")
            if any(int(path.parent.name.rpartition("-")[2]) >= step for path in found):
                return act(children())
            time.sleep(0.02)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@KINDS
def test_two_processes_give_the_loss_and_the_weights_of_one(
    tiny_model: Path, tmp_path: Path, settings: SftSettings
) -> None:
    """18 rows in steps of 4: the last step of an epoch is not full."""
    from safetensors.torch import load_file

    if settings.lora is not None:  # each process drops out other numbers
        settings = replace(settings, lora=replace(settings.lora, dropout=0.0))
    alone = one(tmp_path, tiny_model, settings, 18)
    shared = two(tmp_path, tiny_model, settings, n_rows=18)
    assert [row["step"] for row in alone.losses] == [row["step"] for row in shared.losses]
    for single, double in zip(alone.losses, shared.losses, strict=True):
        assert double["train_loss"] == pytest.approx(single["train_loss"], abs=1e-5)
        assert double["validation_loss"] == pytest.approx(single["validation_loss"], abs=1e-5)
    (weights,) = (path.name for path in (tmp_path / "one").glob("*.safetensors"))
    first, second = (load_file(tmp_path / name / weights) for name in ("one", "two"))
    assert max(float((first[key] - second[key]).abs().max()) for key in first) < 1e-4
    same = {"n_steps", "n_train", "n_validation", "trainable_params", "all_params"}
    assert {k: alone.metrics[k] for k in same} == {k: shared.metrics[k] for k in same}


@pytest.mark.slow
def test_a_run_killed_in_a_later_epoch_goes_on_in_that_epochs_order(
    tiny_model: Path, tmp_path: Path
) -> None:
    settings = replace(FULL, epochs=4, evals=8)  # 4 steps an epoch
    alone = one(tmp_path, tiny_model, settings)

    def kill(pids: set[int]) -> None:
        os.kill(min(pids), signal.SIGKILL)

    thread = during_training(tmp_path / "cut.ck", kill, step=6)
    with pytest.raises(ModelError, match=r"^a training process died \(signal 9\)"):
        two(tmp_path, tiny_model, settings, "cut")
    thread.join()
    resumed = two(tmp_path, tiny_model, settings, "cut")
    assert [row["step"] for row in resumed.losses] == [row["step"] for row in alone.losses]
    for single, double in zip(alone.losses, resumed.losses, strict=True):
        assert double["train_loss"] == pytest.approx(single["train_loss"], abs=1e-5)
        assert double["validation_loss"] == pytest.approx(single["validation_loss"], abs=1e-5)


@pytest.mark.slow
def test_a_killed_process_ends_the_others_and_the_next_run_goes_on(
    tiny_model: Path, tmp_path: Path
) -> None:
    whole = two(tmp_path, tiny_model, QLORA, "whole")
    killed: list[int] = []

    def kill(pids: set[int]) -> None:
        killed.append(min(pids))
        os.kill(min(pids), signal.SIGKILL)

    thread = during_training(tmp_path / "cut.ck", kill)
    with pytest.raises(ModelError, match=r"^a training process died \(signal 9\)"):
        two(tmp_path, tiny_model, QLORA, "cut")
    thread.join()
    assert killed
    assert children() == set()
    assert not (tmp_path / "cut.ck.job").exists()
    resumed = two(tmp_path, tiny_model, QLORA, "cut")
    assert resumed.losses == whole.losses
    assert trees.differences(tmp_path / "whole", tmp_path / "cut") == []


@pytest.mark.slow
@pytest.mark.parametrize("number", signals.STOPPING, ids=lambda number: number.name)
def test_a_signal_saves_a_step_that_no_evaluation_asked_for(
    tiny_model: Path, tmp_path: Path, number: signal.Signals
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def stop(pids: set[int]) -> None:
        for _ in range(3):
            os.kill(os.getpid(), number)
            time.sleep(0.05)

    whole = two(tmp_path, tiny_model, FULL, "whole")
    thread = during_training(tmp_path / "cut.ck", stop)
    with pytest.raises(Stopped, match="Run the same command"):
        two(tmp_path, tiny_model, FULL, "cut")
    thread.join()
    assert two(tmp_path, tiny_model, FULL, "cut").losses == whole.losses


def test_a_second_signal_does_not_end_the_agent_while_its_processes_save() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with signals.handled_by(launch._stop_ranks):
        with pytest.raises(SignalException) as told:
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    assert told.value.sigval == signal.SIGTERM
    assert signal.signal(signal.SIGINT, before) == signal.default_int_handler


def test_ctrl_c_is_handed_on_to_srun() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    thread.start()
    with pytest.raises(Stopped, match="Run the same command"):
        launch._wait(["sleep", "60"])
    thread.join()
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_what_a_process_refuses_is_the_error_of_the_run(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train examples: 0 of 16 rows fit"):
        two(tmp_path, tiny_model, replace(FULL, max_length=4))


def test_a_step_that_processes_cannot_share_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"batch_size = 4: must be a multiple of hardware\.proc"):
        replace(FULL, processes=3)


def test_several_machines_outside_slurm_are_one_line(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(ConfigError, match=r"hardware\.machines = 2: start it inside a SLURM"):
        two(tmp_path, tiny_model, replace(FULL, machines=2))


def test_fewer_processes_than_asked_for_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="training runs in 1 processes, and hardware"):
        train(tmp_path, tiny_model, replace(FULL, processes=2))


def test_a_full_fine_tune_on_gpus_is_sharded_and_checkpoints_inside_fsdp() -> None:
    settings = replace(FULL, processes=2, device=Device.cuda, checkpointing=True)
    given = spread.arguments(settings)
    assert given["fsdp_config"]["version"] == 2
    assert given["fsdp_config"]["activation_checkpointing"]
    assert not given["activation_checkpointing"]
    adapter = replace(settings, lora=QLORA.lora)
    assert "fsdp" not in spread.arguments(adapter)


SHARDED = """
import os, sys, torch
from torch.distributed.fsdp import fully_shard
from titer.config import Device, Dtype
from titer.modeling import loading
from titer.training import spread
from pathlib import Path

torch.distributed.init_process_group("gloo")
model = loading.load_model(Path(sys.argv[1]), dtype=Dtype.float32, device=Device.cpu)
ids = torch.arange(3, 43).reshape(2, 20)
expected = model(input_ids=ids, labels=ids).loss
assert spread.n_sharded(model) == 0
mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (2,))
for layer in model.model.layers:
    fully_shard(layer, mesh=mesh, reshard_after_forward=True)
fully_shard(model, mesh=mesh, reshard_after_forward=True)
loss = model(input_ids=ids, labels=ids).loss
loss.backward()
assert torch.allclose(loss, expected, atol=1e-6), (loss, expected)
assert spread.n_sharded(model) == len(list(model.parameters()))
assert all(p.grad is not None for p in model.parameters())
held = sum(p.to_local().numel() for p in model.parameters())
total = sum(p.numel() for p in model.parameters())
assert held < 0.6 * total, (held, total)
print("sharded", held, "of", total)
"""


@pytest.mark.slow
def test_fully_shard_spreads_every_weight_and_keeps_the_loss(
    tiny_model: Path, tmp_path: Path
) -> None:
    """FSDP2 itself on two CPU processes; through the Trainer a CPU gives plain DDP in silence."""
    script = tmp_path / "sharded.py"
    script.write_text(SHARDED)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(script), str(tiny_model)], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("sharded") == 2


@pytest.mark.gpu
@KINDS
def test_two_gpus_give_the_loss_of_one(
    tiny_model: Path, tmp_path: Path, settings: SftSettings
) -> None:
    """FSDP2 for full, DDP for QLoRA."""
    on_gpu: Any = replace(settings, device=Device.cuda)
    alone = one(tmp_path, tiny_model, on_gpu)
    shared = two(tmp_path, tiny_model, on_gpu)
    assert shared.validation_loss == pytest.approx(alone.validation_loss, rel=1e-2)

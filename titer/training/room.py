"""Memory and disk that a fine-tune needs against what is there.

Invariant: needed sizes come from titer/training/memory.py; what is there is asked of the system.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from titer import main_memory
from titer.config import Device, Keep, SftSettings
from titer.errors import LoadError
from titer.training import memory
from titer.training.checks import Check

MARGIN = {Device.cuda: 1.15, Device.cpu: 2.0}
"""What must be there, over the bytes in use. The forecast of those is tested within 15 %. On a CPU
glibc keeps freed memory in pieces besides: a process took 1.2 (full) to 1.9 times (QLoRA) that."""


@dataclass(frozen=True)
class There:
    """What the machine has, in bytes."""

    memory: float
    disk: float
    n_gpus: int
    """Visible to this process."""


def look(device: Device, out: Path) -> There:
    """Ask the system: free GPU memory, or available main memory; free disk where `out` will be."""
    place = next(path for path in (out, *out.parents) if path.exists())
    disk = float(shutil.disk_usage(place).free)
    if device == Device.cuda:
        import torch

        n_gpus = torch.cuda.device_count()
        return There(float(torch.cuda.mem_get_info(0)[0]) if n_gpus else 0.0, disk, n_gpus)
    return There(main_memory.available_bytes(), disk, 0)


def disk_bytes(shape: memory.Shape, settings: SftSettings) -> float:
    """Disk for what is saved and for the checkpoints that are there at the same time.

    A new checkpoint is whole before the one before it goes; the best one stays besides.
    """
    trained = (
        memory.n_adapter(shape, settings.lora) if settings.lora else memory.n_parameters(shape)
    )
    size = 4 if settings.lora else memory.SIZE_BYTES[settings.weights]
    states = memory.OPTIMIZER_BYTES.get(settings.optimizer, 8)
    n_checkpoints = 3 if settings.keep == Keep.best else 2
    return trained * (size + n_checkpoints * (size + states))


def room_checks(
    need: memory.Need, disk: float, settings: SftSettings, there: There, *, tokens: int
) -> list[Check]:
    """Whether the fine-tune fits.

    Args:
        disk: bytes that will be written.
        tokens: of the largest micro-batch, padding included, for the message.
    """
    return [
        _memory(need, there, settings, tokens),
        _disk(disk, there),
        _gpus(settings.device, there.n_gpus),
    ]


def _memory(need: memory.Need, there: There, settings: SftSettings, tokens: int) -> Check:
    shown = f"{need.total / memory.GIB:.2f} GiB needed, {there.memory / memory.GIB:.2f} GiB there"
    if settings.device == Device.cuda and not there.n_gpus:
        return Check("memory", True, f"{need.total / memory.GIB:.2f} GiB needed")
    if need.total * MARGIN[settings.device] <= there.memory:
        return Check("memory", True, shown)
    fixed = need.weights + need.gradients + need.optimizer  # whatever the micro-batch
    if fixed * MARGIN[settings.device] > there.memory:
        cure = "a smaller model, a larger GPU (hardware=...), or full.enabled: false"
    elif settings.checkpointing:
        cure = f"lower hardware.micro_batch_tokens (now up to {tokens:,} in one pass)"
    else:
        cure = "hardware.checkpointing: true, or lower hardware.micro_batch_tokens"
    return Check("memory", False, f"{shown} ({cure})")


def _disk(needed: float, there: There) -> Check:
    shown = f"{needed / 1e9:.2f} GB needed, {there.disk / 1e9:.2f} GB free"
    if needed * 1.05 <= there.disk:
        return Check("disk", True, shown)
    return Check("disk", False, f"{shown} (dvc gc -w removes cached results of other settings)")


def _gpus(device: Device, n_gpus: int) -> Check:
    if device == Device.cpu:
        return Check("GPUs", True, "none is used (hardware.device = cpu)")
    if not n_gpus:
        return Check("GPUs", False, "hardware.device = cuda and none is visible (hardware=cpu)")
    return Check("GPUs", True, f"{n_gpus} visible")


def shape_or_none(base: Path) -> memory.Shape | None:
    """The base's shape, or null where its memory cannot be computed."""
    try:
        return memory.read_shape(base)
    except LoadError:
        return None

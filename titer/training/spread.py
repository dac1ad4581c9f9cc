"""One training over several processes: what the Trainer is told, and whether it did as told.

Invariant: rows per step, order of rows and loss are those of one process; rank 0 alone writes.
DDP copies the weights to every process (adapters, and every run on a CPU); FSDP2 spreads weights,
gradients and optimiser states (full fine-tunes on GPUs).
"""

import os
from typing import Any

from titer.config import Device, SftSettings
from titer.errors import LoadError


def is_sharded(settings: SftSettings) -> bool:
    """Whether the weights are spread by FSDP2; on a CPU accelerate would do DDP in silence."""
    return settings.n_processes > 1 and settings.lora is None and settings.device == Device.cuda


def arguments(settings: SftSettings) -> dict[str, Any]:
    """Keywords of SFTConfig for the processes of a run; none for a single one.

    FSDP2 recomputes activations itself: the Trainer's own way would gather the weights twice.
    """
    if settings.n_processes == 1:
        return {"activation_checkpointing": settings.checkpointing}
    if not is_sharded(settings):
        backend = "gloo" if settings.device == Device.cpu else "nccl"
        return {
            "activation_checkpointing": settings.checkpointing,
            "ddp_backend": backend,
            "ddp_find_unused_parameters": False,
        }
    return {
        "activation_checkpointing": False,
        "fsdp": True,
        "fsdp_config": {
            "version": 2,
            "reshard_after_forward": True,
            "activation_checkpointing": settings.checkpointing,
            "cpu_ram_efficient_loading": True,
            "state_dict_type": "FULL_STATE_DICT",
        },
    }


def n_sharded(model: Any) -> int:
    """How many parameters of a model are spread over processes (DTensors)."""
    from torch.distributed.tensor import DTensor

    return sum(isinstance(parameter, DTensor) for parameter in model.parameters())


def check_processes(found: int, settings: SftSettings) -> None:
    """Refuse a run in fewer processes than asked for: two launchers do that in silence.

    Raises:
        LoadError: the world has another size.
    """
    if found != settings.n_processes:
        raise LoadError(
            f"training runs in {found} processes, and hardware.processes x hardware.machines asks "
            f"for {settings.n_processes}. Start it as `python -m stages...` or `dvc repro`"
        )


def started() -> int:
    """Processes that the launcher says there are, from its environment; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def check_sharding(model: Any, settings: SftSettings) -> None:
    """Refuse a full fine-tune whose weights every GPU would hold whole.

    Raises:
        LoadError: FSDP2 was asked for and no parameter is spread.
    """
    if is_sharded(settings) and n_sharded(model) == 0:
        raise LoadError(
            f"FSDP2 was asked for over {settings.n_processes} processes, and no parameter is "
            "spread. Set hardware.processes: 1, or report the versions of torch and accelerate"
        )


def any_process(flag: bool) -> bool:
    """Whether a flag is set in any process of the run: all must stop at the same step."""
    import torch
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return flag
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    flags = torch.tensor(int(flag), device=device)
    dist.all_reduce(flags, op=dist.ReduceOp.MAX)
    return bool(flags.item())

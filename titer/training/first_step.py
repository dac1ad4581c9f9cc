"""One forward and backward pass before the first step: a loss, gradients, the right weights.

Invariant: weights, gradients and the random state are afterwards what they were before.
"""

import math
from typing import Any

from titer.errors import DataError


def probe(trainer: Any, *, expected: int | None) -> dict[str, float]:
    """Run one row through the trainer's own loss and look at what comes out.

    Args:
        expected: number of weights that should be trained; null where it is not known.
    Returns:
        `{loss, norm}`: of the loss and of all gradients together.
    Raises:
        DataError: nothing or something else is trained, or loss or gradients are zero or not
            finite.
    """
    import torch

    trained = [p for p in trainer.model.parameters() if p.requires_grad]
    n_trained = sum(p.numel() for p in trained)
    if expected is not None and n_trained != expected:
        raise DataError(
            f"preflight, trained weights: {n_trained:,} and {expected:,} were expected "
            "(check qlora.target_modules)"
        )
    devices = [p.device for p in trained[:1] if p.device.type == "cuda"]
    with torch.random.fork_rng(devices=devices):
        loss, norm = _forward_and_backward(trainer, trained)
    for name, value in (("loss", loss), ("gradient norm", norm)):
        if not math.isfinite(value) or value <= 0:
            raise DataError(
                f"preflight, first step: {name} is {value:g}, must be above 0 and finite (check "
                "the labels, hardware.precision and the base model's weights)"
            )
    return {"loss": loss, "norm": norm}


def _forward_and_backward(trainer: Any, trained: list[Any]) -> tuple[float, float]:
    import torch

    was_training = trainer.model.training
    trainer.model.train()
    batch = trainer.data_collator([trainer.train_dataset[0]])
    with trainer.compute_loss_context_manager():
        loss = trainer.compute_loss(trainer.model, trainer._prepare_inputs(batch))
    loss.backward()
    norms = [p.grad.float().norm() for p in trained if p.grad is not None]
    norm = float(torch.stack(norms).norm()) if norms else 0.0
    trainer.model.zero_grad(set_to_none=True)
    trainer.model.train(was_training)
    return float(loss.detach()), norm

"""In which order rows are trained on: the same in one process, in several, and after a resume.

Invariant: the order is a function of seed, epoch and row lengths alone. transformers' own sampler
draws from torch's global state, which dropout moves on differently in each process, and groups by
the rows of one process.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Generator
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices
from trl import SFTTrainer


class RowOrder(Sampler[int]):
    """Rows of similar length together, in batches that are steps of all processes."""

    def __init__(
        self, lengths: Sequence[int], *, batch_size: int, seed: int, n_silent: int
    ) -> None:
        """Take the lengths of all rows, of which the last `n_silent` are silent."""
        self.lengths = list(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.n_silent = n_silent
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch; the Trainer calls it, after a resume as well."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Rows of an epoch, silent ones included."""
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        """Positions of the rows; silent ones come last."""
        n_rows = len(self.lengths) - self.n_silent
        generator = Generator().manual_seed(self.seed + self.epoch)
        yield from get_length_grouped_indices(
            self.lengths[:n_rows], self.batch_size, generator=generator
        )
        yield from range(n_rows, len(self.lengths))


class InOrder:
    """What a trainer of transformers needs for that order and for the mean over a step's tokens.

    Stands before the trainer among the bases.
    """

    n_silent = 0
    _order: RowOrder
    train_dataset: Any
    args: Any
    accelerator: Any
    control: Any
    state: Any

    def complete_last_step(self, eos: int) -> None:
        """Add silent rows until every step of an epoch has the rows of a whole batch.

        accelerate would fill the last step with rows seen before, once for each process.
        """
        from datasets import Dataset, concatenate_datasets

        data: Any = self.train_dataset
        self.n_silent = -len(data) % self._rows_per_step()
        if self.n_silent:
            row = {"input_ids": [eos, eos], "labels": [-100, -100]}
            silent = Dataset.from_list([row] * self.n_silent, features=data.features)
            self.train_dataset = concatenate_datasets([data, silent])

    def mean_over_step(self, total: Any, n_labels: Any, n_of_step: Any) -> Any:
        """A sum of losses as the mean over the tokens of its step, as the Trainer counts on it.

        Args:
            total: sum over the labels of one micro-batch.
            n_labels: of that micro-batch.
            n_of_step: those of all micro-batches of all processes; null outside of training.
        """
        if n_of_step is None:
            return total / n_labels
        loss = total / n_of_step
        if self.args.average_tokens_across_devices:
            loss = loss * self.accelerator.num_processes  # DDP takes the mean of the gradients
        return loss

    def _run_epoch(self, *args: Any, epoch: int, **kwargs: Any) -> None:
        """Train no further where the checkpoint is the end of the training.

        transformers (5.23) takes one more step when a run that ended within an epoch is resumed.
        """
        if self.control.should_training_stop or self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
            return
        # accelerate (1.15) tells no sampler of a resumed run of several processes: one wrapper more
        self._order.set_epoch(epoch)
        super()._run_epoch(*args, epoch=epoch, **kwargs)  # type: ignore[misc]

    def _rows_per_step(self) -> int:
        args = self.args
        per_process = args.per_device_train_batch_size * args.gradient_accumulation_steps
        return int(per_process * args.world_size)

    def _get_train_sampler(self, train_dataset: Any = None) -> RowOrder:
        data = self.train_dataset if train_dataset is None else train_dataset
        self._order = RowOrder(
            [len(ids) for ids in data["input_ids"]],
            batch_size=self._rows_per_step(),
            seed=self.args.data_seed,
            n_silent=self.n_silent,
        )
        return self._order


class OrderedTrainer(InOrder, SFTTrainer):  # type: ignore[misc]
    """SFTTrainer with that order."""

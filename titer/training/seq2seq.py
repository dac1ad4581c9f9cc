"""Fine-tuning of encoder-decoders such as T5, which TRL's trainer refuses.

A row is the same as for every other model, ids with -100 on the prompt as labels; only here is it
taken apart: the encoder reads the prompt, the decoder learns the answer and its end token.
"""

from collections.abc import Sequence
from typing import Any

from transformers import Seq2SeqTrainer

from titer.config import SftSettings
from titer.training import lora
from titer.training.row_order import InOrder


class Collator:
    """Rows to a padded batch of prompts and answers."""

    def __init__(self, pad_id: int) -> None:
        """Take the id that fills up prompts; answers are filled up with -100."""
        self.pad_id = pad_id

    def __call__(self, rows: Sequence[dict[str, list[int]]]) -> dict[str, Any]:
        """`input_ids`, `attention_mask` (rows, prompt tokens) and `labels` (rows, answer tokens).

        A batch of silent rows keeps one column of labels, none of which counts.
        """
        import torch

        n_prompts = [row["labels"].count(-100) for row in rows]
        prompts = [row["input_ids"][:n] for row, n in zip(rows, n_prompts, strict=True)]
        answers = [row["labels"][n:] for row, n in zip(rows, n_prompts, strict=True)]
        wide, long = max(n_prompts), max(1, *map(len, answers))
        return {
            "input_ids": torch.tensor([p + [self.pad_id] * (wide - len(p)) for p in prompts]),
            "attention_mask": torch.tensor([[1] * n + [0] * (wide - n) for n in n_prompts]),
            "labels": torch.tensor([a + [-100] * (long - len(a)) for a in answers]),
        }


class OrderedSeq2SeqTrainer(InOrder, Seq2SeqTrainer):  # type: ignore[misc]
    """Seq2SeqTrainer with our order of rows and a loss that is a mean over the step's tokens.

    T5's own loss is a mean over a micro-batch and ignores how many tokens the step has, while the
    Trainer counts on it (transformers 5.23): accumulated gradients came out too large.
    """

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Negative log-likelihood of the labels over `num_items_in_batch`, or over their number."""
        import torch

        out = model(**inputs, use_cache=False)
        labels = inputs["labels"]
        total = torch.nn.functional.cross_entropy(
            out.logits.float().flatten(0, 1), labels.flatten(), reduction="sum"
        )
        loss = self.mean_over_step(total, (labels != -100).sum(), num_items_in_batch)
        return (loss, out) if return_outputs else loss


def new_trainer(model: Any, settings: SftSettings, given: dict[str, Any]) -> OrderedSeq2SeqTrainer:
    """The trainer of an encoder-decoder, with a fresh adapter where settings ask for one.

    Args:
        given: arguments, data, tokenizer and callbacks, as transformers' Trainer names them.
    """
    from peft import get_peft_model
    from transformers import set_seed

    if settings.lora:
        set_seed(settings.seed)  # of the fresh adapter; the Trainer seeds only itself
        if settings.checkpointing:
            model.enable_input_require_grads()  # else recomputed layers of a frozen base have none
        model = get_peft_model(model, lora.lora_config(settings.lora, is_encoder_decoder=True))
    collator = Collator(given["processing_class"].pad_token_id)
    return OrderedSeq2SeqTrainer(model, data_collator=collator, **given)

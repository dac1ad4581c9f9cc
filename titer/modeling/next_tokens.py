"""A loaded model's greedy continuation and its likeliest next tokens, one prompt at a time.

Invariant: no batch and no padding, so that nothing but the weights can differ between two models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class NextTokens:
    """A model that is asked by token ids."""

    model: Any

    def greedy(self, prompt: Sequence[int], n_new: int, ends: set[int]) -> list[int]:
        """Ids of the likeliest continuation, up to and without a token of `ends`."""
        import torch

        ids, found = list(prompt), list[int]()
        with torch.inference_mode():
            while len(found) < n_new:
                logits = self.model(input_ids=self._batch(ids)).logits[0, -1]
                token = int(logits.argmax())
                if token in ends:
                    break
                found.append(token)
                ids.append(token)
        return found

    def along(
        self, prompt: Sequence[int], continuation: Sequence[int], n: int
    ) -> list[dict[int, float]]:
        """The n likeliest next tokens after the prompt and after each token of the continuation.

        Returns:
            Token id -> natural log-likelihood, one mapping per position; one more than the
            continuation has tokens.
        """
        import torch

        with torch.inference_mode():
            logits = self.model(input_ids=self._batch([*prompt, *continuation])).logits[0]
            likelihoods = torch.log_softmax(logits[len(prompt) - 1 :].float(), -1)
            top = likelihoods.topk(min(n, likelihoods.shape[-1]), -1)
        return [
            dict(zip(ids, values, strict=True))
            for ids, values in zip(top.indices.tolist(), top.values.tolist(), strict=True)
        ]

    def _batch(self, ids: Sequence[int]) -> Any:
        import torch

        return torch.tensor([list(ids)], device=self.model.device)

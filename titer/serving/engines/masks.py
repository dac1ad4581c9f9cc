"""Which earlier tokens each token attends to, in the form that a model's layers expect.

Invariant: an architecture whose layers remember in another way is refused.
"""

from typing import Any

from titer.errors import LoadError

FULL, SLIDING = "full_attention", "sliding_attention"
BY_LENGTH = ("dynamic", "longrope")
"""Positions that are turned otherwise once any row of the batch is long."""
UNFIT = "this model cannot answer several requests in one batch"
ELSEWHERE = "Serve it with the engine llama_cpp or vllm"


class Masks:
    """The masks of one model."""

    def __init__(self, config: Any) -> None:
        """Read the model's configuration.

        Raises:
            LoadError: its layers do not only look back.
        """
        kinds = set(getattr(config, "layer_types", None) or ())
        window = getattr(config, "sliding_window", None)
        if not kinds:
            kinds = {SLIDING} if window else {FULL}
        rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type")
        if config.is_encoder_decoder or kinds - {FULL, SLIDING} or rope in BY_LENGTH:
            what = "an encoder" if config.is_encoder_decoder else sorted(kinds - {FULL, SLIDING})
            raise LoadError(f"{UNFIT}: it has {what or rope}. {ELSEWHERE}")
        self._kinds = kinds
        self.window: int | None = window if SLIDING in kinds else None
        """Tokens that a sliding layer sees; null where there is none."""

    def of(self, places: Any, width: int) -> Any:
        """Mask of queries over the first `width` places.

        Args:
            places: (rows, queries) place of each query.

        Returns:
            (rows, 1, queries, width), true where a query may look; one per kind of layer where a
            model has two.
        """
        import torch

        keys = torch.arange(width, device=places.device)
        full = (keys <= places[..., None])[:, None]
        if self.window is None:
            return full
        sliding = full & (keys > places[..., None] - self.window)[:, None]
        return sliding if self._kinds == {SLIDING} else {FULL: full, SLIDING: sliding}

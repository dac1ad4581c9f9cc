"""Answers in flight: rows join between two steps, leave when they end, and share each step.

Invariant: a row's greedy tokens are those of `titer.modeling.generation.generate`, whatever runs
beside it. Not for two threads: whoever made it calls it.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from titer.errors import LoadError, first_line
from titer.serving.engines.adapters import AdaptedModel
from titer.serving.engines.masks import ELSEWHERE, UNFIT, Masks
from titer.serving.engines.sampling import choose

PROBE_ERROR = 0.05
"""Of the logits' spread: far above rounding, far below a wrong position or mask."""
PROBED_WINDOW = 1024
"""Sliding windows up to this are tried as well."""


@dataclass(eq=False)
class Row:
    """One answer being made."""

    prompt: list[int]
    adapter: str
    max_new_tokens: int
    temperature: float
    top_p: float
    seed: int
    cancelled: bool = False
    """Set by anyone, at any time: the row leaves at the next step."""
    n_cached: int = 0
    """Tokens whose keys are kept."""
    n_new: int = 0
    last: int = 0
    """The newest token, not yet read by the model."""
    draw: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Random numbers of its own."""
        self.draw = random.Random(self.seed)

    @property
    def n_needed(self) -> int:
        """Tokens that its slot must hold."""
        return len(self.prompt) + self.max_new_tokens


@dataclass(frozen=True)
class Made:
    """What a step brought one row."""

    row: Row
    token: int | None
    """Null where the end token came."""
    finish_reason: str | None


class Stepper:
    """A model with the rows that it is answering."""

    def __init__(
        self, model: AdaptedModel, ends: set[int], pad: int, *, n_rows: int, n_tokens: int
    ) -> None:
        """Empty.

        Args:
            model: with its adapters.
            ends: ids that end an answer.
            pad: id that fills short rows.
            n_rows: answers at once at most.
            n_tokens: kept for all rows together at most.

        Raises:
            LoadError: the model's layers do not work with separate slots.
        """
        self._model = model
        self._ends = ends
        self._pad = pad
        self._n_tokens = n_tokens
        self._n_rows = n_rows
        self._masks = Masks(model.model.config)
        self.rows: list[Row] = []
        self._slots = self._empty()
        self._try()

    def _empty(self) -> Any:
        from titer.serving.engines.slots import Slots

        n_layers = self._model.model.config.num_hidden_layers
        return Slots(n_layers, at_most=self._n_tokens)

    @property
    def longest(self) -> int:
        """Tokens that one row may have at most."""
        return self._n_tokens

    def fits(self, row: Row, joining: Sequence[Row] = ()) -> bool:
        """Whether there is a slot and room for a further row."""
        others = [*self.rows, *joining]
        width = max(one.n_needed for one in (row, *others))
        return len(others) < self._n_rows and (len(others) + 1) * width <= self._n_tokens

    def clear(self) -> None:
        """Forget all rows and give their memory back."""
        self.rows.clear()
        self._slots = self._empty()

    def drop_cancelled(self) -> list[Row]:
        """Let rows leave that nobody waits for."""
        gone = [row for row in self.rows if row.cancelled]
        self._leave(gone)
        return gone

    def join(self, rows: Sequence[Row]) -> list[Made]:
        """Read the prompts of new rows, all at once, and make their first tokens."""
        return self._made(rows, self._read(rows))

    def step(self) -> list[Made]:
        """One more token for every row."""
        return self._made(self.rows, self._advance())

    def _read(self, rows: Sequence[Row]) -> Any:
        """Logits behind each prompt; the rows take the next free slots."""
        import torch

        slots, n, device = self._slots, len(self.rows), self._model.model.device
        everyone = [*self.rows, *rows]
        slots.reserve(len(everyone), max(row.n_needed for row in everyone))
        width = max(len(row.prompt) for row in rows)
        ids = [row.prompt + [self._pad] * (width - len(row.prompt)) for row in rows]
        ends = sorted({len(row.prompt) - 1 for row in rows})
        slots.joining = slice(n, n + len(rows))
        # what stands right of a short prompt is written over by the row's own tokens
        places = torch.arange(width, device=device).expand(len(rows), -1)
        logits = self._forward(rows, ids, places, width, keep=torch.tensor(ends, device=device))
        slots.joining = None
        self.rows += rows
        for row in rows:
            row.n_cached = len(row.prompt)
        at = torch.tensor([ends.index(row.n_cached - 1) for row in rows], device=device)
        return logits[torch.arange(len(rows), device=device), at]

    def _advance(self) -> Any:
        """Logits behind each row's newest token."""
        import torch

        slots, rows, device = self._slots, self.rows, self._model.model.device
        places = torch.tensor([row.n_cached for row in rows], device=device)
        slots.rows, slots.places = torch.arange(len(rows), device=device), places
        slots.width = max(row.n_cached for row in rows) + 1
        ids = [[row.last] for row in rows]
        logits = self._forward(rows, ids, places[:, None], slots.width, keep=1)
        for row in rows:
            row.n_cached += 1
        return logits[:, 0]

    def _forward(
        self, rows: Sequence[Row], ids: list[list[int]], places: Any, width: int, *, keep: Any
    ) -> Any:
        """Logits (rows, kept places, vocabulary)."""
        import torch

        # not inference_mode: its tensors could not be written to between two passes
        with torch.no_grad():
            return self._model(
                [row.adapter for row in rows],
                input_ids=torch.tensor(ids, device=places.device),
                attention_mask=self._masks.of(places, width),
                position_ids=places,
                past_key_values=self._slots,
                use_cache=True,
                logits_to_keep=keep,
            ).logits

    def _made(self, rows: Sequence[Row], logits: Any) -> list[Made]:
        tokens = choose(
            logits,
            [row.temperature for row in rows],
            [row.top_p for row in rows],
            [row.draw.random() if row.temperature else 0.0 for row in rows],
        ).tolist()
        made = [self._one(row, token) for row, token in zip(rows, tokens, strict=True)]
        self._leave([one.row for one in made if one.finish_reason])
        return made

    def _one(self, row: Row, token: int) -> Made:
        if token in self._ends:
            return Made(row, None, "stop")
        row.last = token
        row.n_new += 1
        return Made(row, token, "length" if row.n_new == row.max_new_tokens else None)

    def _leave(self, gone: Sequence[Row]) -> None:
        """Close the gaps: the last row takes each slot that became free."""
        for row in gone:
            at = self.rows.index(row)
            last = self.rows.pop()
            if last is not row:
                self._slots.move(len(self.rows), at, last.n_cached)
                self.rows[at] = last

    def _try(self) -> None:
        """Refuse an architecture whose answers would come out wrong in separate slots."""
        import torch

        none = self._model.adapter("")
        window = self._masks.window or 0
        ids = [3 + n % 5 for n in range(6 + (window if window <= PROBED_WINDOW else 0))]
        row, short = (Row(ids[:n], none, 1, 0.0, 1.0, 0) for n in (len(ids) - 1, 2))
        row.last = ids[-1]
        with torch.no_grad():
            whole = torch.tensor([ids], device=self._model.model.device)
            wanted = self._model([none], input_ids=whole).logits[0, -1]
        try:
            self._read([short, row])
            found = self._advance()[1]
        except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
            raise LoadError(f"{UNFIT}: {first_line(error)}. {ELSEWHERE}") from None
        self.clear()
        apart = float((found - wanted).abs().max() / wanted.std())
        if not apart <= PROBE_ERROR:  # also where it is no number
            raise LoadError(f"{UNFIT}: two rows disturb each other ({apart:.2f}). {ELSEWHERE}")

"""Keys and values of the rows that are being answered: one slot per row, reused when it ends.

Invariant: slots 0 to n-1 are taken; token t of a row stands at place t of its slot, so that no
row's positions depend on the others.
"""

from typing import Any

from transformers.cache_utils import Cache, CacheLayerMixin

BLOCK = 64
"""Tokens by which slots grow, so that few lengths are ever allocated."""


class _Layer(CacheLayerMixin):  # type: ignore[misc]
    """One layer's keys and values, (rows, heads, tokens, head size)."""

    is_sliding = False

    def __init__(self, slots: "Slots") -> None:
        super().__init__()
        self._slots = slots

    def lazy_initialization(self, key_states: Any, value_states: Any) -> None:
        """Make room for all slots, in the shape that the model writes."""
        self.keys = self._room(key_states)
        self.values = self._room(value_states)
        self.is_initialized = True

    def _room(self, like: Any) -> Any:
        return like.new_zeros(
            self._slots.n_rows, like.shape[1], self._slots.n_tokens, like.shape[3]
        )

    def update(self, key_states: Any, value_states: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Keep what the model has computed; give back what its rows attend to."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        at = self._slots
        if at.joining is not None:
            width = key_states.shape[2]
            self.keys[at.joining, :, :width] = key_states
            self.values[at.joining, :, :width] = value_states
            return key_states, value_states
        self.keys[at.rows, :, at.places] = key_states[:, :, 0]
        self.values[at.rows, :, at.places] = value_states[:, :, 0]
        n, width = len(at.rows), at.width
        return self.keys[:n, :, :width], self.values[:n, :, :width]

    def resize(self) -> None:
        """Take the new number of rows and tokens; what both sizes hold is kept."""
        for name in ("keys", "values") if self.is_initialized else ():
            old = getattr(self, name)
            new = self._room(old)
            rows, tokens = min(old.shape[0], new.shape[0]), min(old.shape[2], new.shape[2])
            new[:rows, :, :tokens] = old[:rows, :, :tokens]
            setattr(self, name, new)

    def move(self, source: int, target: int, n_tokens: int) -> None:
        """Copy one row."""
        for kept in (self.keys, self.values):
            kept[target, :, :n_tokens] = kept[source, :, :n_tokens]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of the keys; masks are made by the caller."""
        return (query_length if self._slots.joining is not None else self._slots.width), 0

    def get_seq_length(self) -> int:
        """Nothing is derived from it: positions are given with every call."""
        return 0

    def get_max_length(self) -> int:
        """Tokens of a slot."""
        return self._slots.n_tokens


class Slots(Cache):  # type: ignore[misc]
    """The cache of one model object."""

    def __init__(self, n_layers: int, *, at_most: int) -> None:
        """Empty.

        Args:
            n_layers: of the model.
            at_most: tokens of all slots together.
        """
        self._at_most = at_most
        self.n_rows = 1
        self.n_tokens = BLOCK
        self.joining: slice | None = None
        """Slots of the rows whose prompts are being read; null while all rows take a step."""
        self.rows: Any = None
        """(rows,) slot numbers of a step."""
        self.places: Any = None
        """(rows,) place of each row's token in a step."""
        self.width = 0
        """Tokens of the longest row in a step, the new one included."""
        super().__init__(layers=[_Layer(self) for _ in range(n_layers)])

    def reserve(self, n_rows: int, n_tokens: int) -> None:
        """Have so many slots of so many tokens, and keep what is in them."""
        if n_rows <= self.n_rows and n_tokens <= self.n_tokens:
            return
        roomy = max(self.n_rows, doubled(n_rows)), max(self.n_tokens, blocks(n_tokens))
        fits = roomy[0] * roomy[1] <= self._at_most
        self.n_rows, self.n_tokens = roomy if fits else (n_rows, n_tokens)
        for layer in self.layers:
            layer.resize()

    def move(self, source: int, target: int, n_tokens: int) -> None:
        """Let a row take another slot."""
        for layer in self.layers:
            layer.move(source, target, n_tokens)


def blocks(n_tokens: int) -> int:
    """The number rounded up to whole blocks."""
    return -(-n_tokens // BLOCK) * BLOCK


def doubled(n_rows: int) -> int:
    """The number rounded up to a power of two."""
    return 1 << (n_rows - 1).bit_length()

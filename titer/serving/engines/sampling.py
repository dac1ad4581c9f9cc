"""The next token of each row: the likeliest, or one drawn with the row's own random numbers.

Invariant: a row's choice depends on its logits, its settings and its numbers alone.
"""

from typing import Any


def choose(logits: Any, temperatures: list[float], top_ps: list[float], drawn: list[float]) -> Any:
    """One token per row.

    Args:
        logits: (rows, vocabulary).
        temperatures: 0 takes the likeliest.
        top_ps: share of probability that is kept, in (0, 1].
        drawn: a random number in [0, 1) per row; of no account where the temperature is 0.

    Returns:
        (rows,) token ids.
    """
    import torch

    tokens = logits.argmax(-1)
    sampled = [row for row, value in enumerate(temperatures) if value > 0]
    if not sampled:
        return tokens

    def column(values: list[float]) -> Any:
        chosen = [values[row] for row in sampled]
        return torch.tensor(chosen, dtype=torch.float64, device=logits.device)[:, None]

    # double precision: a sum over the vocabulary must not decide which token the number falls on
    wide = logits[sampled].double()
    # the likeliest at 0: divided by the smallest temperature, any other value would be infinite
    scaled = (wide - wide.max(-1, keepdim=True).values) / column(temperatures)
    shares, ids = torch.softmax(scaled, -1).sort(stable=True, dim=-1, descending=True)
    upto = shares.cumsum(-1)
    # the fewest likeliest tokens that reach top_p, as transformers keeps them
    n_kept = ((upto - shares) < column(top_ps)).sum(-1, keepdim=True)
    total = upto.gather(-1, n_kept - 1)
    at = torch.searchsorted(upto, column(drawn) * total, right=True)
    tokens[sampled] = ids.gather(-1, torch.minimum(at, n_kept - 1))[:, 0]
    return tokens

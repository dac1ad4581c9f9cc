"""Text of streamed pieces, and the next token of a row."""

import random
from pathlib import Path

import numpy as np
import pytest

from titer.modeling import loading
from titer.serving.engines.prompts import Reader
from titer.serving.engines.sampling import choose

TEXT = "α-TNF ≥ 3.5 µg/mL, naïve 日本語 👩‍⚕️ – end"


def pieces(tokenizer: object, ids: list[int], widths: random.Random) -> list[str]:
    reader, found, rest = Reader(tokenizer.backend_tokenizer), [], ids  # type: ignore[attr-defined]
    while rest:
        n = widths.randint(1, 3)
        found.append(reader.read(rest[:n]))
        rest = rest[n:]
    return [*found, reader.rest()]


def test_pieces_hold_whole_characters_and_join_to_the_text(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    ids = tokenizer(TEXT)["input_ids"]
    assert len(ids) > len(TEXT.split()) * 2, "characters of several tokens are the point"
    found = pieces(tokenizer, ids, random.Random(1))
    assert "".join(found) == TEXT == tokenizer.decode(ids)
    assert not any("\ufffd" in one for one in found)


def test_any_tokens_join_to_what_the_evaluation_would_read(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    draw = random.Random(2)
    for _ in range(300):
        ids = [draw.randrange(len(tokenizer)) for _ in range(draw.randint(0, 20))]
        text = "".join(pieces(tokenizer, ids, draw))
        assert text == tokenizer.decode(ids, skip_special_tokens=True)


def test_draws_follow_the_probabilities_kept_by_top_p() -> None:
    import torch

    logits = torch.tensor([2.0, 1.0, 0.5, -1.0, 0.5])
    temperature, top_p, n = 0.7, 0.85, 20_000
    shares = torch.softmax(logits.double() / temperature, -1).numpy()
    order = np.argsort(-shares, kind="stable")
    n_kept = int(np.searchsorted(np.cumsum(shares[order]), top_p)) + 1
    kept = np.where(np.isin(np.arange(5), order[:n_kept]), shares, 0)
    kept /= kept.sum()
    numbers = random.Random(3)
    drawn = [numbers.random() for _ in range(n)]
    tokens = choose(logits.expand(n, -1), [temperature] * n, [top_p] * n, drawn)
    found = np.bincount(tokens.numpy(), minlength=5) / n
    assert found[kept == 0].sum() == 0
    assert found == pytest.approx(kept, abs=4 * (0.25 / n) ** 0.5)


def test_greedy_and_sampled_rows_do_not_meet() -> None:
    import torch

    torch.manual_seed(0)
    logits = torch.randn(6, 50)
    temperatures, top_ps = [0.0, 1.0, 0.0, 2.0, 0.5, 1.0], [1.0, 0.9, 0.5, 1.0, 1.0, 1e-9]
    drawn = [0.1, 0.99999999, 0.5, 0.0, 0.7, 0.9]
    together = choose(logits, temperatures, top_ps, drawn).tolist()
    alone = [
        int(choose(logits[n : n + 1], [temperatures[n]], [top_ps[n]], [drawn[n]])) for n in range(6)
    ]
    assert together == alone
    likeliest = logits.argmax(-1).tolist()
    assert [together[n] for n in (0, 2, 3, 5)] == [likeliest[n] for n in (0, 2, 3, 5)]


def test_the_smallest_temperature_and_share_take_the_likeliest() -> None:
    import torch

    logits = torch.tensor([[1.0, 3.0, 2.0]])
    assert choose(logits, [5e-324], [5e-324], [0.999]).tolist() == [1]
    assert choose(logits, [5e-324], [1.0], [0.999]).tolist() == [1]

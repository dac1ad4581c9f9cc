"""Log-likelihoods: equal to one plain forward pass, whatever the batch."""

from pathlib import Path
from typing import Any

import pytest

from titer.config import Device, Dtype
from titer.errors import ModelError
from titer.modeling import loading, loglikelihood
from titer.modeling.loglikelihood import (
    continuation_loglikelihoods,
    cut_left,
    text_loglikelihoods,
)

PAIRS = [
    ((3, 4, 5), (6,)),
    ((3, 4, 5), (7, 8, 9)),
    ((10, 11, 12, 13, 14), (6, 7)),
    ((10,), (20, 21, 22, 23)),
    ((30, 31), (40,)),
]


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> tuple[Any, Any]:
    tokenizer = loading.load_tokenizer(tiny_model)
    return loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu), tokenizer


def plain(model: Any, prompt: tuple[int, ...], continuation: tuple[int, ...]) -> float:
    """One unbatched, uncached forward pass over the joined ids."""
    import torch

    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*prompt, *continuation]])).logits[0].float()
    logprobs = torch.log_softmax(logits, -1)
    places = range(len(prompt) - 1, len(prompt) + len(continuation) - 1)
    return sum(float(logprobs[i, t]) for i, t in zip(places, continuation, strict=True))


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_they_equal_a_plain_forward_pass(loaded: Any, batch_size: int) -> None:
    model, tokenizer = loaded
    scores = continuation_loglikelihoods(model, tokenizer, PAIRS, batch_size=batch_size)
    for pair in PAIRS:
        assert scores[pair] == pytest.approx(plain(model, *pair), abs=1e-4)


def test_the_batch_size_moves_nothing(loaded: Any) -> None:
    model, tokenizer = loaded
    one = continuation_loglikelihoods(model, tokenizer, PAIRS, batch_size=1)
    many = continuation_loglikelihoods(model, tokenizer, PAIRS, batch_size=16)
    assert max(abs(one[pair] - many[pair]) for pair in PAIRS) < 1e-5


def test_repeated_pairs_are_computed_once(loaded: Any) -> None:
    model, tokenizer = loaded
    done: list[int] = []
    continuation_loglikelihoods(model, tokenizer, PAIRS * 3, batch_size=2, on_done=done.append)
    assert sum(done) == len(PAIRS)


def test_nothing_to_score_is_refused(loaded: Any) -> None:
    model, tokenizer = loaded
    with pytest.raises(ValueError, match="empty prompt or continuation"):
        continuation_loglikelihoods(model, tokenizer, [((1,), ())], batch_size=1)


def test_a_text_is_scored_in_windows_that_join_up(loaded: Any) -> None:
    model, tokenizer = loaded
    text = "Bread is made of flour and water. " * 3
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    (whole,) = text_loglikelihoods(model, tokenizer, [text], window=1000, batch_size=4)
    assert whole[1] == len(ids)
    start = (tokenizer.eos_token_id,)
    assert whole[0] == pytest.approx(plain(model, start, tuple(ids)), abs=1e-3)
    (cut,) = text_loglikelihoods(model, tokenizer, [text], window=8, batch_size=4)
    pieces, last = (*start, *ids), len(ids) - len(ids) % 8
    expected = sum(
        plain(model, pieces[i : i + 1], pieces[i + 1 : i + 9]) for i in range(0, last, 8)
    )
    # the last window is shorter, and its context longer by what it lacks
    expected += plain(model, pieces[-9 : last + 1], pieces[last + 1 :])
    assert 0 < len(ids) % 8 < 7
    assert cut[0] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", ["GPT2", "Mistral", "Qwen3"])
@pytest.mark.parametrize("at_once", [1, 4 * 1024 * 5])
def test_logits_are_made_in_slices_that_change_no_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at_once: int
) -> None:
    """Of a large vocabulary all logits of a batch of long windows would take 9 GiB."""
    from tests.small_models import build

    folder = build(name, tmp_path / name)
    tokenizer = loading.load_tokenizer(folder)
    model = loading.load_model(folder, dtype=Dtype.float32, device=Device.cpu)
    pairs = [(tuple(range(20, 20 + n)), tuple(range(60, 150 - n))) for n in (1, 2, 7, 9)]
    whole = continuation_loglikelihoods(model, tokenizer, pairs, batch_size=4)
    monkeypatch.setattr(loglikelihood, "LOGITS_AT_ONCE", at_once)
    made: list[int] = []
    model.register_forward_hook(lambda *seen: made.append(seen[-1].logits.numel()))
    sliced = continuation_loglikelihoods(model, tokenizer, pairs, batch_size=4)
    assert max(made) == max(at_once, 4 * 1024)
    assert sliced == pytest.approx(whole, rel=1e-6)
    assert sliced[pairs[0]] == pytest.approx(plain(model, *pairs[0]), abs=1e-3)


@pytest.mark.parametrize(
    ("context", "kept"), [(8, (3, 4, 5)), (4, (3, 4, 5)), (3, (4, 5)), (2, (5,))]
)
def test_a_prompt_that_is_too_long_loses_its_beginning(context: int, kept: tuple[int, ...]) -> None:
    # the last token of the continuation is predicted and never read
    assert cut_left(((3, 4, 5), (6, 7)), context) == (kept, (6, 7))


def test_a_continuation_that_leaves_no_room_is_one_line() -> None:
    with pytest.raises(ModelError) as error:
        cut_left(((3, 4), (5, 6, 7)), 2)
    assert str(error.value) == (
        "a continuation of 3 tokens: the model's context is 2. Shorten the answer or take a model "
        "with a longer context"
    )


def test_a_short_continuation_beside_a_long_one_stays_inside_learned_positions(
    tmp_path: Path,
) -> None:
    """GPT-2 has a table of 512 positions; padding must not ask for the 513th."""
    from tests.small_models import build

    folder = build("GPT2", tmp_path / "gpt2")
    tokenizer = loading.load_tokenizer(folder)
    model = loading.load_model(folder, dtype=Dtype.float32, device=Device.cpu)
    prompt = tuple(5 + i % 90 for i in range(508))
    pairs = [(prompt, (7, 8, 9)), (prompt[-100:], tuple(range(10, 40)))]
    scores = continuation_loglikelihoods(model, tokenizer, pairs, batch_size=2)
    for pair in pairs:
        assert scores[pair] == pytest.approx(plain(model, *pair), abs=1e-3)

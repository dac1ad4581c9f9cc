"""Log-likelihood of continuations and of whole texts, as lm-evaluation-harness defines them.

Invariant: sums of natural-log probabilities in float32; in float32 arithmetic they differ by less
than 1e-5 between batch sizes.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from titer.errors import ModelError
from titer.modeling import chat_template

Pair = tuple[tuple[int, ...], tuple[int, ...]]
"""Ids of a prompt and of one continuation of it."""
LOGITS_AT_ONCE = 2**25
"""Entries: 128 MiB in float32. All of 8 rows of 2,048 tokens would be 9 GiB with a vocabulary of
151,936, more than training takes; with a small one they are a single slice."""


def encode_pairs(tokenizer: Any, prompt: str, continuations: Sequence[str]) -> list[Pair]:
    """Ids of a rendered prompt and of each continuation, counted as lm-evaluation-harness counts.

    The ids are those of training and use, prompt and continuation tokenised apart, so that no token
    ever spans the boundary. White space at the end of the prompt, such as the line break of a chat
    template, counts as part of the continuation: the same for all continuations of a prompt, so it
    never moves a choice. Where it shares a token with what stands before, it stays in the prompt.

    Raises:
        ValueError: a continuation is empty or blank.
    """
    if not all(text.strip() for text in continuations):
        raise ValueError("an empty continuation has no likelihood")
    ids = chat_template.encode_prompt(tokenizer, prompt)
    stem = chat_template.encode_prompt(tokenizer, prompt.rstrip())
    split = len(stem) if ids[: len(stem)] == stem else len(ids)
    return [
        (tuple(ids[:split]), (*ids[split:], *chat_template.encode_continuation(tokenizer, text)))
        for text in continuations
    ]


def cut_left(pair: Pair, context_length: int) -> Pair:
    """The pair with its prompt cut from the left until the model can attend to all of it.

    The last token is predicted and never read, so prompt and continuation may hold one token more
    than the context.

    Raises:
        ModelError: the continuation alone is too long.
    """
    prompt, continuation = pair
    room = context_length + 1 - len(continuation)
    if room < 1:
        raise ModelError(
            f"a continuation of {len(continuation)} tokens: the model's context is "
            f"{context_length}. Shorten the answer or take a model with a longer context"
        )
    return prompt[-room:], continuation


def continuation_loglikelihoods(
    model: Any,
    tokenizer: Any,
    pairs: Iterable[Pair],
    *,
    batch_size: int,
    on_done: Callable[[int], None] = lambda n: None,
) -> dict[Pair, float]:
    """Log-likelihood of each distinct continuation after its prompt.

    A prompt runs through the model once; its key-value cache then serves all its continuations.

    Args:
        pairs: repeated pairs are computed once.
        batch_size: continuations per forward pass.
        on_done: called with the number of pairs finished since the last call.
    Raises:
        ValueError: a continuation or a prompt has no token.
    """
    todo = sorted(set(pairs), key=lambda pair: (len(pair[0]), pair[0], len(pair[1]), pair[1]))
    if any(not prompt or not continuation for prompt, continuation in todo):
        raise ValueError("an empty prompt or continuation has no likelihood")
    results: dict[Pair, float] = {}
    for batch in _batches(todo, batch_size):
        results.update(zip(batch, _score_batch(model, tokenizer, batch), strict=True))
        on_done(len(batch))
    return results


def _batches(rows: Sequence[Any], size: int) -> Iterable[list[Any]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch


def _score_batch(model: Any, tokenizer: Any, batch: list[Pair]) -> list[float]:
    import torch

    from titer.modeling.generation import left_padded

    prompts = list(dict.fromkeys(prompt for prompt, _ in batch))
    rows = torch.tensor([prompts.index(prompt) for prompt, _ in batch], device=model.device)
    ids, mask = left_padded([list(p) for p in prompts], tokenizer.pad_token_id, model.device)
    with torch.inference_mode():
        if model.config.is_encoder_decoder:
            encoded = model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
            return _score_decoded(model, batch, encoded[rows], mask[rows])
        out = model(
            input_ids=ids, attention_mask=mask, position_ids=_positions(mask),
            use_cache=True, logits_to_keep=1,
        )  # fmt: skip
        first = torch.log_softmax(out.logits[:, -1].float(), -1)[rows]
        scores = first.gather(1, _column(batch, 0, model.device))[:, 0]
        if max(len(continuation) for _, continuation in batch) > 1:
            out.past_key_values.reorder_cache(rows)
            scores = scores + _score_rest(model, batch, mask[rows], out.past_key_values)
    return [float(score) for score in scores]


def _score_decoded(model: Any, batch: list[Pair], encoded: Any, mask: Any) -> list[float]:
    """Scores where an encoder has read the prompts: the decoder begins with its start token."""
    import torch

    width = max(len(continuation) for _, continuation in batch)
    target = [[*c, *[0] * (width - len(c))] for _, c in batch]
    real = [[1] * len(c) + [0] * (width - len(c)) for _, c in batch]
    targets, own = (torch.tensor(x, device=model.device) for x in (target, real))
    start = torch.full_like(targets[:, :1], model.config.decoder_start_token_id)
    out = model(
        encoder_outputs=(encoded,), attention_mask=mask,
        decoder_input_ids=torch.cat([start, targets[:, :-1]], 1), use_cache=False,
    )  # fmt: skip
    return [float(score) for score in _row_sums(out.logits, targets, own)]


def _positions(mask: Any) -> Any:
    return (mask.cumsum(-1) - 1).clamp(min=0)


def _column(batch: list[Pair], index: int, device: Any) -> Any:
    import torch

    return torch.tensor([[continuation[index]] for _, continuation in batch], device=device)


def _score_rest(model: Any, batch: list[Pair], prompt_mask: Any, cache: Any) -> Any:
    """Scores of the second and later tokens: each is predicted by the one before it."""
    import torch

    width = max(len(continuation) for _, continuation in batch) - 1
    given = [[*c[:-1], *[0] * (width - len(c) + 1)] for _, c in batch]
    target = [[*c[1:], *[0] * (width - len(c) + 1)] for _, c in batch]
    real = [[1] * (len(c) - 1) + [0] * (width - len(c) + 1) for _, c in batch]
    ids, targets, own = (torch.tensor(x, device=model.device) for x in (given, target, real))
    mask = torch.cat([prompt_mask, own], 1)
    # padding repeats the last position: one beyond GPT-2's table of positions would be an error
    positions = prompt_mask.sum(-1, keepdim=True) + _positions(own)
    step = max(1, LOGITS_AT_ONCE // (len(batch) * model.config.vocab_size))
    sums = torch.zeros(len(batch), device=model.device)
    for start in range(0, width, step):  # the cache holds what earlier slices read
        here = slice(start, start + step)
        logits = model(
            input_ids=ids[:, here], attention_mask=mask[:, : prompt_mask.shape[1] + here.stop],
            position_ids=positions[:, here], past_key_values=cache, use_cache=True,
        ).logits  # fmt: skip
        sums = sums + torch.stack(_row_sums(logits, targets[:, here], own[:, here]))
        del logits  # before the next ones are made
    return sums


def _row_sums(logits: Any, targets: Any, own: Any) -> list[Any]:
    """Sum of the targets' log-probabilities where `own` is 1, for each row."""
    import torch

    # row by row: with a large vocabulary a whole batch in float32 would fill a GPU
    return [
        (torch.log_softmax(one.float(), -1).gather(1, wanted[:, None])[:, 0] * counts).sum()
        for one, wanted, counts in zip(logits, targets, own, strict=True)
    ]


def text_loglikelihoods(
    model: Any,
    tokenizer: Any,
    texts: Sequence[str],
    *,
    window: int,
    batch_size: int,
    on_done: Callable[[int], None] = lambda n: None,
) -> list[tuple[float, int]]:
    """Log-likelihood and number of tokens of each whole text.

    Rolling windows without overlap, as lm-evaluation-harness cuts them: the first is conditioned on
    the beginning token (or the end token where the tokenizer has no other), each later one on the
    token before it, and the last and shorter one on as many tokens as the window leaves room for.

    Args:
        window: tokens per window, at most the model's context.
    """
    start = tokenizer.bos_token_id
    start = tokenizer.eos_token_id if start is None else start
    encoded = [
        tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"] for text in texts
    ]
    pieces = [piece for ids in encoded for piece in _windows([start, *ids], window)]
    scored = continuation_loglikelihoods(
        model, tokenizer, pieces, batch_size=batch_size, on_done=on_done
    )
    return [
        (sum(scored[piece] for piece in _windows([start, *ids], window)), len(ids))
        for ids in encoded
    ]


def _windows(ids: list[int], window: int) -> list[Pair]:
    """Tokens to predict, at most `window` of them, and their context; ids begin with the start."""
    pairs = []
    for start in range(1, len(ids), window):
        end = min(start + window, len(ids))
        pairs.append((tuple(ids[max(end - 1 - window, 0) : start]), tuple(ids[start:end])))
    return pairs

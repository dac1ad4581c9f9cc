"""Rates around training: answers in batches, and rows tokenised and laid end to end.

    python -m benchmarks.generation                       about two minutes on two free cores
    python -m benchmarks.generation --out FILE.json       also keep the table

CPU seconds on one thread, medians of alternating runs.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import gates, training_rows
from benchmarks.gates import Gate

N_PROMPTS = 32
N_NEW = 48
"""Tokens of an answer at most; prompts have 40 to 90."""
FEW_ROWS, MANY_ROWS = 5_000, 50_000
ROWS_PER_STEP = 8


def cpu_s(work: Callable[[], Any]) -> float:
    """CPU seconds of a call."""
    began = time.process_time()
    work()
    return time.process_time() - began


def batched(world: Path, n_rounds: int) -> Iterator[Gate]:
    """All prompts in one batch over one prompt at a time."""
    import torch

    from titer.config import Device, Dtype, GenerationSettings, Think
    from titer.modeling import chat_template, generation, loading

    torch.set_num_threads(1)
    tokenizer = loading.load_tokenizer(world / "model")
    model = loading.load_model(world / "model", dtype=Dtype.float32, device=Device.cpu)
    asked = [row["messages"][0]["content"] for row in _rows(world)[:N_PROMPTS]]
    prompts = [
        chat_template.encode_prompt(
            tokenizer,
            chat_template.render_prompt(tokenizer, chat_template.ask(text), Think.none),
        )
        for text in asked
    ]
    settings = GenerationSettings(temperature=0.0, top_p=1.0, samples=1, max_new_tokens=N_NEW)

    def answers(batch_size: int) -> list[list[int]]:
        found = generation.generate(
            model, tokenizer, prompts, settings, batch_size=batch_size, seed=0
        )
        return [one.ids for one in found]

    same = answers(N_PROMPTS) == answers(1)
    ratios = [
        cpu_s(lambda: answers(1)) / cpu_s(lambda: answers(N_PROMPTS)) for _ in range(n_rounds)
    ]
    ratio = statistics.median(ratios)
    figure = f"{ratio:.1f} [{min(ratios):.1f}, {max(ratios):.1f}], equal answers: {same}"
    yield Gate("A1", f"{N_PROMPTS} answers in one batch over one by one", figure, ">= 2.5, equal",
               ratio >= 2.5 and same)  # fmt: skip


def prepared(world: Path, n_rounds: int) -> Iterator[Gate]:
    """Rows per CPU second from messages to batches of one row each, and how that scales."""
    from titer.config import Think
    from titer.modeling import chat_template, loading
    from titer.training import attention

    tokenizer = loading.load_tokenizer(world / "model")
    messages = [row["messages"] for row in _rows(world)]

    def rate(n: int) -> float:
        asked = (messages * -(-n // len(messages)))[:n]
        began = time.process_time()
        rows = chat_template.encode_rows(tokenizer, asked, Think.none)
        pack = attention.collator()
        for start in range(0, n, ROWS_PER_STEP):
            pack(
                [{"input_ids": r.input_ids, "labels": r.labels}
                 for r in rows[start : start + ROWS_PER_STEP]]
            )  # fmt: skip
        return n / (time.process_time() - began)

    rate(ROWS_PER_STEP)
    few, many = zip(*((rate(FEW_ROWS), rate(MANY_ROWS)) for _ in range(n_rounds)), strict=True)
    least = statistics.median(few)
    yield Gate("A2", "tokenise and pack, rows per CPU s", f"{least:,.0f} of {FEW_ROWS:,}",
               ">= 4,000", least >= 4000)  # fmt: skip
    share = statistics.median(many) / least
    figure = f"{statistics.median(many):,.0f} of {MANY_ROWS:,}: {share:.2f} of that"
    yield Gate("A3", "the same with ten times the rows", figure, ">= 4,000 and >= 0.8",
               share >= 0.8 and statistics.median(many) >= 4000)  # fmt: skip


def _rows(world: Path) -> list[Any]:
    lines = (world / "train.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def measure(folder: Path, n_rounds: int) -> Iterator[Gate]:
    """All gates."""
    training_rows.build(folder)
    yield from batched(folder, n_rounds)
    yield from prepared(folder, n_rounds)


if __name__ == "__main__":
    gates.main(__doc__.splitlines()[0], measure, rounds=3)

"""What the parity tests ask, and how Titer answers it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.evaluation.test_answering import EVAL, ROOT, SETTING, paths
from titer.evaluation import answering, benchmark, metrics
from titer.evaluation.answering import Setting, Taken
from titer.evaluation.benchmark import Benchmark
from titer.export import lm_eval
from titer.modeling import loading
from titer.records import ClosedItem

WINDOW = 64
"""Tokens: every text has several windows and a shorter last one."""
N_NEW = 12
EIGHT = replace(EVAL, max_candidates=8)


def setting() -> Setting:
    generation = replace(SETTING.generation, max_new_tokens=N_NEW)
    return replace(SETTING, max_length=WINDOW, eval=EIGHT, generation=generation)


def whole() -> Benchmark:
    return benchmark.load(paths(ROOT), EIGHT, root=ROOT)


def some(asked: Benchmark, n_facts: int, n_general: int, n_texts: int, n_open: int) -> Benchmark:
    """The first items of each kind."""
    facts = [item for item in asked.items if item.set == "facts"][:n_facts]
    general = [item for item in asked.items if item.set == "general"][:n_general]
    return replace(
        asked,
        items=facts + general,
        texts=asked.texts[:n_texts],
        questions=asked.questions[:n_open],
    )


def take(asked: Benchmark, folder: Path) -> Taken:
    return answering.take(asked, setting(), name="base", folder=folder)


def accuracies(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Of single wordings with all their candidates, as the harness counts."""
    gold = [row["gold"] for row in rows]
    scores = [row["ll"] for row in rows]
    normed = metrics.per_character(scores, [row["candidates"] for row in rows])
    module = metrics.load_metric("closed_accuracy")
    named = {"acc": scores, "acc_norm": normed}
    found = {
        name: module.compute(predictions=values, references=gold)["correct"]
        for name, values in named.items()
    }
    return {name: sum(map(bool, correct)) / len(rows) for name, correct in found.items()}


def bits_per_byte(taken: Taken) -> float:
    rows = [row for row in taken.rows if row["set"] == "text"]
    module = metrics.load_metric("bits_per_byte")
    found = module.compute(
        predictions=[row["ll"][0] for row in rows], references=[row["n_bytes"] for row in rows]
    )
    return float(found["bits_per_byte"])


def prompts(items: Sequence[ClosedItem], folder: Path) -> list[str]:
    """Rendered prompts of the first twenty general questions."""
    general = [item for item in items if item.set == "general"][:20]
    tokenizer = loading.load_tokenizer(folder)
    rendered = lm_eval.templated(tokenizer, setting().think, general).by_question
    return [rendered[item.question] for item in general]

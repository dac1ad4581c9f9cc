"""Part of a run of lm-evaluation-harness, frozen: items, texts, and what the harness said of them.

The model is not frozen: `small_model` builds it from the frozen texts, its seed and its sizes. What
moves the numbers without an error of ours: another initialisation or random generator in torch,
another tokenizer training in tokenizers, another Qwen3 in transformers. Then rewrite the file with
the real harness and look at what changed:
    pytest -m slow tests/export --update-golden
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from tests.export import asked as ask
from titer import files
from titer.evaluation.benchmark import Benchmark
from titer.records import ClosedItem

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "lm_eval_parity.json"
N_FACTS, N_GENERAL, N_TEXTS = 44, 40, 3
N_PROMPTS = 12


class Frozen:
    """The items, and the harness's answers where there are some."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        """From the content of the file."""
        self.items = [ClosedItem.from_json(row) for row in content["items"]]
        self.texts: list[dict[str, str]] = content["texts"]
        self.harness: Mapping[str, Any] = content.get("harness", {})

    @classmethod
    def of(cls, whole: Benchmark) -> Self:
        """The part of the benchmark that is frozen when the file is rewritten."""
        part = ask.some(whole, N_FACTS, N_GENERAL, N_TEXTS, 0)
        return cls({"items": [item.to_json() for item in part.items], "texts": part.texts})

    @classmethod
    def read(cls) -> Self:
        """The file."""
        return cls(json.loads(GOLDEN.read_text(encoding="utf-8")))

    def benchmark(self, like: Benchmark) -> Benchmark:
        """What the frozen part asks."""
        return replace(like, items=self.items, texts=self.texts, questions=[])

    def strings(self) -> list[str]:
        """What the tokenizer is trained on."""
        words = [text for item in self.items for text in (item.question, *item.candidates)]
        return [*words, *(text["text"] for text in self.texts)]

    def write(self, kind: str, samples: Sequence[Mapping[str, Any]], said: Sequence[str]) -> None:
        """Put the harness's answers of one kind of prompt, chat or plain, into the file."""
        from importlib.metadata import version

        known = {item.id for item in self.items} | {text["id"] for text in self.texts}
        found = {
            sample["doc"]["id"]: [round(float(score), 6) for score in scores(sample)]
            for sample in samples
            if sample["doc"]["id"] in known
        }
        kept = Frozen.read().harness if GOLDEN.exists() else {}
        answers = {"ll": found, "greedy": list(said[:N_PROMPTS])}
        harness = {**kept, "version": version("lm_eval"), kind: answers}
        rows = [{k: v for k, v in item.to_json().items() if v is not None} for item in self.items]
        files.write_json(GOLDEN, {"harness": harness, "items": rows, "texts": self.texts})


def scores(sample: Mapping[str, Any]) -> list[float]:
    """Log-likelihoods of one sample, per candidate or of the whole text."""
    return [one[0] if isinstance(one, list | tuple) else one for one in sample["filtered_resps"]]

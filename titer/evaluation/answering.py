"""One model takes the benchmark: open answers, closed questions, texts, and a record of the run.

Invariant: everything is stored raw; what needs a metric is computed by score, from these files.
"""

import logging
import math
import platform
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from titer import files
from titer.config import Device, Dtype, EvalSettings, GenerationSettings, PlanSettings, Think
from titer.evaluation import few_shot
from titer.evaluation.benchmark import Benchmark
from titer.modeling import chat_template, loading
from titer.modeling.generation import Generated, generate
from titer.modeling.loglikelihood import (
    Pair,
    continuation_loglikelihoods,
    cut_left,
    encode_pairs,
    text_loglikelihoods,
)
from titer.modeling.weights import check_context, context_length, weights_sha256
from titer.plan import with_questions
from titer.records import Answer, ClosedItem, Question

logger = logging.getLogger(__name__)

TEXT_BATCH = 8
"""Windows of text per forward pass."""
CUT = "context_cut"
"""Flag of an answer or row whose prompt lost its beginning: the model could not attend to it."""
SAFETY = "safety"
"""Type of the questions whose reference answer is for reading only."""
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "tokenizers", "numpy")


@dataclass(frozen=True)
class Setting:
    """How a model is asked: the same for every model that is compared."""

    think: Think
    generation: GenerationSettings
    max_length: int
    """Window, in tokens, of the texts."""
    eval: EvalSettings
    seed: int
    device: Device
    precision: Dtype


@dataclass(frozen=True)
class Taken:
    """What one model at one precision left."""

    answers: list[Answer]
    rows: list[dict[str, Any]]
    """Closed items and texts, for closed.jsonl."""
    model: dict[str, Any]
    """Identity for run.json."""
    n_cut: int
    """Questions and items whose prompt was too long and lost its beginning."""
    timing: dict[str, float]


def take(
    benchmark: Benchmark,
    setting: Setting,
    *,
    name: str,
    folder: Path,
    adapter: Path | None = None,
    quantize: bool = False,
    shots: few_shot.Shots | None = None,
) -> Taken:
    """Load a model, let it take the benchmark and let go of it.

    Args:
        name: of the arm, written into each answer: base, qlora or full.
        folder: base model, or full fine-tune.
        adapter: LoRA folder on top of it.
        quantize: 4-bit NF4.
        shots: solved examples before each closed question.
    """
    started = time.monotonic()
    check_context(folder, setting.max_length)
    tokenizer = loading.load_tokenizer(folder)
    model = loading.load_model(
        folder, dtype=setting.precision, device=setting.device, quantize=quantize
    )
    if adapter is not None:
        model = loading.load_adapter(model, adapter)
    precision = "nf4" if quantize else str(setting.precision)
    arm = _Arm(model, tokenizer, setting, name, precision, context_length(folder), shots or {})
    logger.info("%s at %s: benchmark begins", name, arm.precision)
    loaded = time.monotonic()
    answers = arm.answer(benchmark.questions)
    answered = time.monotonic()
    rows = arm.score_items(benchmark.items) + arm.score_texts(benchmark.texts)
    if arm.cut:
        logger.warning(
            "%s at %s: %d prompts exceed the model's context of %s tokens and lost their "
            "beginning, first %s", name, precision, len(arm.cut), arm.context_length, min(arm.cut),
        )  # fmt: skip
    timing = {
        "load_s": loaded - started,
        "answer_s": answered - loaded,
        "score_s": time.monotonic() - answered,
        "peak_memory_mib": loading.peak_memory_mib(setting.device),
    }
    identity, n_cut = arm.identity(folder, adapter), len(arm.cut)
    del arm, model
    loading.free_memory(setting.device)  # the next precision needs the room
    return Taken(answers, rows, identity, n_cut, timing)


def closed_prompt(tokenizer: Any, messages: chat_template.Messages, think: Think) -> str:
    """Rendered prompt where likelihoods are taken: an open thought is closed (lm-eval#3675)."""
    policy = Think.empty if think == Think.keep else think
    return chat_template.render_prompt(tokenizer, messages, policy)


@dataclass
class _Arm:
    """A loaded model with its way of being asked."""

    model: Any
    tokenizer: Any
    setting: Setting
    name: str
    precision: str
    context_length: int | None
    """Tokens that the model can attend to; None where its configuration does not say."""
    shots: few_shot.Shots = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    """Ids of questions and items whose prompt lost its beginning."""

    def prompt(self, question: str, *, closed: bool) -> str:
        """Rendered prompt of a question that is answered freely or by likelihood."""
        messages = chat_template.ask(question)
        if closed:
            return closed_prompt(self.tokenizer, messages, self.setting.think)
        return chat_template.render_prompt(self.tokenizer, messages, self.setting.think)

    def item_prompt(self, item: ClosedItem, question: str) -> str:
        """Rendered prompt of a closed item, after its solved examples where there are some."""
        messages = few_shot.messages(self.shots.get(item.id, ()), question)
        return closed_prompt(self.tokenizer, messages, self.setting.think)

    def encode(self, prompt: str) -> tuple[int, ...]:
        return tuple(chat_template.encode_prompt(self.tokenizer, prompt))

    def continuation(self, text: str) -> tuple[int, ...]:
        return tuple(chat_template.encode_continuation(self.tokenizer, text))

    # -- open questions

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Every sample of every question, question by question."""
        references = self._reference_scores(questions)
        prompts = [self.prompt(q.question, closed=False) for q in questions]
        ids = [
            self._with_room(q.id, self.encode(prompt))
            for q, prompt in zip(questions, prompts, strict=True)
        ]
        answers: list[Answer] = []
        n_samples = self.setting.generation.samples
        with _bar(len(ids) * n_samples, f"{self.name} answers", "answer") as bar:
            for sample in range(n_samples):
                seed = self.setting.seed + 1000 * sample
                results = generate(
                    self.model, self.tokenizer, ids, self.setting.generation,
                    batch_size=self.setting.eval.batch_size, seed=seed, on_done=bar.update,
                )  # fmt: skip
                for question, prompt, tokens, result in zip(
                    questions, prompts, ids, results, strict=True
                ):
                    answer = self._answer(question, prompt, len(tokens), result)
                    answer.sample_index, answer.seed = sample, seed
                    answer.ref_logprob, answer.ref_bytes = references[question.id]
                    answers.append(answer)
        return sorted(answers, key=lambda a: (a.id, a.sample_index))

    def _with_room(self, key: str, prompt: tuple[int, ...]) -> list[int]:
        """The prompt, cut from the left so that the longest answer fits behind it."""
        if self.context_length is None:
            return list(prompt)
        room = max(self.context_length - self.setting.generation.max_new_tokens, 1)
        if len(prompt) > room:
            self.cut.add(key)
        return list(prompt[-room:])

    def _answer(self, question: Question, prompt: str, n_prompt: int, result: Generated) -> Answer:
        raw: str = self.tokenizer.decode(result.ids, skip_special_tokens=False)
        clean: str = self.tokenizer.decode(result.ids, skip_special_tokens=True)
        split = chat_template.split_thought(
            raw if chat_template.THINK_CLOSE in raw else clean,
            opened_in_prompt=chat_template.opens_thought(prompt),
        )
        flags = [
            flag
            for flag, is_set in (
                ("truncated", result.finish_reason == "length"),
                ("unclosed_think", split.state == "unclosed"),
                ("empty", not split.answer),
                (CUT, question.id in self.cut),
            )
            if is_set
        ]
        return Answer(
            id=question.id,
            category=question.category,
            difficulty=question.difficulty,
            question=question.question,
            response=split.answer,
            time_seconds=round(result.seconds, 4),
            timestamp=datetime.now(UTC).isoformat(timespec="seconds"),
            model=self.name,
            precision=self.precision,
            response_raw=raw,
            reasoning=split.reasoning,
            reasoning_state=split.state,
            prompt_sha256=files.sha256_text(prompt),
            prompt_tokens=n_prompt,
            response_tokens=len(result.ids),
            finish_reason=result.finish_reason,
            flags=flags,
        )

    def _reference_scores(
        self, questions: Sequence[Question]
    ) -> dict[str, tuple[float | None, int | None]]:
        """Log-likelihood and bytes of each reference answer, nulls where there is none.

        Those of safety items are in no metric, so they are not measured.
        """
        pairs: dict[str, Pair] = {}
        for question in questions:
            if question.reference_answer and question.type != SAFETY:
                prompt = self.encode(self.prompt(question.question, closed=True))
                whole = (prompt, self.continuation(question.reference_answer))
                pairs[question.id] = self._fitting(question.id, whole)
        scored = continuation_loglikelihoods(
            self.model, self.tokenizer, pairs.values(), batch_size=TEXT_BATCH
        )
        sizes = {q.id: len((q.reference_answer or "").encode()) for q in questions}
        return {
            q.id: (_finite(scored[pairs[q.id]]), sizes[q.id]) if q.id in pairs else (None, None)
            for q in questions
        }

    # -- closed questions

    def score_items(self, items: Sequence[ClosedItem]) -> list[dict[str, Any]]:
        """One row per item with the log-likelihood of each candidate, question-blind ones too."""
        asked = {item.id: self._pairs(item, item.question) for item in items}
        blind = {
            item.id: self._pairs(item, item.blind_question)
            for item in items
            if item.blind_question is not None
        }
        pairs = {pair for group in (asked, blind) for found in group.values() for pair in found}
        with _bar(len(pairs), f"{self.name} closed questions", "choice") as bar:
            scored = continuation_loglikelihoods(
                self.model, self.tokenizer, pairs,
                batch_size=self.setting.eval.score_batch_size, on_done=bar.update,
            )  # fmt: skip
        return [self._item_row(item, asked[item.id], blind.get(item.id), scored) for item in items]

    def _pairs(self, item: ClosedItem, question: str) -> list[Pair]:
        prompt = self.item_prompt(item, question)
        pairs = encode_pairs(self.tokenizer, prompt, item.candidates)
        return [self._fitting(item.id, pair) for pair in pairs]

    def _fitting(self, key: str, pair: Pair) -> Pair:
        """The pair, its prompt cut from the left where the model cannot attend to all of it."""
        if self.context_length is None:
            return pair
        fitting = cut_left(pair, self.context_length)
        if fitting != pair:
            self.cut.add(key)
        return fitting

    def _item_row(
        self,
        item: ClosedItem,
        asked: list[Pair],
        blind: list[Pair] | None,
        scored: dict[Pair, float],
    ) -> dict[str, Any]:
        hidden, shots = item.blind_question, self.shots.get(item.id, ())
        return {
            **{key: value for key, value in item.to_json().items() if key != "blind_question"},
            "precision": self.precision,
            **({"few_shot": len(shots)} if shots else {}),
            "prompt_sha256": files.sha256_text(self.item_prompt(item, item.question)),
            "blind_prompt_sha256": (
                files.sha256_text(self.item_prompt(item, hidden)) if hidden is not None else None
            ),
            "ll": [_finite(scored[pair]) for pair in asked],
            "ll_blind": [_finite(scored[pair]) for pair in blind] if blind else None,
            "n_tokens": [len(continuation) for _, continuation in asked],
            "flags": [CUT] if item.id in self.cut else [],
        }

    # -- texts

    def score_texts(self, texts: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
        """One row per text with its log-likelihood, for bits per byte."""
        scored = text_loglikelihoods(
            self.model, self.tokenizer, [text["text"] for text in texts],
            window=self.setting.max_length, batch_size=TEXT_BATCH,
        )  # fmt: skip
        return [
            {
                "id": text["id"],
                "set": "text",
                "genre": text["genre"],
                "precision": self.precision,
                "ll": [_finite(ll)],
                "n_bytes": len(text["text"].encode()),
                "n_tokens": [n_tokens],
            }
            for text, (ll, n_tokens) in zip(texts, scored, strict=True)
        ]

    def identity(self, folder: Path, adapter: Path | None) -> dict[str, Any]:
        """Who was measured, for run.json."""
        return {
            "precision": self.precision,
            "weights_sha256": weights_sha256(folder),
            "adapter_sha256": weights_sha256(adapter) if adapter else None,
            "n_params": loading.n_parameters(self.model)[1],
            **chat_template.identity(self.tokenizer),
        }


def take_few_shot(benchmark: Benchmark, setting: Setting, *, name: str, folder: Path) -> Taken:
    """Ask the closed test items after `eval.few_shot` solved examples each, and nothing else."""
    items, shots = few_shot.prepare(benchmark.items, setting.eval.few_shot)
    asked = replace(benchmark, questions=[], items=items, texts=[])
    taken = take(asked, setting, name=name, folder=folder, shots=shots)
    shown = {"precision": f"{taken.model['precision']}+{setting.eval.few_shot}shot"}
    return replace(taken, model=taken.model | shown)


def _bar(total: int, text: str, unit: str) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, desc=text, unit=unit, mininterval=1.0)


def run_record(
    taken: Sequence[Taken], benchmark: Benchmark, setting: Setting, plan: PlanSettings
) -> dict[str, Any]:
    """Content of run.json; everything that changes from run to run stands in `timing`."""
    first = taken[0]
    return {
        "schema_version": 1,
        "status": "ok",
        "reason": None,
        "models": [one.model for one in taken],
        "tokenizer_sha256": first.model["tokenizer_sha256"],
        "chat_template_sha256": first.model["chat_template_sha256"],
        "benchmark_sha256": benchmark.sha256,
        "plan_sha256": with_questions(plan, benchmark.sha256),
        "n_questions": len(benchmark.questions),
        "n_items": len(benchmark.items),
        "n_texts": len(benchmark.texts),
        "n_errors": sum(_is_broken(row) for one in taken for row in one.rows),
        "n_cut": sum(one.n_cut for one in taken),
        "generation": {**vars(setting.generation), "seed": setting.seed},
        "think": str(setting.think),
        "batch_size": setting.eval.batch_size,
        "score_batch_size": setting.eval.score_batch_size,
        "device": str(setting.device),
        "packages": {name: version(name) for name in PACKAGES},
        "timing": {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": platform.machine(),
            "note": "time_seconds of an answer is its batch's time divided by its size",
            "parts": [files.rounded(one.timing, 2) for one in taken],
        },
    }


def _finite(value: float) -> float | None:
    """Rounded to 6 decimals; null for NaN and infinity, which JSON lacks and score must count."""
    return round(value, 6) if math.isfinite(value) else None


def _is_broken(row: dict[str, Any]) -> bool:
    return any(value is None for value in row["ll"])


def count_answers(answers: Sequence[Answer]) -> dict[str, int]:
    """Numbers that need no metric: answers, truncated, unclosed and empty ones."""
    counted = Counter(flag for answer in answers for flag in answer.flags)
    return {
        "n_answers": len(answers),
        "n_truncated": counted["truncated"],
        "n_unclosed": counted["unclosed_think"],
        "n_empty": counted["empty"],
    }


def setting(cfg: Any) -> Setting:
    """How models are asked, from the keys that the benchmark stages declare."""
    return Setting(
        think=cfg.model.think,
        generation=cfg.model.generation,
        max_length=cfg.model.max_length,
        eval=cfg.eval,
        seed=cfg.seed,
        device=cfg.hardware.device,
        precision=cfg.hardware.precision,
    )


def write(
    taken: Sequence[Taken],
    benchmark: Benchmark,
    setting: Setting,
    plan: PlanSettings,
    writes: Any,
    *,
    stage: str,
) -> None:
    """Write answers.json, closed.jsonl, run.json and metrics.json of one benchmark stage."""
    answers = [answer for one in taken for answer in one.answers]
    # the source system's seven keys come first and in its order, so keys stay as declared
    files.write_json(writes.answers, [a.to_json() for a in answers], sort_keys=False)
    files.write_jsonl(writes.closed, [row for one in taken for row in one.rows])
    files.write_json(writes.run, run_record(taken, benchmark, setting, plan))
    files.write_json(writes.metrics, {stage: count_answers(answers)})


def write_not_run(reason: str, plan_sha256: str, writes: Any, *, stage: str) -> None:
    """Write empty results that say why the model was not asked."""
    logger.warning("%s does not run: %s", stage, reason)
    files.write_json(writes.answers, [])
    files.write_jsonl(writes.closed, [])
    record = {"status": "not_run", "reason": reason, "plan_sha256": plan_sha256}
    files.write_json(writes.run, {"schema_version": 1, **record})
    files.write_json(writes.metrics, {stage: count_answers([])})

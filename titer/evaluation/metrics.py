"""Scores as plain functions of log-likelihoods and texts, and the metric modules that wrap them.

Invariant: nothing here knows arms, files of results or statistics; overlap with the reference and
the descriptive counts are shown but never decide.
"""

import contextlib
import json
import math
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from titer.evaluation import keypoints
from titer.evaluation.items import word_key
from titer.evaluation.keypoints import AnswerScore

MODULES = (
    "abstention", "answer_description", "answer_quality", "bits_per_byte", "calibration",
    "closed_accuracy", "hallucinated_entities", "keypoint_recall", "normalised_accuracy",
    "pmi_accuracy", "rouge_l", "rubric_score", "token_f1",
)  # fmt: skip
"""The metric modules of the package `evaluate`, one folder each below metric_modules/."""

Scores = Sequence[Sequence[float]]
"""One row per item with a number per choice; rows may differ in length."""


# -- closed items


def correct_choices(scores: Scores, gold: Sequence[int]) -> list[bool]:
    """Whether the right choice scores above all others; a tie is wrong."""
    return [
        all(row[g] > score for index, score in enumerate(row) if index != g)
        for row, g in zip(scores, gold, strict=True)
    ]


def share(outcomes: Sequence[bool]) -> float:
    """Share of true outcomes; 0 of 0 is 0."""
    return sum(outcomes) / len(outcomes) if outcomes else 0.0


def mean(values: Sequence[float | None]) -> float | None:
    """Mean of the values that are given; None where none is."""
    given = [value for value in values if value is not None]
    return math.fsum(given) / len(given) if given else None


def per_character(scores: Scores, choices: Sequence[Sequence[str]]) -> list[list[float]]:
    """Scores divided by the characters of the choices, as lm-evaluation-harness does (acc_norm)."""
    return [
        [score / max(len(choice), 1) for score, choice in zip(row, texts, strict=True)]
        for row, texts in zip(scores, choices, strict=True)
    ]


def less_blind(scores: Scores, blind: Scores) -> list[list[float]]:
    """What the disease's name adds to each choice (pointwise mutual information)."""
    return [
        [score - other for score, other in zip(row, blind_row, strict=True)]
        for row, blind_row in zip(scores, blind, strict=True)
    ]


def probabilities(row: Sequence[float]) -> list[float]:
    """Softmax over the choices of one item."""
    top = max(row)
    weights = [math.exp(score - top) for score in row]
    return [weight / math.fsum(weights) for weight in weights]


def gold_probabilities(scores: Scores, gold: Sequence[int]) -> list[float]:
    """Probability of the right choice, item by item."""
    return [probabilities(row)[g] for row, g in zip(scores, gold, strict=True)]


def brier(scores: Scores, gold: Sequence[int]) -> list[float]:
    """Sum over choices of (probability - truth)^2, item by item: 0 is perfect, 2 the worst."""
    return [
        math.fsum((p - (index == g)) ** 2 for index, p in enumerate(probabilities(row)))
        for row, g in zip(scores, gold, strict=True)
    ]


def calibration_error(scores: Scores, gold: Sequence[int], *, bins: int = 10) -> float:
    """Mean gap between confidence and accuracy over bins of equal size, least sure first."""
    outcomes = correct_choices(scores, gold)
    sure = [max(probabilities(row)) for row in scores]
    ranked = sorted(range(len(sure)), key=lambda index: (sure[index], index))
    n, gaps = len(ranked), []
    for rank in range(bins):
        members = ranked[rank * n // bins : (rank + 1) * n // bins]
        gaps.append(abs(math.fsum(sure[i] - outcomes[i] for i in members)))
    return math.fsum(gaps) / n if n else 0.0


# -- likelihood of texts


def bits_per_byte(loglikelihoods: Sequence[float], n_bytes: Sequence[int]) -> list[float]:
    """Bits per UTF-8 byte of each text, from natural-log likelihoods."""
    return [-ll / math.log(2) / n for ll, n in zip(loglikelihoods, n_bytes, strict=True)]


def total_bits_per_byte(loglikelihoods: Sequence[float], n_bytes: Sequence[int]) -> float:
    """Bits per byte of all texts together, as lm-evaluation-harness defines it."""
    return -math.fsum(loglikelihoods) / math.log(2) / sum(n_bytes)


# -- answers in free text


@lru_cache(maxsize=8192)
def score_answer(answer: str, rubric: str) -> AnswerScore:
    """Key points and must-not statements of one answer.

    Args:
        answer: without the thought.
        rubric: JSON text of `{key_points, must_not, overrides}`, see `rubric_text`.
    """
    spec = json.loads(rubric)
    return keypoints.score_answer(
        answer, spec["key_points"], spec["must_not"], spec.get("overrides")
    )


def rubric_text(
    key_points: Sequence[Mapping[str, Any]],
    must_not: Sequence[Any],
    overrides: Mapping[str, bool] | None = None,
) -> str:
    """Key points, must-not statements and overrides as the one text that metric modules take."""
    spec = {"key_points": key_points, "must_not": must_not, "overrides": overrides or {}}
    return json.dumps(spec, sort_keys=True)


def token_f1(answer: str, reference: str) -> float:
    """Harmonic mean of precision and recall over the words of both, as a bag."""
    one, other = word_key(answer).split(), word_key(reference).split()
    return _f1(sum((Counter(one) & Counter(other)).values()), len(one), len(other))


def rouge_l(answer: str, reference: str) -> float:
    """F1 of the longest common subsequence of words (Lin 2004, beta 1)."""
    one, other = word_key(answer).split(), word_key(reference).split()
    row = [0] * (len(other) + 1)
    for word in one:
        diagonal = 0
        for index, target in enumerate(other, 1):
            longest = diagonal + 1 if word == target else max(row[index], row[index - 1])
            diagonal, row[index] = row[index], longest
    return _f1(row[-1], len(one), len(other))


def _f1(common: int, n_one: int, n_other: int) -> float:
    return 2 * common / (n_one + n_other) if common else 0.0


FLAGS = ("truncated", "unclosed_think", "empty", "failed")
"""What can be wrong with an answer as generated."""


def repetition(answer: str) -> float:
    """Share of the 4-grams of words that occurred before in the same answer."""
    words = answer.lower().split()
    grams = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


_STRUCTURE = re.compile(r"^\s*(?:[-*\u2022]|\d+[.)]|#{1,6})\s|\*\*[^*\n]+\*\*", re.M)
_CONFIDENCE = re.compile(
    r"\b(?:confiden\w*|certain\w*|uncertain\w*|likely|unlikely|probab\w*|possibl[ey]|unsure)\b",
    re.I,
)
_NEXT_STEPS = re.compile(
    r"\b(?:next steps?|follow[- ]?up|refer(?:ral|red)?\b|further (?:test|investigat|evaluat)\w*"
    r"|should be (?:tested|monitored|referred|investigated)|recommend\w*|consult\w*)",
    re.I,
)


def describe(answer: str, raw: str, lexicon: Sequence[str]) -> dict[str, float]:
    """What an answer looks like: lengths, and 0 or 1 for traits. Shown, never scored.

    Args:
        answer: without the thought.
        raw: as generated, for the think tags.
        lexicon: words of the domain; each occurrence counts.
    """
    words = Counter(word_key(answer).split())
    return {
        "words": float(len(answer.split())),
        "sentences": float(len([s for s in re.split(r"[.!?]+(?:\s|$)", answer) if s.strip()])),
        "think_tags": float("<think>" in raw or "</think>" in raw),
        "medical_terms": float(sum(words[term] for term in {word_key(word) for word in lexicon})),
        "structured": float(bool(_STRUCTURE.search(answer))),
        "mentions_confidence": float(bool(_CONFIDENCE.search(answer))),
        "mentions_next_steps": float(bool(_NEXT_STEPS.search(answer))),
    }


def look_text(answer: str, lexicon: Sequence[str]) -> str:
    """Answer and lexicon as the one text that the module answer_description takes."""
    return json.dumps({"answer": answer, "lexicon": list(lexicon)})


# -- the package evaluate


def compute(name: str, predictions: Sequence[Any], references: Sequence[Any]) -> dict[str, Any]:
    """What a metric module finds, in its docstring's words; {} where there is nothing to score."""
    if not predictions:
        return {}
    found = load_metric(name).compute(predictions=predictions, references=references)
    return dict(found)


@lru_cache(maxsize=len(MODULES))
def load_metric(name: str) -> Any:
    """A metric module, loaded with `evaluate.load` from this package's folder, offline.

    Nothing is written to the user's home: scripts and buffers lie in a temporary folder that goes
    when the process ends.

    Args:
        name: one of MODULES.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with _no_transformers():
        import evaluate

    scratch = _scratch()
    # load() takes no folder for the copies that it imports; the default one is below HOME
    before, evaluate.config.HF_MODULES_CACHE = evaluate.config.HF_MODULES_CACHE, scratch
    try:
        return evaluate.load(
            str(Path(__file__).parent / "metric_modules" / name),
            experiment_id=f"titer-{os.getpid()}",
            cache_dir=str(scratch / "buffers"),
            keep_in_memory=True,
        )
    finally:
        evaluate.config.HF_MODULES_CACHE = before


@contextlib.contextmanager
def _no_transformers() -> Iterator[None]:
    """Let evaluate do without transformers, as its own check for that package allows.

    It wants it for its Evaluator alone, which is not used here, and four seconds go to it and to
    torch, which nothing else of the scoring needs.
    """
    if "transformers" in sys.modules:
        yield
        return
    sys.modules["transformers"] = None  # type: ignore[assignment]  # `import` raises ImportError
    try:
        yield
    finally:
        del sys.modules["transformers"]


@lru_cache(maxsize=1)
def _scratch() -> Path:
    import atexit
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="titer-metrics-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder

"""Scores of free-text answers: key points, likelihood of the reference, overlap, quality flags.

Invariant: samples are averaged within a question first; an answer whose thought never closed, or
that failed, is an empty answer and counts as wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from titer import files
from titer.evaluation import metrics
from titer.evaluation.arms import Arm, is_finite
from titer.evaluation.keypoints import AnswerScore
from titer.records import Answer, Question

Overrides = Mapping[tuple[str, str], Mapping[str, bool]]
"""Clinicians' verdicts by question id and answer text: point or statement -> found or not."""


@dataclass
class OpenScores:
    """Scores of one arm, each by question id; a question without a score is absent."""

    keypoint_recall: dict[str, float] = field(default_factory=dict)
    rubric_score: dict[str, float] = field(default_factory=dict)
    ref_bpb: dict[str, float] = field(default_factory=dict)
    rouge_l: dict[str, float] = field(default_factory=dict)
    token_f1: dict[str, float] = field(default_factory=dict)

    def metrics(self) -> dict[str, float | int]:
        """Mean over questions of each score that exists, and the number of those questions."""
        found: dict[str, float | int] = {}
        for name, values in vars(self).items():
            mean = metrics.mean(list(values.values()))
            if mean is not None:
                found |= {name: mean, f"n_{name}": len(values)}
        return found


def score(arm: Arm, questions: Sequence[Question], overrides: Overrides) -> OpenScores:
    """Scores of every question that the arm answered; overrides go before the matcher."""
    asked = [question for question in questions if question.id in arm.answers]
    return OpenScores(
        **_of_key_points(arm, [q for q in asked if q.key_points], overrides),
        **_of_overlap(arm, [q for q in asked if q.reference_answer]),
        ref_bpb=_of_references(arm, asked),
    )


def final(answer: Answer) -> str:
    """What counts as the answer."""
    return "" if answer.reasoning_state == "unclosed" or answer.error else answer.response


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def rubric(question: Question, text: str, overrides: Overrides) -> str:
    """Key points, must-not statements and overrides of one answer as metric modules take them."""
    known = overrides.get((question.id, text))
    return metrics.rubric_text(question.key_points, question.must_not, known)


def judged(question: Question, text: str, overrides: Overrides) -> AnswerScore:
    """Key points and must-not statements of one final answer."""
    return metrics.score_answer(text, rubric(question, text, overrides))


def _of_key_points(
    arm: Arm, questions: Sequence[Question], overrides: Overrides
) -> dict[str, dict[str, float]]:
    pairs = [(question, final(answer)) for question, answer in _answers(arm, questions)]
    texts = [text for _, text in pairs]
    rubrics = [rubric(question, text, overrides) for question, text in pairs]
    return {
        name: _by_question(pairs, metrics.compute(name, texts, rubrics))
        for name in ("keypoint_recall", "rubric_score")
    }


def _of_overlap(arm: Arm, questions: Sequence[Question]) -> dict[str, dict[str, float]]:
    pairs = [(question, final(answer)) for question, answer in _answers(arm, questions)]
    texts = [text for _, text in pairs]
    references = [question.reference_answer for question, _ in pairs]
    return {
        name: _by_question(pairs, metrics.compute(name, texts, references))
        for name in ("rouge_l", "token_f1")
    }


def _by_question(
    pairs: Sequence[tuple[Question, str]], found: Mapping[str, Any]
) -> dict[str, float]:
    """Mean over the samples of each question of what a module found for each answer."""
    groups: dict[str, list[float]] = {}
    for (question, _), value in zip(pairs, found.get("each", ()), strict=True):
        groups.setdefault(question.id, []).append(value)
    return {key: _mean(values) for key, values in groups.items()}


def _of_references(arm: Arm, questions: Sequence[Question]) -> dict[str, float]:
    first = {question.id: arm.answers[question.id][0] for question in questions}
    known = {
        key: (answer.ref_logprob, answer.ref_bytes)
        for key, answer in first.items()
        if answer.ref_bytes and is_finite([answer.ref_logprob])
    }
    scores, sizes = [ll for ll, _ in known.values()], [n for _, n in known.values()]
    found = metrics.compute("bits_per_byte", scores, sizes)
    return dict(zip(known, found.get("each", ()), strict=True))


def flags(answer: Answer) -> list[str]:
    """What is wrong with an answer as generated, in the order of metrics.FLAGS."""
    found = {
        "truncated": answer.finish_reason == "length",
        "unclosed_think": answer.reasoning_state == "unclosed",
        "empty": not final(answer).strip(),
        "failed": bool(answer.error),
    }
    return [flag for flag in metrics.FLAGS if found[flag] or flag in answer.flags]


def _answers(arm: Arm, questions: Sequence[Question]) -> list[tuple[Question, Answer]]:
    return [(question, a) for question in questions for a in arm.answers.get(question.id, ())]


def _quality(arm: Arm, questions: Sequence[Question]) -> dict[str, float]:
    answers = [answer for _, answer in _answers(arm, questions)]
    wrong = [",".join(flags(answer)) for answer in answers]
    return metrics.compute("answer_quality", [final(answer) for answer in answers], wrong)


def rates(arm: Arm, questions: Sequence[Question]) -> dict[str, float]:
    """Share of answers with each flag."""
    found = _quality(arm, questions)
    return {name: value for name, value in found.items() if name.endswith("_rate")}


def describe(arm: Arm, questions: Sequence[Question], lexicon: Sequence[str]) -> dict[str, float]:
    """Means over answers of what they look like; shown, never scored."""
    answers = [answer for _, answer in _answers(arm, questions)]
    raw = [answer.response_raw or answer.response for answer in answers]
    looks = [metrics.look_text(final(answer), lexicon) for answer in answers]
    found = metrics.compute("answer_description", raw, looks)
    quality = _quality(arm, questions)
    found |= {name: value for name, value in quality.items() if name == "repetition"}
    return {f"{name}_mean": value for name, value in found.items()}


def detail(
    question: Question, arm: Arm, scores: OpenScores, overrides: Overrides
) -> dict[str, Any] | None:
    """The first sample of one answer with its key points marked; None if there is none."""
    samples = arm.answers.get(question.id)
    if not samples:
        return None
    answer = samples[0]
    text = final(answer)
    found = judged(question, text, overrides)
    human = set(overrides.get((question.id, text), ()))
    return {
        "response": answer.response,
        "answer_sha256": files.sha256_text(text),
        "reasoning_state": answer.reasoning_state,
        "recall": scores.keypoint_recall.get(question.id),
        "rubric": scores.rubric_score.get(question.id),
        "rouge_l": scores.rouge_l.get(question.id),
        "token_f1": scores.token_f1.get(question.id),
        "n_samples": len(samples),
        "key_points": _with_text(found.key_points, question.key_points, human),
        "must_not": _with_text(found.must_not, question.must_not, human),
        "critical_missed": list(found.critical_missed),
        "flags": flags(answer),
    }


def _phrases(point: Mapping[str, Any]) -> str:
    """What meets a point that has no text of its own."""
    return " or ".join(" and ".join(group) for group in point["any_of"]) or str(point["id"])


def _with_text(
    found: Sequence[Mapping[str, Any]], defined: Sequence[Mapping[str, Any]], human: set[str]
) -> list[dict[str, Any]]:
    texts = {point["id"]: point.get("text") or _phrases(point) for point in defined}
    return [
        {
            **row,
            "text": texts[row["id"]],
            "spans": [list(span) for span in row["spans"]],
            "human_override": row["id"] in human,
        }
        for row in found
    ]

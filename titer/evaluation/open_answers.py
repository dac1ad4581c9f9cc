"""Scores of free-text answers: key points, likelihood of the reference, overlap, quality flags.

Invariant: samples are averaged within a question first; an answer whose thought never closed, or
that failed, is an empty answer and counts as wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from titer import files
from titer.evaluation import metrics
from titer.evaluation.arms import Arm
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
    scores = OpenScores()
    _add_key_points(scores, arm, [q for q in asked if q.key_points], overrides)
    _add_references(scores, arm, asked)
    for question in asked:
        if reference := question.reference_answer:
            texts = [final(answer) for answer in arm.answers[question.id]]
            scores.rouge_l[question.id] = _mean([metrics.rouge_l(t, reference) for t in texts])
            scores.token_f1[question.id] = _mean([metrics.token_f1(t, reference) for t in texts])
    return scores


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


def _add_key_points(
    scores: OpenScores, arm: Arm, questions: Sequence[Question], overrides: Overrides
) -> None:
    pairs = [(question, answer) for question in questions for answer in arm.answers[question.id]]
    if not pairs:
        return
    found = metrics.load_metric("keypoint_recall").compute(
        predictions=[final(answer) for _, answer in pairs],
        references=[rubric(question, final(answer), overrides) for question, answer in pairs],
    )
    for name, target in (("recalls", scores.keypoint_recall), ("rubrics", scores.rubric_score)):
        groups: dict[str, list[float]] = {}
        for (question, _), value in zip(pairs, found[name], strict=True):
            groups.setdefault(question.id, []).append(value)
        target.update({key: _mean(values) for key, values in groups.items()})


def _add_references(scores: OpenScores, arm: Arm, questions: Sequence[Question]) -> None:
    first = {question.id: arm.answers[question.id][0] for question in questions}
    known = {
        key: (answer.ref_logprob, answer.ref_bytes)
        for key, answer in first.items()
        if answer.ref_logprob is not None and answer.ref_bytes
    }
    if known:
        found = metrics.load_metric("bits_per_byte").compute(
            predictions=[logprob for logprob, _ in known.values()],
            references=[n_bytes for _, n_bytes in known.values()],
        )
        scores.ref_bpb = dict(zip(known, found["each"], strict=True))


def flags(answer: Answer) -> list[str]:
    """What is wrong with an answer as generated, in the order of metrics.FLAGS."""
    found = {
        "truncated": answer.finish_reason == "length",
        "unclosed_think": answer.reasoning_state == "unclosed",
        "empty": not final(answer).strip(),
        "failed": bool(answer.error),
    }
    return [flag for flag in metrics.FLAGS if found[flag] or flag in answer.flags]


def _answers(arm: Arm, questions: Sequence[Question]) -> list[Answer]:
    return [answer for question in questions for answer in arm.answers.get(question.id, ())]


def rates(arm: Arm, questions: Sequence[Question]) -> dict[str, float]:
    """Share of answers with each flag."""
    found = [flags(answer) for answer in _answers(arm, questions)]
    if not found:
        return {}
    return {f"{flag}_rate": _mean([flag in row for row in found]) for flag in metrics.FLAGS}


def describe(arm: Arm, questions: Sequence[Question], lexicon: Sequence[str]) -> dict[str, float]:
    """Means over answers of what they look like; shown, never scored."""
    rows = [
        metrics.describe(final(answer), answer.response_raw or answer.response, lexicon)
        | {"repetition": metrics.repetition(final(answer))}
        for answer in _answers(arm, questions)
    ]
    return {f"{name}_mean": _mean([row[name] for row in rows]) for name in rows[0]} if rows else {}


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


def _with_text(
    found: Sequence[Mapping[str, Any]], defined: Sequence[Mapping[str, Any]], human: set[str]
) -> list[dict[str, Any]]:
    texts = {point["id"]: point.get("text", point["id"]) for point in defined}
    return [
        {
            **row,
            "text": texts[row["id"]],
            "spans": [list(span) for span in row["spans"]],
            "human_override": row["id"] in human,
        }
        for row in found
    ]
